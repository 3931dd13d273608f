/* main.c: the program `mote`: which command, signals, exit code. Read cli.h next, then a
 * cmd_*.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/at_hand.h"
#include "cli/options.h"

#define TEXT_OF(x) #x
#define NUMBER(x) TEXT_OF(x)
#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

const cli_command cli_commands[] = {
    {"run", "[MODEL] [-p TEXT | -f FILE]", "Generates text after a prompt.",
     "The prompt is one user message through the file's chat template, if it has one.\n"
     "--jsonl: {\"prompt\"} -> {\"text\",\"finish_reason\"}, many in work at once; with --json "
     "more.\n"
     "A row may have system, seed, temperature, top_k, top_p, min_p, max_tokens of its own.",
     OPT_MODEL | OPT_OWN | OPT_TEXT | OPT_CHAT | OPT_RAW | OPT_SAMPLE | OPT_MEMORY | OPT_CPU |
         OPT_JSON | OPT_JSONL | OPT_TALK | OPT_RUN,
     cmd_run},
    {"chat", "MODEL", "Holds a conversation, on a terminal or line by line from a pipe.",
     "Ctrl-C stops an answer; twice at the prompt, Ctrl-D or /exit leaves; /help lists what else.",
     OPT_MODEL | OPT_CHAT | OPT_SAMPLE | OPT_MEMORY | OPT_CPU | OPT_TALK | OPT_CHAT_ONLY, cmd_chat},
    {"convert", "SOURCE -o FILE", "Makes a .mote file.",
     "SOURCE: a folder as downloaded from a hub, a .gguf file, a llama2.c checkpoint, or a .mote\n"
     "file whose weights are f32, bf16 or f16.",
     OPT_MODEL | OPT_OUTPUT | OPT_CONVERT, cmd_convert},
    {"info", "[MODEL]", "Tells what is in a file.", "", OPT_MODEL | OPT_OWN | OPT_JSON, cmd_info},
    {"verify", "MODEL", "Reads all of a file: checksums, header, numbers.", "",
     OPT_MODEL | OPT_JSON, cmd_verify},
    {"plan", "[MODEL]", "Tells the memory that run will use, to the byte.",
     "MODEL may also be what convert takes, or just a config.json: then the sizes of the weights\n"
     "at each type, of what a token reads of them, and of keys and values.",
     OPT_MODEL | OPT_OWN | OPT_SAMPLE | OPT_MEMORY | OPT_CPU | OPT_JSON, cmd_plan},
    {"bake", "MODEL -o OUT",
     "Makes a flash image or (OUT.c) a C array, and a header, for a device.",
     "The header OUT.h tells the exact bytes that the device needs for this context and KV type.",
     OPT_MODEL | OPT_OUTPUT | OPT_MEMORY, cmd_bake},
    {"tokenize", "[MODEL] [-p TEXT | -f FILE]", "Text to token ids.",
     "--jsonl: {\"text\"} -> {\"ids\"}, with --offsets and --pieces those too",
     OPT_MODEL | OPT_OWN | OPT_TEXT | OPT_SPECIAL | OPT_JSON | OPT_JSONL, cmd_tokenize},
    {"detokenize", "[MODEL] [--ids IDS]", "Token ids (or numbers on stdin) to text.",
     "--jsonl: {\"ids\"} -> {\"text\"}", OPT_MODEL | OPT_OWN | OPT_DECODE | OPT_JSONL,
     cmd_detokenize},
    {"template", "MODEL | --file TEMPLATE", "Messages to a prompt, by a chat template.",
     "--jsonl: {\"messages\",\"add_generation_prompt\",...} -> {\"text\"}",
     OPT_MODEL | OPT_TEMPLATE | OPT_CHAT | OPT_JSONL, cmd_template},
    {"embed", "MODEL [-p TEXT | -f FILE]", "Text to an embedding, by an encoder.",
     "--jsonl: {\"text\"} or {\"ids\",\"token_type_ids\"} -> "
     "{\"embedding\",\"tokens\",\"truncated\"}",
     OPT_MODEL | OPT_TEXT | OPT_ENCODER | OPT_VECTORS | OPT_CPU | OPT_JSON | OPT_JSONL, cmd_embed},
    {"rerank", "MODEL -p QUERY [-f FILE]", "Scores passages for a query, by a cross-encoder.",
     "The passages are the lines of the file or of stdin; the best comes first.\n"
     "--jsonl: {\"query\",\"passage\"} -> {\"score\",\"tokens\",\"truncated\"}",
     OPT_MODEL | OPT_TEXT | OPT_ENCODER | OPT_CPU | OPT_JSON | OPT_JSONL, cmd_rerank},
    {"logits", "[MODEL] --jsonl | --ids IDS -o FILE", "Raw logits.",
     "--jsonl: {\"ids\",\"greedy\":N} -> {\"hash\",\"argmax\",\"greedy\"}\n"
     "-o: a safetensors file with the tensor logits [n, vocabulary]",
     OPT_MODEL | OPT_OWN | OPT_LOGITS | OPT_OUTPUT | OPT_MEMORY | OPT_CPU | OPT_JSONL, cmd_logits},
    {"perplexity", "[MODEL] --ids FILE | -f TEXT", "How well a model foretells a text.",
     "Windows do not overlap; the result is the mean over windows of the mean of their terms.",
     OPT_MODEL | OPT_OWN | OPT_IDS_FILE | OPT_TEXT | OPT_MEMORY | OPT_CPU | OPT_JSON,
     cmd_perplexity},
    {"compare", "MODEL OTHER [--ids FILE | -f TEXT]", "Two models side by side, or on a text.",
     "On a text: KL divergence of OTHER from MODEL, how often the best token is the same, both\n"
     "perplexities. Without one: shape, memory, predicted speed, quality cards.",
     OPT_MODEL | OPT_PAIR | OPT_IDS_FILE | OPT_TEXT | OPT_MEMORY | OPT_CPU | OPT_JSON, cmd_compare},
    {"explain", "[MODEL] [-p TEXT | -f FILE]", "Shows what a model does with a text, step by step.",
     "Tokens, each layer's stages (shapes, bytes, operations, time, norms), attention heads,\n"
     "logits and the sampler's choice. The text is taken as it is, without a chat template.",
     OPT_MODEL | OPT_OWN | OPT_TEXT | OPT_EXPLAIN | OPT_SAMPLE | OPT_MEMORY | OPT_CPU | OPT_JSON,
     cmd_explain},
    {"bench", "[MODEL ...]", "Measures speed: tokens a second of prompts and of generation.", "",
     OPT_MODEL | OPT_OWN | OPT_MANY | OPT_BENCH | OPT_CPU, cmd_bench},
    {"list", "", "Lists the models at hand and those that mote knows.",
     "At hand: files of the models folder, $MOTE_MODELS or ~/.local/share/mote; and sources to\n"
     "convert: the caches of Hugging Face, Ollama and llama.cpp.",
     OPT_LIST | OPT_JSON, cmd_list},
    {"recommend", "", "Tells which models fit this machine, the best first.",
     "The largest known models whose q4 or q8 file and session fit and still answer fluently.",
     OPT_PURPOSE | OPT_MEMORY | OPT_JSON, cmd_recommend},
    {"doctor", "", "Tells what this machine can do, and tests all kernels.",
     "What is measured (about a second) is kept for recommend and compare; exit code 3: a kernel\n"
     "gives wrong results.",
     OPT_DOCTOR | OPT_JSON, cmd_doctor},
    {NULL, NULL, NULL, NULL, 0, NULL},
};

/* ---- signals -------------------------------------------------------------------------------- */

static volatile sig_atomic_t noted, catching;
static const char *volatile to_remove;
static int wake[2] = {-1, -1}; /* a pipe: a byte in it says that a signal was noted */

static void on_end_signal(int number)
{
    if (catching && !noted) {
        int before = errno;
        ssize_t n = write(wake[1], "", 1);
        noted = number;
        (void)n;
        errno = before;
        return;
    }
    if (to_remove)
        unlink(to_remove);
    _exit(128 + number);
}

/* Of threads that meet it together one tells it. */
static void on_bus_error(int number)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&told))
        pause(); /* till the process ends */
    static const char text[] = "mote: error: a mapped file changed or could not be read\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n, (void)number;
    if (to_remove)
        unlink(to_remove);
    _exit(MOTE_ERR_IO);
}

void cli_catch_signals(void) { catching = 1; }

int cli_interrupted(void) { return noted ? 128 + noted : 0; }

bool cli_cancel(void *user)
{
    (void)user;
    return noted != 0;
}

void cli_forget_interrupt(void)
{
    char byte;
    ssize_t n = read(wake[0], &byte, 1);
    (void)n;
    noted = 0;
}

/* The pipe closes the gap between looking at `noted` and waiting in read: a signal in between, or
 * one that another thread takes, ends the poll. */
ssize_t cli_read(int fd, void *to, size_t bytes)
{
    struct pollfd files[2] = {{.fd = fd, .events = POLLIN}, {.fd = wake[0], .events = POLLIN}};
    while (!noted && poll(files, 2, -1) < 0 && errno == EINTR)
        continue;
    if (!noted)
        return read(fd, to, bytes);
    errno = EINTR;
    return -1;
}

void cli_remove_on_signal(const char *path) { to_remove = path; }

static void prepare_signals(void)
{
    struct sigaction end = {.sa_handler = on_end_signal}, bus = {.sa_handler = on_bus_error},
                     ignore = {.sa_handler = SIG_IGN}, before;
    if (pipe(wake) == 0)
        for (int i = 0; i < 2; i++) {
            fcntl(wake[i], F_SETFD, FD_CLOEXEC);
            fcntl(wake[i], F_SETFL, O_NONBLOCK);
        }
    sigemptyset(&end.sa_mask);
    sigemptyset(&bus.sa_mask);
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup */
        sigaction(SIGHUP, &end, NULL);
    sigaction(SIGBUS, &bus, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

/* A closed stdin, stdout or stderr must not become some file that is opened later. The stand-ins
 * fail to read and to write, so nothing seems to have worked. */
static void prepare_files(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
            _exit(MOTE_ERR_IO);
}

/* ---- commands ------------------------------------------------------------------------------- */

static int version(void)
{
    cli_out out = {.n = 0};
    cli_puts(&out, "mote " MOTE_VERSION " (" COMPILER
                   ", blas " NUMBER(MOTE_BLAS) ", convert " NUMBER(MOTE_CONVERT) ")\n");
    return cli_out_close(&out, 0);
}

static int list_commands(void)
{
    cli_out out = {.n = 0};
    cli_puts(&out, "mote " MOTE_VERSION ", a transformer inference engine\n\n"
                   "mote COMMAND MODEL ...\n\n");
    for (const cli_command *c = cli_commands; c->name; c++)
        cli_printf(&out, "  %-12s %s\n", c->name, c->summary);
    if (cli_builtin().base)
        cli_puts(&out, "\nWithout a model at hand: mote run -p \"Once upon a time\"\n");
    cli_puts(&out, "\nmote COMMAND --help tells the options of a command; mote --version the "
                   "version;\nmote help --man gives the manual page, mote help --completions "
                   "bash|zsh|fish a script for a shell.\n");
    return cli_out_close(&out, 0);
}

static const cli_command *find(const char *name)
{
    const cli_command *c = cli_commands;
    while (c->name && strcmp(c->name, name) != 0)
        c++;
    return c->name ? c : NULL;
}

static int unknown(const char *name)
{
    const char *names[sizeof cli_commands / sizeof *cli_commands] = {NULL};
    for (size_t i = 0; cli_commands[i].name; i++)
        names[i] = cli_commands[i].name;
    const char *near = cli_nearest(name, names);
    if (near)
        return cli_error(EXIT_USAGE, name, "no such command; the nearest is %s", near);
    if (access(name, F_OK) == 0)
        return cli_error(EXIT_USAGE, name, "a command comes first: mote run, convert or info");
    return cli_error(EXIT_USAGE, name, "no such command; mote help lists them");
}

/* No model was named, and the built-in one is none for this command, or is not there. */
static int refuse_no_model(const cli_command *command)
{
    if ((command->options & OPT_CHAT_ONLY) && cli_builtin().base)
        return cli_error(EXIT_USAGE, NULL,
                         "no file given: mote chat MODEL; the built-in model goes on with a text: "
                         "mote run -p TEXT");
    return cli_error(EXIT_USAGE, NULL, "no file given: mote %s %s%s", command->name,
                     command->options & OPT_OWN ? "MODEL" : command->arguments,
                     command->options & OPT_OWN ? "; this mote has no model built in" : "");
}

/* Says so: nobody shall take its story for an answer of a model that was meant. */
static int take_builtin(cli_opts *o, const cli_command *command)
{
    cli_engine e;
    mote_model_info m;
    if (!cli_takes_builtin(command))
        return refuse_no_model(command);
    o->model = cli_builtin_name;
    if (o->quiet || !cli_peek(&e, o, o->model))
        return 0; /* the command will say what is wrong with it */
    mote_model_get_info(e.model, &m);
    cli_note(o,
             "mote: note: the built-in model %s (%.1f M weights, %s) only tells stories; for "
             "another: mote %s FILE, mote list",
             o->model, (double)m.n_parameters / 1e6, e.info.weight_type ? e.info.weight_type : "?",
             command->name);
    cli_engine_close(&e);
    return 0;
}

/* A text where a model should be, which a first command easily has. */
static bool is_text(const cli_opts *o, const cli_command *command)
{
    return (command->options & OPT_TEXT) && !o->prompt && !o->file && strpbrk(o->model, " \n") &&
           access(o->model, F_OK) != 0;
}

/* Names become paths. */
static int find_models(cli_opts *o, const cli_command *command, char at_hand[2][CLI_PATH])
{
    bool wants_model = (command->options & OPT_MODEL) && !(command->options & OPT_TEMPLATE);
    int code = wants_model && !o->model ? take_builtin(o, command) : 0;
    if (code)
        return code;
    if (o->model)
        o->model = cli_find_model(o->model, at_hand[0]);
    if (o->model && is_text(o, command))
        return cli_error(MOTE_ERR_IO, o->model, "there is no such file; a text goes behind -p");
    if (o->other)
        o->other = cli_find_model(o->other, at_hand[1]);
    return 0;
}

static int run_command(const cli_command *command, int argc, char **argv)
{
    cli_opts o;
    char at_hand[3][CLI_PATH];
    int code = cli_parse(&o, command, argc, argv);
    if (code)
        return code;
    if (o.help)
        return cli_help(command);
    code = o.offline ? cli_go_offline() : 0;
    if (!code)
        code = find_models(&o, command, at_hand);
    if (!code && o.fallback)
        code = cli_fall_back(&o, at_hand[2]);
    if (!code)
        code = command->run(&o);
    return cli_interrupted() && !code ? cli_interrupted() : code;
}

static int run_arguments(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (!*name) {
        cli_error(EXIT_USAGE, NULL, "no command given; mote help lists them");
        return EXIT_USAGE;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0)
        return version();
    bool help = strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (help && argc == 2)
        return list_commands();
    if (help && strcmp(argv[2], "--man") == 0)
        return cli_manual();
    if (help && strcmp(argv[2], "--completions") == 0)
        return cli_completions(argc > 3 ? argv[3] : NULL);
    const cli_command *command = find(help ? argv[2] : name);
    if (!command)
        return unknown(help ? argv[2] : name);
    return help ? cli_help(command) : run_command(command, argc - 2, argv + 2);
}

/* Under ulimit -v OpenBLAS may fail to start its threads, before main, and then waits for them at
 * exit, for ever: leave without it. Nothing of ours is left to do there. */
static int leave(int code)
{
    struct rlimit limit;
    if (MOTE_BLAS && getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        _exit(code);
    return code;
}

int main(int argc, char **argv)
{
    prepare_files();
    prepare_signals();
    return leave(run_arguments(argc, argv));
}
