/* options.c: one table says what every option is called, takes, may be, and which commands know it.
 * Parsing and help come from it, the manual and completions too (manual.c, completions.c).
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

#define AT(field) offsetof(cli_opts, field)

const option cli_options[] = {
    {"-m", "--model", TEXT, OPT_MODEL, AT(model), 0, 0, NULL, "FILE",
     "the model, instead of the first argument"},

    {"-p", "--prompt", TEXT, OPT_TEXT, AT(prompt), 0, 0, NULL, "TEXT", "the text"},
    {"-f", "--file", TEXT, OPT_TEXT, AT(file), 0, 0, NULL, "FILE",
     "a file with the text; without -p and -f: stdin"},
    {"-sys", "--system", TEXT, OPT_CHAT, AT(system), 0, 0, NULL, "TEXT", "the system message"},
    {NULL, "--raw", FLAG, OPT_RAW, AT(raw), 0, 0, NULL, NULL,
     "send the text as it is, without the file's chat template"},

    {"-n", "--n-predict", WHOLE, OPT_SAMPLE, AT(n_predict), -1, 1e9, "-1", "N",
     "tokens to make at most; -1: until the end or the context is full"},
    {NULL, "--temp", REAL, OPT_SAMPLE, AT(temperature), -1e6, 1e6, "0.8", "T",
     "temperature; 0: always the best token"},
    {NULL, "--top-k", WHOLE, OPT_SAMPLE, AT(top_k), -1, 1 << 24, "40", "N",
     "choose among the N best tokens; 0: all"},
    {NULL, "--top-p", REAL, OPT_SAMPLE, AT(top_p), 0, 1, "0.95", "P",
     "choose among the best tokens that have this probability together; 1: all"},
    {NULL, "--min-p", REAL, OPT_SAMPLE, AT(min_p), 0, 1, "0.05", "P",
     "leave out tokens less likely than P times the best; 0: none"},
    {NULL, "--repeat-penalty", REAL, OPT_SAMPLE, AT(repeat_penalty), 0.001, 1000, "1", "X",
     "divide logits of tokens that were there before; 1: off"},
    {NULL, "--repeat-last-n", WHOLE, OPT_SAMPLE, AT(repeat_last_n), 0, 1 << 24, "64", "N",
     "tokens that the penalties look back on"},
    {NULL, "--presence-penalty", REAL, OPT_SAMPLE, AT(presence_penalty), -1000, 1000, "0", "X",
     "subtract from logits of tokens that were there before"},
    {NULL, "--frequency-penalty", REAL, OPT_SAMPLE, AT(frequency_penalty), -1000, 1000, "0", "X",
     "the same, times how often they were there"},
    {NULL, "--logit-bias", BIAS, OPT_SAMPLE, 0, 0, 0, NULL, "ID+V",
     "add V to the logit of a token (ID-V: subtract; ID-inf: never); may be given again"},
    {"-s", "--seed", WHOLE, OPT_SAMPLE, AT(seed), -1, 9.2e18, "-1", "N",
     "seed of the random numbers; -1: a new one each time"},
    {NULL, "--stop", STOP, OPT_SAMPLE, 0, 0, 0, NULL, "TEXT",
     "end where this text appears, without it; may be given 16 times"},
    {NULL, "--ignore-eos", FLAG, OPT_SAMPLE, AT(ignore_eos), 0, 0, NULL, NULL,
     "do not end at the model's end tokens"},
    {NULL, "--no-loop-stop", FLAG, OPT_SAMPLE, AT(no_loop_stop), 0, 0, NULL, NULL,
     "go on when the text repeats itself without end"},
    {NULL, "--no-history", FLAG, OPT_CHAT_ONLY, AT(no_history), 0, 0, NULL, NULL,
     "keep no file of what was typed"},
    {NULL, "--think", CHOICE, OPT_TALK, AT(think), 0, 0, NULL, "on|off",
     "what the chat template is told about thinking; without it: nothing"},
    {NULL, "--lookup", FLAG, OPT_TALK, AT(lookup), 0, 0, NULL, NULL,
     "guess ahead what stood in the text before: the same answer, sooner if it repeats the prompt"},
    {NULL, "--fallback", FLAG, OPT_TALK, AT(fallback), 0, 0, NULL, NULL,
     "if memory does not suffice, take the model at a smaller type from the models folder, or a "
     "smaller model"},
    {NULL, "--state", TEXT, OPT_RUN, AT(state), 0, 0, NULL, "FILE",
     "keep the evaluated prompt there; a prompt that begins the same goes on from it"},
    {NULL, "--template", TEXT, OPT_RUN, AT(form), 0, 0, NULL, "FILE",
     "make the prompt of this file, with {{name}} for what --set gives"},
    {NULL, "--set", SET, OPT_RUN, 0, 0, 0, NULL, "NAME=TEXT",
     "a field of the template; NAME=@FILE: what is in the file"},
    {NULL, "--expect", CHOICE, OPT_RUN, AT(expect), 0, 0, NULL, "json|python",
     "exit with 1 if the answer (its first fenced block, if it has one) is not that"},
    {"-np", "--parallel", WHOLE, OPT_RUN, AT(parallel), 0, 256, "0", "N",
     "--jsonl: prompts in work at once; 0: 16, or as many as memory allows"},

    {"-c", "--ctx-size", WHOLE, OPT_MEMORY | OPT_BENCH, AT(n_ctx), 0, 1 << 24, "0", "N",
     "positions of the context; 0: what the command needs, for run, chat and plan the model's, at "
     "most 4096"},
    {"-b", "--batch-size", WHOLE, OPT_MEMORY, AT(n_batch), 0, 65536, "0", "N",
     "tokens of the prompt in one go; 0: 512, for logits and perplexity 64"},
    {"-b", "--batch-size", WHOLE, OPT_ENCODER, AT(n_batch), 0, 65536, "0", "N",
     "tokens in one go, of all texts together; 0: 2048, or as many as one text can have"},
    {"-t", "--threads", WHOLE, OPT_MEMORY | OPT_ENCODER | OPT_DOCTOR, AT(threads), 0, 1024, "0",
     "N", "threads; 0: one for each physical performance core, for small models less"},
    {"-tb", "--threads-batch", WHOLE, OPT_MEMORY | OPT_BENCH, AT(batch_threads), 0, 1024, "0", "N",
     "threads for the prompt; 0: as -t"},
    {NULL, "--kv", CHOICE, OPT_MEMORY, AT(kv), 0, 0, "f16", "f32|f16|q8",
     "how keys and values are stored"},
    {NULL, "--mem", SIZE, OPT_MEMORY | OPT_ENCODER | OPT_BENCH, AT(memory), 0, 1e12, "0", "SIZE",
     "memory to use at most, the file included; 0: what the machine has free"},
    {NULL, "--isa", TEXT, OPT_CPU, AT(isa), 0, 0, NULL, "TIER",
     "highest kernel tier to use (mote doctor lists them)"},
    {NULL, "--blas", FLAG, OPT_CPU, AT(blas), 0, 0, NULL, NULL,
     "use the BLAS library for prompts of float weights; results are not the same bits then"},
    {NULL, "--check", FLAG, OPT_CPU, AT(check), 0, 0, NULL, NULL,
     "check the checksums of all weights first"},

    {"-o", "--output", TEXT, OPT_OUTPUT, AT(output), 0, 0, NULL, "FILE", "the file to make"},
    {NULL, "--force", FLAG, OPT_OUTPUT | OPT_EXPLAIN | OPT_BENCH, AT(force), 0, 0, NULL, NULL,
     "replace an existing file"},
    {NULL, "--type", CHOICE, OPT_CONVERT, AT(type), 0, 0, NULL, "f32|bf16|f16|q8|q4|keep",
     "type of the weights; keep (GGUF): code for code; without it: keep for GGUF, else bf16 (f16 "
     "stays f16)"},
    {NULL, "--vocab", TEXT, OPT_CONVERT, AT(vocab), 0, 0, NULL, "FILE",
     "tokenizer of a llama2.c checkpoint"},
    {NULL, "--calibrate", TEXT, OPT_CONVERT, AT(calibrate), 0, 0, NULL, "FILE",
     "with --type q4: a text by which errors are weighed; the model runs it at f32"},
    {NULL, "--card", TEXT, OPT_CONVERT, AT(card), 0, 0, NULL, "FILE",
     "with --type q4 or q8: measure the loss on another text and store it (mote info shows it)"},
    {NULL, "--blas", FLAG, OPT_CONVERT, AT(blas), 0, 0, NULL, NULL,
     "use the BLAS library for --calibrate and --card; other machines may get other bits"},
    {NULL, "--tokenizer-only", FLAG, OPT_CONVERT, AT(tokenizer_only), 0, 0, NULL, NULL,
     "convert the tokenizer alone"},

    {"-p", "--n-prompt", TEXT, OPT_BENCH, AT(bench.prompts), 0, 0, "512", "N,...",
     "tokens of the prompt tests; 0: none; lists: 128,512, ranges: 1-4, 64-512+64, 1-64*2"},
    {"-n", "--n-gen", TEXT, OPT_BENCH, AT(bench.gens), 0, 0, "128", "N,...",
     "tokens of the generation tests; 0: none; lists as for -p"},
    {"-d", "--depth", TEXT, OPT_BENCH, AT(bench.depths), 0, 0, "0", "N,...",
     "tokens that are in the context before; lists as for -p"},
    {"-t", "--threads", TEXT, OPT_BENCH, AT(bench.threads), 0, 0, "0", "N,...",
     "threads; 0: one for each physical performance core, for small models less; lists as for -p"},
    {"-b", "--batch-size", TEXT, OPT_BENCH, AT(bench.batches), 0, 0, "0", "N,...",
     "tokens of the prompt in one go; 0: 512; lists as for -p"},
    {NULL, "--kv", TEXT, OPT_BENCH, AT(bench.kvs), 0, 0, "f16", "TYPE,...",
     "how keys and values are stored: f32, f16, q8, or several of them"},
    {NULL, "--roofline", FLAG, OPT_BENCH | OPT_EXPLAIN, AT(roofline), 0, 0, NULL, NULL,
     "measure what this machine can do at best, and show the share of it that is reached"},
    {"-r", "--repeats", WHOLE, OPT_BENCH, AT(repeats), 1, 1000, "5", "N", "times each test runs"},
    {"-o", "--output", CHOICE, OPT_BENCH, AT(format), 0, 0, "md", "md|csv|json|jsonl",
     "form of the table"},

    {NULL, "--report", TEXT, OPT_BENCH, AT(html), 0, 0, NULL, "FILE",
     "write an HTML page with plots of all models too; measures the roofline"},
    {NULL, "--html", TEXT, OPT_EXPLAIN, AT(html), 0, 0, NULL, "FILE",
     "write an HTML page with pictures too; measures the roofline"},
    {NULL, "--diff", TEXT, OPT_EXPLAIN, AT(other), 0, 0, NULL, "OTHER",
     "another type of the same model: how far it is from the first, layer by layer"},

    {NULL, "--ids", TEXT, OPT_LOGITS | OPT_DECODE, AT(ids), 0, 0, NULL, "IDS",
     "token ids, as in 1,2,3"},
    {NULL, "--hidden", FLAG, OPT_LOGITS, AT(hidden), 0, 0, NULL, NULL,
     "write the hidden states of all layers too"},
    {NULL, "--ids", TEXT, OPT_IDS_FILE, AT(ids), 0, 0, NULL, "FILE",
     "a JSON file with token ids: a list, or an object with \"ids\""},
    {NULL, "--window", WHOLE, OPT_IDS_FILE, AT(window), 0, 1 << 24, "0", "N",
     "tokens of a window; 0: -c, else 512 or the model's context"},
    {NULL, "--no-special", FLAG, OPT_SPECIAL, AT(no_special), 0, 0, NULL, NULL,
     "leave out the tokens that the tokenizer would add"},
    {NULL, "--count", FLAG, OPT_SPECIAL, AT(count), 0, 0, NULL, NULL,
     "print how many tokens there are, not which"},
    {NULL, "--offsets", FLAG, OPT_SPECIAL, AT(offsets), 0, 0, NULL, NULL,
     "with the bytes of the text that each token takes"},
    {NULL, "--pieces", FLAG, OPT_SPECIAL, AT(pieces), 0, 0, NULL, NULL,
     "print the text cut into its tokens: in colours on a terminal, else with |"},
    {NULL, "--skip-special", FLAG, OPT_DECODE, AT(skip_special), 0, 0, NULL, NULL,
     "leave special tokens out of the text"},
    {NULL, "--file", TEXT, OPT_TEMPLATE, AT(template_file), 0, 0, NULL, "FILE",
     "a template, instead of a model's"},
    {"-p", "--prompt", TEXT, OPT_TEMPLATE, AT(prompt), 0, 0, NULL, "TEXT", "one user message"},
    {NULL, "--bos", TEXT, OPT_TEMPLATE, AT(bos), 0, 0, NULL, "TEXT", "value of bos_token"},
    {NULL, "--eos", TEXT, OPT_TEMPLATE, AT(eos), 0, 0, NULL, "TEXT", "value of eos_token"},
    {NULL, "--date", TEXT, OPT_TEMPLATE, AT(date), 0, 0, NULL, "DATE",
     "the date that templates see: 2026-11-21 or 2026-11-21T08:00:00"},

    {NULL, "--size", CHOICE, OPT_LIST, AT(size_class), 0, 0, NULL, "tiny|small|medium|large",
     "models of at most 50, 200, 500 million parameters, or more"},
    {NULL, "--cap", CHOICE, OPT_LIST, AT(capability), 0, 0, NULL,
     "text|chat|code|multilingual|embed|rerank", "models that can do this"},
    {NULL, "--search", TEXT, OPT_LIST, AT(search), 0, 0, NULL, "TEXT",
     "models with this in their name, in any case"},
    {NULL, "--for", CHOICE, OPT_PURPOSE, AT(purpose), 0, 0, "chat", "chat|code|embed|rerank",
     "what the model is wanted for"},
    {NULL, "--quick", FLAG, OPT_DOCTOR, AT(quick), 0, 0, NULL, NULL,
     "measure nothing: show the figures that an earlier run has kept"},

    {NULL, "--format", CHOICE, OPT_VECTORS, AT(vectors), 0, 0, "f32", "f32|base64",
     "numbers as digits, or their bytes (little-endian float32) in base 64"},

    {NULL, "--json", FLAG, OPT_JSON, AT(json), 0, 0, NULL, NULL, "answer with one JSON object"},
    {NULL, "--jsonl", FLAG, OPT_JSONL, AT(jsonl), 0, 0, NULL, NULL,
     "read one JSON object a line from stdin, answer each with one"},
    {NULL, "--offline", FLAG, OPT_ANY, AT(offline), 0, 0, NULL, NULL,
     "forbid this process the network, which it never uses (Linux); else refuse to start"},
    {"-q", "--quiet", FLAG, OPT_ANY, AT(quiet), 0, 0, NULL, NULL,
     "no remarks, timings and progress on stderr"},
    {"-h", "--help", FLAG, OPT_ANY, AT(help), 0, 0, NULL, NULL, "this text"},
};

enum { N_OPTIONS = sizeof cli_options / sizeof *cli_options };

const size_t cli_n_options = N_OPTIONS;

/* ---- nearest names -------------------------------------------------------------------------- */

/* Letters to add, drop or change (Levenshtein), for names up to 31 letters. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], n = strlen(b);
    if (n > 31)
        return 99;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; *a; a++, i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = diagonal + (*a != b[j - 1]);
            size_t step = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < step ? change : step;
        }
    }
    return row[n];
}

const char *cli_nearest(const char *name, const char *const *list)
{
    const char *best = NULL;
    size_t least = strlen(name) / 3 + 1;
    for (; *list; list++) {
        size_t d = strlen(name) < 64 ? distance(name, *list) : 99;
        if (d <= least && (d < least || !best)) {
            best = *list;
            least = d;
        }
    }
    return best;
}

bool cli_takes_builtin(const cli_command *command)
{
    return (command->options & OPT_OWN) && cli_builtin().base;
}

bool cli_takes(const cli_command *command, const option *opt)
{
    return (opt->groups & (command->options | (unsigned)OPT_ANY)) != 0;
}

static int unknown(const cli_command *command, const char *name)
{
    const char *list[2 * N_OPTIONS + 1];
    size_t n = 0;
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (cli_takes(command, &cli_options[i]) && cli_options[i].name)
            list[n++] = cli_options[i].name;
        if (cli_takes(command, &cli_options[i]) && cli_options[i].brief &&
            strlen(cli_options[i].brief) > 2)
            list[n++] = cli_options[i].brief;
    }
    list[n] = NULL;
    const char *near = cli_nearest(name, list);
    if (near)
        return cli_error(EXIT_USAGE, name, "mote %s has no such option; the nearest is %s",
                         command->name, near);
    return cli_error(EXIT_USAGE, name, "mote %s has no such option; mote %s --help lists them",
                     command->name, command->name);
}

/* ---- values --------------------------------------------------------------------------------- */

bool cli_whole_number(const char *text, size_t bytes, int64_t min, int64_t max, int64_t *out)
{
    size_t i = bytes && text[0] == '-' ? 1 : 0;
    uint64_t n = 0, limit = (uint64_t)INT64_MAX + i;
    if (i == bytes)
        return false;
    for (size_t at = i; at < bytes; at++) {
        unsigned digit = (unsigned)(unsigned char)text[at] - '0';
        if (digit > 9 || n > (limit - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = i ? (int64_t) - (n - 1) - 1 : (int64_t)n;
    if (i && !n)
        *out = 0;
    return *out >= min && *out <= max;
}

/* Decimal only: strtod would take hexadecimal, "nan" and "infinity". */
static bool real_number(const char *text, double min, double max, double *out)
{
    char *end;
    if (!*text || text[strspn(text, "0123456789+-.eE")])
        return false;
    *out = strtod(text, &end);
    return !*end && *out >= min && *out <= max;
}

static bool size_number(const char *text, double min, double max, double *out)
{
    char digits[32];
    size_t n = strcspn(text, "MmGg");
    bool giga = text[n] == 'G' || text[n] == 'g';
    if (n >= sizeof digits || (text[n] && text[n + 1]))
        return false;
    memcpy(digits, text, n);
    digits[n] = 0;
    if (!real_number(digits, min, max, out))
        return false;
    *out *= giga ? 1000 : 1;
    return true;
}

static int64_t as_limit(double x) { return x >= 9.2e18 ? INT64_MAX : (int64_t)x; }

static int bad_value(const option *opt, const char *text)
{
    const char *name = opt->name ? opt->name : opt->brief;
    if (opt->kind == WHOLE)
        return cli_error(EXIT_USAGE, name, "\"%s\" is no whole number from %lld to %lld", text,
                         (long long)as_limit(opt->min), (long long)as_limit(opt->max));
    if (opt->kind == SIZE)
        return cli_error(EXIT_USAGE, name, "\"%s\" is no size, as 500M or 2G", text);
    if (opt->kind == REAL)
        return cli_error(EXIT_USAGE, name, "\"%s\" is no number from %g to %g", text, opt->min,
                         opt->max);
    return cli_error(EXIT_USAGE, name, "\"%s\" is none of %s", text, opt->value);
}

static bool is_choice(const char *list, const char *text)
{
    size_t n = strlen(text);
    for (const char *at = list; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (n && strncmp(at, text, n) == 0 && (at[n] == '|' || !at[n]))
            return true;
    }
    return false;
}

/* "ID+V", "ID-V", "ID-inf" */
static int add_bias(cli_opts *o, const char *text)
{
    size_t digits = strspn(text, "0123456789");
    int64_t id;
    double v = 0;
    const char *amount = text + digits;
    bool never = strcmp(amount, "-inf") == 0;
    if (!cli_whole_number(text, digits, 0, INT32_MAX, &id) || (*amount != '+' && *amount != '-') ||
        (!never && !real_number(amount, -1e9, 1e9, &v)))
        return cli_error(EXIT_USAGE, "--logit-bias",
                         "\"%s\" is not of the form ID+V, ID-V or ID-inf", text);
    if (o->n_biases == CLI_MAX_BIASES)
        return cli_error(EXIT_USAGE, "--logit-bias", "given more than %d times", CLI_MAX_BIASES);
    o->biases[o->n_biases++] = (mote_logit_bias){(int32_t)id, never ? -INFINITY : (float)v};
    return 0;
}

static int add_stop(cli_opts *o, const char *text)
{
    if (!*text || strlen(text) > 4096)
        return cli_error(EXIT_USAGE, "--stop", "%s", *text ? "longer than 4096 bytes" : "is empty");
    if (o->n_stops == CLI_MAX_STOPS)
        return cli_error(EXIT_USAGE, "--stop", "given more than %d times", CLI_MAX_STOPS);
    o->stops[o->n_stops++] = text;
    return 0;
}

static int set(cli_opts *o, const option *opt, const char *text)
{
    void *at = (char *)o + opt->at;
    switch (opt->kind) {
    case FLAG: *(bool *)at = true; return 0;
    case WHOLE:
        return cli_whole_number(text, strlen(text), as_limit(opt->min), as_limit(opt->max), at)
                   ? 0
                   : bad_value(opt, text);
    case REAL: return real_number(text, opt->min, opt->max, at) ? 0 : bad_value(opt, text);
    case SIZE: return size_number(text, opt->min, opt->max, at) ? 0 : bad_value(opt, text);
    case CHOICE:
        if (!is_choice(opt->value, text))
            return bad_value(opt, text);
        *(const char **)at = text;
        return 0;
    case TEXT: *(const char **)at = text; return 0;
    case STOP: return add_stop(o, text);
    case BIAS: return add_bias(o, text);
    case SET:
        if (o->n_sets == CLI_MAX_FIELDS)
            return cli_error(EXIT_USAGE, "--set", "given more than %d times", CLI_MAX_FIELDS);
        o->sets[o->n_sets++] = text;
        return 0;
    }
    return 0;
}

int cli_set_number(cli_opts *o, const char *name, const char *value)
{
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const option *opt = &cli_options[i];
        if (!(opt->groups & OPT_SAMPLE) || !opt->name || strcmp(opt->name + 2, name) != 0)
            continue;
        if (opt->kind == FLAG && (strcmp(value, "on") == 0 || strcmp(value, "off") == 0)) {
            *(bool *)((char *)o + opt->at) = value[1] == 'n';
            return 0;
        }
        if (opt->kind == WHOLE || opt->kind == REAL)
            return set(o, opt, value);
    }
    return cli_error(EXIT_USAGE, name, "is nothing that can be set to %s", value);
}

/* ---- arguments ------------------------------------------------------------------------------ */

/* The option that an argument names; *value: what stands behind its '=' or NULL. */
static const option *find(const cli_command *command, const char *arg, const char **value)
{
    const char *equals = strncmp(arg, "--", 2) == 0 ? strchr(arg, '=') : NULL;
    size_t n = equals ? (size_t)(equals - arg) : strlen(arg);
    *value = equals ? equals + 1 : NULL;
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const option *opt = &cli_options[i];
        if (!cli_takes(command, opt))
            continue;
        if (opt->name && strlen(opt->name) == n && strncmp(arg, opt->name, n) == 0)
            return opt;
        if (opt->brief && strcmp(arg, opt->brief) == 0)
            return opt;
    }
    return NULL;
}

/* One argument at argv[*i], which moves over its value. */
static int parse_option(cli_opts *o, const cli_command *command, int *i, int argc, char **argv)
{
    const char *value, *arg = argv[*i];
    const option *opt = find(command, arg, &value);
    if (!opt)
        return unknown(command, arg);
    if (opt->kind == FLAG && value)
        return cli_error(EXIT_USAGE, arg, "takes no value");
    if (opt->kind != FLAG && !value) {
        if (*i + 1 >= argc)
            return cli_error(EXIT_USAGE, arg, "wants a value: %s", opt->value);
        value = argv[++*i];
    }
    return set(o, opt, value);
}

static int parse_plain(cli_opts *o, const cli_command *command, const char *arg)
{
    if (command->options & OPT_PAIR && o->model && !o->other) {
        o->other = arg;
        return 0;
    }
    if (command->options & OPT_MANY && o->model && o->n_models < CLI_MAX_MODELS) {
        o->models[o->n_models++] = arg;
        return 0;
    }
    if (!(command->options & OPT_MODEL) || o->model)
        return cli_error(EXIT_USAGE, arg, "mote %s takes no such argument (mote %s --help)",
                         command->name, command->name);
    o->model = arg;
    return 0;
}

int cli_parse(cli_opts *o, const cli_command *command, int argc, char **argv)
{
    bool plain = false;
    int code = 0;
    memset(o, 0, sizeof *o);
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (cli_options[i].initial)
            set(o, &cli_options[i], cli_options[i].initial);
    for (int i = 0; !code && i < argc; i++) {
        if (!plain && strcmp(argv[i], "--") == 0)
            plain = true;
        else if (!plain && argv[i][0] == '-' && argv[i][1])
            code = parse_option(o, command, &i, argc, argv);
        else
            code = parse_plain(o, command, argv[i]);
    }
    return code;
}

/* ---- help ----------------------------------------------------------------------------------- */

enum { HELP_AT = 32 }; /* column of the explanations */

/* Words from column HELP_AT on, wrapped at column 100. */
static void print_words(cli_out *out, const char *text)
{
    size_t at = HELP_AT;
    while (*text) {
        size_t n = strcspn(text, " ");
        if (at > HELP_AT && at + 1 + n > 100) {
            cli_printf(out, "\n%*s", HELP_AT, "");
            at = HELP_AT;
        } else if (at > HELP_AT) {
            cli_puts(out, " ");
            at++;
        }
        cli_put(out, text, n);
        at += n;
        text += n + (text[n] == ' ');
    }
    cli_puts(out, "\n");
}

static void print_option(cli_out *out, const option *opt)
{
    char left[80], help[400];
    snprintf(left, sizeof left, "  %s%s%s%s%s", opt->brief ? opt->brief : "",
             opt->brief && opt->name ? ", "
             : opt->brief            ? ""
                                     : "    ",
             opt->name ? opt->name : "", opt->value ? " " : "", opt->value ? opt->value : "");
    cli_printf(out, "%s", left);
    if (strlen(left) > HELP_AT - 2)
        cli_printf(out, "\n%*s", HELP_AT, "");
    else
        cli_printf(out, "%*s", (int)(HELP_AT - strlen(left)), "");
    snprintf(help, sizeof help, "%s%s%s%s", opt->help, opt->initial ? " (" : "",
             opt->initial ? opt->initial : "", opt->initial ? ")" : "");
    print_words(out, help);
}

int cli_help(const cli_command *command)
{
    cli_out out = {.n = 0};
    cli_printf(&out, "mote %s%s%s\n\n%s\n", command->name, *command->arguments ? " " : "",
               command->arguments, command->summary);
    if (*command->more)
        cli_printf(&out, "%s\n", command->more);
    if (cli_takes_builtin(command))
        cli_printf(&out, "Without MODEL: the built-in one, %s.\n", cli_builtin_name);
    cli_puts(&out, "\n");
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (cli_takes(command, &cli_options[i]))
            print_option(&out, &cli_options[i]);
    return cli_out_close(&out, 0);
}
