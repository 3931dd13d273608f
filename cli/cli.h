/* cli.h: what the commands share. A command is a function that takes the options and gives the exit
 * code; it talks to the library through include/ only. Read main.c first.
 *
 * stdout carries what was asked for (cli_out), stderr everything else. A failure is one line,
 * "mote: error: WHAT: what is wrong", printed where it is found; from there only the exit code
 * travels.
 */
#ifndef MOTE_CLI_H
#define MOTE_CLI_H

#include <sys/types.h>

#include "include/mote.h"
#include "include/mote_host.h"

/* Exit codes beside those of mote_status. */
enum {
    EXIT_UNEXPECTED = 1,
    EXIT_USAGE = 2,
    EXIT_INTERRUPTED = 130,
    EXIT_PIPE = 141,
    EXIT_TERMINATED = 143
};

#define CLI_MAX_STOPS 16
#define CLI_MAX_BIASES 256
#define CLI_MAX_FIELDS 64
#define CLI_MAX_MODELS 16

#define CLI_NO_CONVERTER                                                                           \
    "this build of mote has no converter; one that has wants cJSON and utf8proc: make deps, then " \
    "make"

/* ---- options (options.c) -------------------------------------------------------------------- */

/* bench: lists of numbers and types, as given. */
typedef struct cli_bench_opts {
    const char *prompts, *gens, *depths, *threads, *batches, *kvs;
} cli_bench_opts;

typedef struct cli_opts {
    const char *model, *other, *prompt, *file, *system, *output, *type, *vocab, *ids, *isa, *kv;
    const char *bos, *eos, *date, *format, *template_file, *vectors, *state, *calibrate, *card;
    const char *html, *form, *expect, *think, *purpose, *size_class, *capability, *search;
    const char *models[CLI_MAX_MODELS]; /* OPT_MANY: those behind the first */
    size_t n_models;
    const char *sets[CLI_MAX_FIELDS]; /* --set */
    size_t n_sets;
    const char *stops[CLI_MAX_STOPS];
    size_t n_stops;
    mote_logit_bias biases[CLI_MAX_BIASES];
    size_t n_biases;
    cli_bench_opts bench;
    int64_t n_predict, n_ctx, n_batch, threads, batch_threads, top_k, repeat_last_n;
    int64_t seed, repeats, window, parallel;
    double memory; /* megabytes; 0: what there is */
    double temperature, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty;
    bool json, jsonl, quiet, raw, force, blas, ignore_eos, hidden, no_special, skip_special, count;
    bool tokenizer_only, roofline, check, help, lookup, no_loop_stop, no_history;
    bool offsets, pieces, quick, fallback, offline;
} cli_opts;

typedef struct cli_command {
    const char *name, *arguments, *summary, *more;
    unsigned options; /* which groups of options it takes */
    int (*run)(const cli_opts *o);
} cli_command;

/* All commands, ended by one without a name. */
extern const cli_command cli_commands[];

/* Groups of options, as bits. */
enum {
    OPT_MODEL = 1 << 0,  /* the model is the first argument */
    OPT_TEXT = 1 << 1,   /* -p, -f: a text */
    OPT_SAMPLE = 1 << 2, /* sampling and its end */
    OPT_CHAT = 1 << 3,   /* -sys */
    OPT_MEMORY = 1 << 4, /* -c, -b, -t, --kv */
    OPT_CPU = 1 << 5,    /* --isa, --blas, --check */
    OPT_JSON = 1 << 6,   /* --json */
    OPT_JSONL = 1 << 7,  /* --jsonl */
    OPT_OUTPUT = 1 << 8, /* -o FILE, --force */
    OPT_CONVERT = 1 << 9,
    OPT_BENCH = 1 << 10,
    OPT_LOGITS = 1 << 11,
    OPT_IDS_FILE = 1 << 12, /* perplexity: --ids FILE, --window */
    OPT_SPECIAL = 1 << 13,  /* tokenize: --no-special, --count */
    OPT_DECODE = 1 << 14,   /* detokenize: --ids, --skip-special */
    OPT_TEMPLATE = 1 << 15,
    OPT_RAW = 1 << 16,
    OPT_PAIR = 1 << 17, /* a second model is the second argument */
    OPT_TALK = 1 << 18, /* run, chat: --lookup, --think */
    OPT_RUN = 1 << 19,  /* run: --parallel, --state, --template, --set, --expect */
    OPT_CHAT_ONLY = 1 << 20,
    OPT_LIST = 1 << 21,    /* list: --size, --cap, --search */
    OPT_PURPOSE = 1 << 22, /* recommend: --for */
    OPT_MANY = 1 << 23,    /* further models are further arguments */
    OPT_ENCODER = 1 << 24, /* embed, rerank: -b, -t */
    OPT_VECTORS = 1 << 25, /* embed: --format */
    OPT_EXPLAIN = 1 << 26, /* --html, --diff, --roofline */
    OPT_DOCTOR = 1 << 27,  /* doctor: --quick */
    OPT_OWN = 1 << 28,     /* without a model: the built-in one */
    OPT_ANY = 1 << 30      /* --help, -q: every command */
};

/* Fills o for a command from its arguments; an exit code after an error, else 0. */
int cli_parse(cli_opts *o, const cli_command *command, int argc, char **argv);
/* /set of a conversation: an option of the sampling group that is a number, or on and off, by its
 * name without dashes. An exit code; a failure is told. */
int cli_set_number(cli_opts *o, const char *name, const char *value);
/* The help of one command on stdout. */
int cli_help(const cli_command *command);
/* The name in the list (ended by NULL) that is nearest to a mistyped one; NULL: none is near. */
const char *cli_nearest(const char *name, const char *const *list);
/* A whole decimal number in [min, max] that fills the text. */
bool cli_whole_number(const char *text, size_t bytes, int64_t min, int64_t max, int64_t *out);

typedef struct cli_file cli_file;

/* ---- output (output.c) ---------------------------------------------------------------------- */

/* stdout, with a buffer (or a file). A failed write is remembered; cli_out_close turns it into the
 * exit code. */
typedef struct cli_out {
    char buffer[1 << 14];
    size_t n;
    cli_file *file; /* instead of stdout; its failures are its own */
    uint64_t at;    /* there */
    int failed;     /* errno of the first failure */
    bool comma;     /* JSON: a value stands before */
} cli_out;

void cli_put(cli_out *out, const char *text, size_t bytes);
void cli_puts(cli_out *out, const char *text);
void cli_printf(cli_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool cli_flush(cli_out *out); /* false: stdout has failed */
int cli_out_close(cli_out *out, int code);

/* JSON without blanks: commas come by themselves. Strings: what is no UTF-8 becomes U+FFFD. */
void cli_json_open(cli_out *out, char bracket); /* '{' or '[' */
void cli_json_close(cli_out *out, char bracket);
void cli_json_key(cli_out *out, const char *key);
void cli_json_string(cli_out *out, const char *text, size_t bytes);
void cli_json_text(cli_out *out, const char *key, const char *text);
void cli_json_uint(cli_out *out, const char *key, uint64_t n);
void cli_json_int(cli_out *out, const char *key, int64_t n);
void cli_json_real(cli_out *out, const char *key, double x);
void cli_json_bool(cli_out *out, const char *key, bool x);
/* key NULL: an item of a list. */
void cli_json_ids(cli_out *out, const char *key, const int32_t *ids, size_t n);
/* Ends a line of JSON lines. */
void cli_json_end_line(cli_out *out);
/* {"error": "..."} and a new line. */
void cli_json_error(cli_out *out, const char *text);

/* One line on stderr; subject (a file) may be NULL. Returns status. */
int cli_error(int status, const char *subject, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same from the library's error. */
int cli_fail(const char *subject, const mote_error *err);
/* "name: what (got, wanted)". */
void cli_error_text(char *text, size_t cap, const mote_error *err);
int cli_no_memory(void);
/* A line on stderr unless -q. */
void cli_note(const cli_opts *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Copies text so that it can go to a terminal: control characters, marks of direction and bad UTF-8
 * as \xNN. */
void cli_escape(char *out, size_t cap, const char *text, size_t bytes);

/* Marks on a terminal, to stderr: one that asks for a line, and the end of a line. */
void cli_prompt_mark(void);
/* All of it to stderr, whatever signals come. */
void cli_mark(const char *text, size_t bytes);
void cli_end_line_mark(void);

/* 1234567 as "1.2 MB". */
const char *cli_size(char text[32], uint64_t bytes);
/* Is it a terminal, and are colours wanted (NO_COLOR)? */
bool cli_color(int fd);
double cli_seconds(void); /* since some time before main */
/* Ascending. */
void cli_sort(double *x, size_t n);

/* A bar on stderr, when that is a terminal and work takes more than half a second. */
typedef struct cli_progress {
    const char *label;
    double start, last;
    bool enabled, shown;
} cli_progress;

void cli_progress_start(cli_progress *p, const cli_opts *o, const char *label);
void cli_progress_show(cli_progress *p, uint64_t done, uint64_t total);
void cli_progress_end(cli_progress *p);

/* ---- files to make (file.c) ------------------------------------------------------------------ */

struct cli_file {
    const char *path;
    char *temporary;
    int fd, failed; /* errno of the first failed write */
};

/* The exit code of a file that is there and may not be replaced, else 0. */
int cli_file_check(const char *path, bool force);
int cli_file_create(cli_file *f, const char *path, bool force);
void cli_file_write(cli_file *f, uint64_t at, const void *data, size_t bytes);
/* Gives the file its name, or with a code not 0 removes it. */
int cli_file_close(cli_file *f, int code);

/* ---- signals (main.c) ----------------------------------------------------------------------- */

/* From now on SIGINT, SIGTERM and SIGHUP are only noted; a second one ends the program. */
void cli_catch_signals(void);
/* The signal's exit code, or 0. */
int cli_interrupted(void);
/* The same as a cancel function of the library and the converter. */
bool cli_cancel(void *user);
void cli_forget_interrupt(void);
/* read() that a noted signal ends, with EINTR, also if it came just before. */
ssize_t cli_read(int fd, void *to, size_t bytes);
/* A file to remove if a signal ends the program; NULL: none. */
void cli_remove_on_signal(const char *path);

/* From now on the kernel refuses this process every socket; an exit code where it cannot.
 * (offline.c) */
int cli_go_offline(void);

/* ---- the built-in model (builtin.c) --------------------------------------------------------- */

/* Its name. As a path this very pointer stands for it, so that no file is ever taken for it. */
extern const char cli_builtin_name[];
static inline bool cli_is_builtin(const char *path) { return path == cli_builtin_name; }
/* Its bytes, MOTE_ALIGN-aligned; base NULL: this program was built without it. */
mote_file cli_builtin(void);
/* mote_file_map and mote_file_unmap for every file that may be the built-in model. */
mote_status cli_map(mote_file *out, const char *path, mote_error *err);
void cli_unmap(mote_file *file);

/* ---- the engine (engine.c) ------------------------------------------------------------------ */

/* Bytes of everything that a command has in memory for a model. */
typedef struct cli_memory {
    uint64_t file, model, tokenizer, sampler;
    mote_session_plan session;
    uint64_t history; /* ids that the session holds */
    uint64_t text;    /* room for an answer */
    uint64_t total;   /* without the file, which is mapped */
} cli_memory;

typedef struct cli_engine {
    const cli_opts *o;
    mote_file file;
    mote_image image;
    mote_image_info info;
    mote_model *model;         /* NULL unless asked for */
    mote_tokenizer *tokenizer; /* the same */
    mote_session *session;
    mote_session_opts session_opts;
    int32_t *history; /* [n_ctx]: the ids of the session's positions */
    char *text;       /* [used.text]: room for an answer; with a tokenizer only */
    mote_sampler *sampler;
    mote_logit_bias biases[CLI_MAX_BIASES + 16]; /* --logit-bias, --ignore-eos */
    size_t n_biases;
    mote_pool *pool, *prompt_pool; /* NULL: one thread; the same */
    uint32_t model_threads;        /* mote_model_threads(); 0: not counted yet */
    cli_memory used;
} cli_engine;

/* WILL_RUN: refuse a file larger than the memory there is before any of its tensors is read, and
 * with --check one whose checksums are wrong. */
enum { NEED_MODEL = 1, NEED_TOKENIZER = 2, WANT_MODEL = 4, WANT_TOKENIZER = 8, WILL_RUN = 16 };

/* Maps and checks the file and makes what is needed (NEED: an error if it has none). */
int cli_engine_open(cli_engine *e, const cli_opts *o, unsigned need);
/* The same with a file that is mapped already, and is the engine's from now on. */
int cli_engine_open_file(cli_engine *e, const cli_opts *o, const mote_file *file, unsigned need);
void cli_engine_close(cli_engine *e);
/* Session options from -c -b -t --kv. n_ctx: what to use without -c. */
int cli_session_options(cli_engine *e, uint32_t n_ctx, uint32_t n_batch, bool all_logits,
                        mote_session_opts *out);
/* What run would use; the very numbers that cli_engine_session allocates. */
int cli_engine_plan(const cli_engine *e, const mote_session_opts *so, bool with_sampler,
                    cli_memory *out);
int cli_engine_session(cli_engine *e, const mote_session_opts *so);
/* What the command's options say. */
mote_sampler_opts cli_sampler_options(const cli_engine *e, uint64_t seed);
int cli_engine_sampler(cli_engine *e, uint64_t seed);
int cli_engine_threads(cli_engine *e);
const mote_team *cli_team(const cli_engine *e);
const mote_team *cli_prompt_team(const cli_engine *e);
void cli_memory_json(cli_out *out, const cli_memory *m);
/* Length that a session gets without -c: the model's, at most this. */
uint32_t cli_default_context(const cli_engine *e);
/* Is a type of weights f32, f16 or bf16? */
bool cli_is_float(const char *type);

/* Is this something to convert: a folder, a .gguf, a config.json? (draft.c) */
bool cli_is_source(const char *path);
/* Tells the sizes of what would be made of it. config: instead of the source's, which then is only
 * a name. */
int cli_plan_source(const cli_opts *o, const char *source, mote_text config);
/* Fills err for a prompt of n tokens. */
mote_status cli_too_long(const cli_engine *e, uint32_t n_ctx, size_t n, mote_error *err);

/* --state: what the session holds, in a file. Reading: a file that is not there is none; a bad one
 * is an error. Writing keeps the first n positions only, of which the session may hold more. */
int cli_state_read(cli_engine *e, const char *path);
int cli_state_write(cli_engine *e, const char *path, uint32_t n);

/* Makes the session hold a common beginning of its history and ids (less than n); returns how
 * many. */
uint32_t cli_reuse(mote_session *session, const int32_t *history, const int32_t *ids, size_t n);

/* ---- limits (memory.c); each an exit code after a refusal that says what would fit ---------- */

/* Bytes that the file and all beside it may have: --mem, or what there is; UINT64_MAX: unknown. */
uint64_t cli_memory_limit(const cli_engine *e);
uint64_t cli_memory_for(const cli_opts *o); /* before there is a file */
int cli_check_mapping(const cli_opts *o, uint64_t bytes);
int cli_check_file(const cli_engine *e);
int cli_check_session(const cli_engine *e, const mote_session_opts *so, const cli_memory *plan);
/* Something else of so many bytes beside the file. */
int cli_check_bytes(const cli_engine *e, uint64_t total);

/* ---- texts and ids (texts.c) ---------------------------------------------------------------- */

typedef struct cli_text {
    char *ptr; /* malloc'ed */
    size_t bytes;
} cli_text;

typedef struct cli_ids {
    int32_t *ids; /* malloc'ed */
    size_t n;
} cli_ids;

/* A whole file or stdin (path NULL). */
int cli_read_text(cli_text *out, const char *path);
/* What follows the last slash. */
const char *cli_base_name(const char *path);
/* The beginning of a file, at most cap - 1 bytes, terminated, without a word if it cannot be read;
 * its bytes. */
size_t cli_read_small(const char *path, char *text, size_t cap);
/* A file of mote's own: $VARIABLE/mote/NAME, else ~/BELOW/mote/NAME; false: neither is there, or
 * too long. */
bool cli_own_path(char *path, size_t cap, const char *variable, const char *below,
                  const char *name);
/* -p, -f or stdin. */
int cli_prompt_text(cli_text *out, const cli_opts *o);
/* --template with its --set. */
int cli_fill_template(cli_text *out, const cli_opts *o);
/* Text to ids; on failure err is filled, nothing printed. */
mote_status cli_encode(const cli_engine *e, const char *text, size_t bytes, unsigned flags,
                       const mote_span *plain, size_t n_plain, cli_ids *out, mote_error *err);
/* "1, 2 3" as ids; false: not a list of them. */
bool cli_read_ids(cli_ids *out, const char *text, size_t bytes);

/* One message of a conversation; content is never trusted. */
typedef struct cli_message {
    const char *role;
    mote_text content;
} cli_message;

/* Messages through the file's chat template to ids. */
mote_status cli_encode_chat(const cli_engine *e, const cli_message *messages, size_t n,
                            cli_ids *out, mote_error *err);

/* Renders a template into memory that grows as needed (malloc'ed, *mem); err as the library's. */
mote_status cli_render(mote_rendered *out, void **mem, mote_text source, const mote_value *vars,
                       int64_t now, mote_error *err);
int64_t cli_now(void); /* local time as if it were UTC */
mote_value cli_string_value(mote_text text, bool untrusted);
mote_member cli_member(const char *key, mote_value value);

/* ---- stop strings (stop.c) ------------------------------------------------------------------ */

/* Looks for stop strings in a stream; holds back what could be the beginning of one. */
typedef struct cli_stop cli_stop;

/* NULL: no memory. max_piece: bytes of the largest push. */
cli_stop *cli_stop_new(const char *const *stops, size_t n_stops, size_t max_piece);
void cli_stop_reset(cli_stop *s);
/* Adds text; *out, *bytes: what is now safe to show, valid until the next call. True: a stop string
 * is complete, and what is shown ends in front of it. */
bool cli_stop_push(cli_stop *s, const char *text, size_t bytes, const char **out, size_t *n);
/* What was held back at the end of the stream. */
void cli_stop_flush(cli_stop *s, const char **out, size_t *n);
void cli_stop_free(cli_stop *s);

/* ---- ids to text (stream.c) ------------------------------------------------------------------ */

#define CLI_LOOP_PERIODS 64

/* One answer as it comes: decoder, stop strings, loops. */
typedef struct cli_stream {
    const mote_tokenizer *tokenizer;
    mote_decoder decoder;
    cli_stop *stop;
    char *piece;
    cli_text text; /* all that may be shown, in memory of the caller */
    size_t cap;
    const char *ended; /* "stop_string" or "loop": why no further id is wanted; NULL: one is */
    bool finds_loops, stopped; /* stopped: by a stop string */
    size_t n_ids;
    int32_t last[CLI_LOOP_PERIODS];
    uint32_t runs[CLI_LOOP_PERIODS];
} cli_stream;

/* room: for all the text of an answer. */
int cli_stream_open(cli_stream *s, const mote_tokenizer *t, const cli_opts *o, cli_text room);
void cli_stream_close(cli_stream *s);
/* last: the id in front of the answer, -1: none. */
void cli_stream_reset(cli_stream *s, int32_t last);
/* What can be shown after one more id; then look at `ended`. */
mote_text cli_stream_push(cli_stream *s, int32_t id);
/* What was held back at the end. */
mote_text cli_stream_rest(cli_stream *s);
const char *cli_finish_name(const cli_stream *s, mote_finish finish);

/* ---- guesses (lookup.c) ---------------------------------------------------------------------- */

typedef struct cli_lookup {
    const int32_t *ids; /* [n] prompt and answer so far */
    size_t n;
    size_t limit, pause, wait; /* guesses at once; ids to wait after the next failure, and now */
    int32_t guess[MOTE_MAX_GUESSES];
    size_t n_guessed, n_right; /* the last ones */
    bool in_row;
    size_t guessed, right; /* all */
} cli_lookup;

void cli_lookup_begin(cli_lookup *l, const int32_t *ids, size_t n);
/* One more id stands at ids[n]. */
void cli_lookup_take(cli_lookup *l, int32_t id);
/* At most max ids that may follow; how many. */
size_t cli_lookup_guess(cli_lookup *l, int32_t *ids, size_t max);

/* ---- answers (answer.c) --------------------------------------------------------------------- */

typedef struct cli_answer {
    const char *finish; /* stop, length, stop_string, loop, cancelled, context_full */
    size_t n_prompt, n_reused, n_made;
    size_t n_guessed, n_right;            /* --lookup */
    double prompt_s, first_s, generate_s; /* prompt; start to first token; first token to end */
    uint64_t seed;
    cli_text text; /* all of it, in the answerer's memory */
} cli_answer;

/* All that one answer needs, made once. */
typedef struct cli_answerer {
    cli_engine *engine;
    cli_out *out; /* where text goes while it comes; NULL: nowhere */
    bool dims;    /* what a model thinks is shown dim */
    cli_stream stream;
    cli_lookup lookup;
    cli_answer *answer; /* the one in work */
    double start;
    cli_progress progress;
} cli_answerer;

int cli_answerer_open(cli_answerer *a, cli_engine *e, cli_out *out);
/* Generates after ids; err is filled on failure, nothing printed. */
mote_status cli_answer_run(cli_answerer *a, const cli_ids *prompt, cli_answer *answer,
                           mote_error *err);
void cli_answerer_close(cli_answerer *a);
void cli_answer_note(const cli_opts *o, const cli_answer *answer);
/* -s or a number from the system. */
uint64_t cli_seed(const cli_opts *o);

/* ---- expectations (expect.c) ----------------------------------------------------------------- */

/* Can --expect be looked after on this machine? An exit code. */
int cli_expect_check(const cli_opts *o);
bool cli_is_expected(const cli_opts *o, mote_text answer);

/* ---- JSON lines (lines.c) ------------------------------------------------------------------- */

/* Reads stdin line by line; each line is an object that `row` answers with one line. row prints the
 * answer, or returns false with a text for {"error": ...}. Gives the exit code. */
typedef bool cli_row_fn(void *user, const mote_value *row, cli_out *out, char error[400]);
int cli_lines(cli_out *out, cli_row_fn *row, void *user);
/* The same for rows that queue up: row prints nothing, flush answers all that wait, each with its
 * line end. It is called when no further line is there, and before an error is told. */
typedef void cli_flush_fn(void *user, cli_out *out);
int cli_lines_queued(cli_out *out, cli_row_fn *row, cli_flush_fn *flush, void *user);
/* A member of a dict, NULL: absent. */
const mote_value *cli_get(const mote_value *dict, const char *key);
/* Is it (NULL: no) that string? */
bool cli_is_string(const mote_value *v, const char *text);
/* A member that is a list of ids (malloc'ed). */
bool cli_get_ids(const mote_value *dict, const char *key, cli_ids *out);
/* A member that is a number in [min, max]; *out stays when there is none. False: it is something
 * else, and error says so. */
bool cli_get_number(const mote_value *dict, const char *key, double min, double max, double *out,
                    char error[400]);
/* A whole JSON text that is a list of ids, or an object with "ids". */
bool cli_parse_ids(cli_ids *out, const cli_text *text);

/* ---- ids in windows (windows.c) -------------------------------------------------------------- */

#define CLI_MAX_ENGINES 2

typedef struct cli_windows {
    cli_engine *engines[CLI_MAX_ENGINES]; /* the first has the options and the tokenizer */
    size_t n_engines;
    /* Called for each term with every engine's logits there and the id that follows; at the end of
     * each window of n terms. */
    void (*term)(void *user, const float *const *logits, int32_t next);
    void (*end)(void *user, size_t n);
    void *user;
    cli_ids ids;
    size_t window, n_windows, n_terms;
    mote_row *rows;
    cli_progress progress;
} cli_windows;

/* Reads --ids or the text and makes the sessions. */
int cli_windows_open(cli_windows *w);
int cli_windows_run(cli_windows *w, const char *label);
void cli_windows_close(cli_windows *w); /* the engines stay open */
/* ln of the sum of exp(x[i]). */
double cli_log_sum(const float *x, size_t n);
/* Kullback-Leibler divergence of softmax(q) from softmax(p); their cli_log_sum. */
double cli_divergence(const float *p, double p_sum, const float *q, double q_sum, size_t n);

/* How far a model is from another on the text (or ids) that the first engine's options name
 * (cmd_compare.c). */
typedef struct cli_comparison {
    double mean_kl, median_kl, kl_99_9; /* Kullback-Leibler divergence of the second's tokens */
    double same_top_1;                  /* share of positions with the same best token */
    double ppl[2];
    size_t tokens, windows, window;
} cli_comparison;

int cli_compare(cli_engine *first, cli_engine *second, cli_comparison *out);

/* ---- commands ------------------------------------------------------------------------------- */

int cmd_run(const cli_opts *o);
int cmd_chat(const cli_opts *o);
int cmd_convert(const cli_opts *o);
int cmd_info(const cli_opts *o);
int cmd_verify(const cli_opts *o);
int cmd_plan(const cli_opts *o);
int cmd_bake(const cli_opts *o);
int cmd_tokenize(const cli_opts *o);
int cmd_detokenize(const cli_opts *o);
int cmd_template(const cli_opts *o);
int cmd_logits(const cli_opts *o);
int cmd_perplexity(const cli_opts *o);
int cmd_compare(const cli_opts *o);
int cmd_embed(const cli_opts *o);
int cmd_rerank(const cli_opts *o);
int cmd_bench(const cli_opts *o);
int cmd_explain(const cli_opts *o);
int cmd_doctor(const cli_opts *o);
int cmd_list(const cli_opts *o);
int cmd_recommend(const cli_opts *o);

#endif
