/* template.h: what the template_*.c files share. Read the end of include/mote.h first, then
 * template_render.c, which tells how the parts fit; docs/templates.md says what is understood.
 *
 * A template is compiled in one pass to code (template_lex.c, template_expr.c, template_stmt.c),
 * which a stack machine runs (template_run.c). Nothing here recurses: nesting is in stacks of
 * fixed size. Any function may fail: it sets t->status (the first failure counts) and returns
 * something harmless.
 */
#ifndef MOTE_TEMPLATE_H
#define MOTE_TEMPLATE_H

#include <string.h>

#include "include/mote.h"

enum {
    TPL_MAX_STACK = 256,     /* values of expressions under way */
    TPL_MAX_FRAMES = 96,     /* loops, captures and macro calls under way */
    TPL_MAX_BLOCKS = 64,     /* statements nested in the source */
    TPL_MAX_PENDING = 192,   /* operators and brackets open in one expression */
    TPL_MAX_DEPTH = 64,      /* lists and dicts nested in a value that is printed or compared */
    TPL_MAX_ARGS = 32,       /* arguments of one call */
    TPL_MAX_TARGETS = 8,     /* names in "for a, b in" */
    TPL_MAX_RANGE = 100000,  /* values of one range(), as in Jinja's sandbox */
    TPL_MAX_STEPS = 10000000 /* instructions, and units of 64 bytes looked at */
};

/* ---- values --------------------------------------------------------------------------------- */

typedef enum tpl_kind {
    TPL_MISSING, /* a variable not set in this round of a loop */
    TPL_UNDEF,   /* as.s: the name, for messages; flag: a method that may exist in Python */
    TPL_NONE,
    TPL_BOOL,   /* as.i */
    TPL_INT,    /* as.i */
    TPL_FLOAT,  /* as.f */
    TPL_STR,    /* n bytes at as.s.p */
    TPL_LIST,   /* as.list, or as.src when flag is set: the caller's value */
    TPL_TUPLE,  /* as.list */
    TPL_GEN,    /* as.list: what Python makes lazily; can be walked once, is always true */
    TPL_RANGE,  /* as.range */
    TPL_DICT,   /* as.dict, or as.src when flag is set */
    TPL_SPACE,  /* as.dict: namespace() */
    TPL_LOOP,   /* as.loop */
    TPL_FUNC,   /* n: which */
    TPL_METHOD, /* n: which; as.self */
    TPL_MACRO,  /* as.macro */
    TPL_CYCLER, /* as.list; used: the next one */
    TPL_JOINER  /* as.list: the separator; used: not the first call */
} tpl_kind;

typedef struct tpl_value tpl_value;

typedef struct tpl_list {
    tpl_value *items;
    size_t n, cap, used;
} tpl_list;

/* Key and value by turns. */
typedef struct tpl_dict {
    tpl_value *pairs;
    size_t n, cap; /* pairs */
} tpl_dict;

typedef struct tpl_range {
    int64_t start, step;
    size_t n;
} tpl_range;

struct tpl_value {
    uint8_t kind;
    bool flag;  /* STR without shadow: all bytes are untrusted; else see tpl_kind */
    uint32_t n; /* STR: bytes */
    union {
        int64_t i;
        double f;
        struct {
            const char *p;
            const uint8_t *shadow; /* n flags: untrusted bytes; NULL: all are like flag */
        } s;
        tpl_list *list;
        tpl_dict *dict;
        tpl_range *range;
        const mote_value *src;
        tpl_value *self;
        struct tpl_loop *loop;
        struct tpl_macro *macro;
    } as;
};

/* ---- running -------------------------------------------------------------------------------- */

/* One instruction; jumps are relative, so that code can be moved. Some are followed by a value. */
typedef struct tpl_ins {
    uint8_t op, a;
    uint16_t line;
    int32_t x;
} tpl_ins;

enum { TPL_VALUE_INS = (sizeof(tpl_value) + sizeof(tpl_ins) - 1) / sizeof(tpl_ins) };

typedef struct tpl_var {
    struct tpl_var *next;
    mote_text name;
    tpl_value value;
} tpl_var;

typedef struct tpl_scope {
    struct tpl_scope *parent;
    tpl_var *vars;
    struct tpl_loop *loop; /* the variable "loop"; NULL: none here */
} tpl_scope;

typedef struct tpl_loop {
    tpl_value seq;
    size_t n, i;       /* i: items handed out */
    bool finished;     /* a round came to its end: then there is no else */
    tpl_value changed; /* last arguments of loop.changed() */
} tpl_loop;

typedef struct tpl_macro {
    tpl_scope *scope; /* where it was made */
    tpl_value *names; /* its own, then its parameters' */
    size_t n_params, entry;
} tpl_macro;

typedef struct tpl_frame {
    uint8_t kind;     /* enum in template_run.c */
    size_t next, end; /* instructions: to go on or come back to; behind the loop */
    size_t mark;      /* pieces of output before it */
    tpl_scope *scope; /* to come back to */
    tpl_loop *loop;
    tpl_list *kept;
    tpl_value item;
} tpl_frame;

typedef struct tpl {
    uint8_t *low, *high; /* free memory; low is aligned to 8 */
    mote_status status;
    mote_error *err;
    mote_text message; /* of raise_exception() */
    uint32_t line;     /* being compiled or run */
    uint64_t steps;    /* left */
    int64_t now;
    const mote_value *vars;
    tpl_ins *code;
    size_t n_code, pc;
    tpl_value *stack;
    size_t n_stack;
    tpl_frame *frames;
    size_t n_frames;
    tpl_scope *scope;
    tpl_value *pieces; /* output, growing down: piece i is pieces[-1 - i] */
    size_t n_pieces;
    tpl_list no_list; /* given out, always empty, when memory has run out */
    tpl_dict no_dict;
} tpl;

/* Arguments of a call, a filter or a test: values, then name and value by turns. */
typedef struct tpl_args {
    const tpl_value *v;
    size_t n, n_named;
} tpl_args;

/* ---- template_value.c: memory, failures, strings, lists, dicts ------------------------------- */

/* NULL on failure. Aligned to 8. */
void *mote_tpl_alloc(tpl *t, size_t n, size_t size);
/* what: a constant. The message is "line N: NAME: WHAT". */
void mote_tpl_fail(tpl *t, mote_status status, const char *what, mote_text name);
/* The usual failure of a running template. */
void mote_tpl_wrong(tpl *t, const char *what);
/* Takes `bytes` of work off the steps left. */
void mote_tpl_work(tpl *t, size_t bytes);

tpl_value mote_tpl_import(const mote_value *v);
tpl_value mote_tpl_str(const char *text);
tpl_value mote_tpl_substr(tpl_value s, size_t from, size_t bytes);
bool mote_tpl_is(mote_text a, const char *b);
bool mote_tpl_same_str(tpl_value a, tpl_value b);
bool mote_tpl_untrusted(tpl_value s, size_t i);
/* Bytes of the code point that begins at s[i], and the code point (U+FFFD: not valid). */
size_t mote_tpl_rune(tpl_value s, size_t i, uint32_t *rune);
size_t mote_tpl_rune_count(tpl_value s);
/* The byte at which the n-th code point begins. */
size_t mote_tpl_rune_at(tpl_value s, size_t n);

tpl_value mote_tpl_list(tpl *t, tpl_kind kind);
void mote_tpl_append(tpl *t, tpl_list *list, tpl_value v);
tpl_value mote_tpl_pair(tpl *t, tpl_value a, tpl_value b);
tpl_value mote_tpl_dict(tpl *t, tpl_kind kind);
void mote_tpl_dict_set(tpl *t, tpl_dict *d, tpl_value key, tpl_value v);
size_t mote_tpl_dict_count(tpl_value d);
void mote_tpl_dict_pair(tpl_value d, size_t i, tpl_value *key, tpl_value *v);
bool mote_tpl_dict_get(tpl *t, tpl_value d, tpl_value key, tpl_value *v);

bool mote_tpl_is_seq(tpl_value v); /* LIST, TUPLE, GEN or RANGE */
size_t mote_tpl_count(tpl_value seq);
tpl_value mote_tpl_item(tpl_value seq, size_t i);
/* What iterating gives, as a sequence; fails for values that cannot be iterated. */
tpl_value mote_tpl_iterate(tpl *t, tpl_value v);

/* Output and captures: pieces are put; what came after a mark is taken off as one string. */
void mote_tpl_put(tpl *t, tpl_value s);
void mote_tpl_put_text(tpl *t, const char *text, bool untrusted);
tpl_value mote_tpl_take(tpl *t, size_t mark);

/* memchr(), which a freestanding library cannot count on. */
static inline const char *tpl_find_byte(const char *p, char byte, size_t n)
{
    for (; n; n--, p++)
        if (*p == byte)
            return p;
    return NULL;
}

/* ---- template_number.c ----------------------------------------------------------------------- */

enum { TPL_NUMBER_BYTES = 32 };
size_t mote_tpl_int_text(char out[TPL_NUMBER_BYTES], int64_t i);
/* As Python's repr(): the shortest text that reads back as the same number. */
size_t mote_tpl_float_text(char out[TPL_NUMBER_BYTES], double f);
/* A decimal number without blanks, underscores or sign; false: it is none. */
bool mote_tpl_read_float(double *out, const char *p, size_t n);
/* f to the nearest multiple of 10^-digits, ties to even, as Python's round(). */
double mote_tpl_round(double f, int64_t digits);

/* ---- template_print.c ------------------------------------------------------------------------ */

tpl_value mote_tpl_to_str(tpl *t, tpl_value v); /* str() */
void mote_tpl_put_repr(tpl *t, tpl_value v);
tpl_value mote_tpl_to_json(tpl *t, tpl_value v, const tpl_args *args);

/* ---- template_ops.c -------------------------------------------------------------------------- */

enum tpl_cmp { TPL_EQ, TPL_NE, TPL_LT, TPL_LE, TPL_GT, TPL_GE, TPL_IN, TPL_NOT_IN };

bool mote_tpl_truth(tpl *t, tpl_value v);
/* Values that are no lists or dicts; those only by identity. */
bool mote_tpl_same_scalar(tpl_value a, tpl_value b);
bool mote_tpl_equal(tpl *t, tpl_value a, tpl_value b);
/* -1, 0, 1; fails for values without an order. */
int mote_tpl_order(tpl *t, tpl_value a, tpl_value b);
bool mote_tpl_compare(tpl *t, int cmp, tpl_value a, tpl_value b);
/* op: '+', '-', '*', '/', '%', '~', 'd' for //, 'p' for ** */
tpl_value mote_tpl_binary(tpl *t, int op, tpl_value a, tpl_value b);
tpl_value mote_tpl_negate(tpl *t, tpl_value v);

/* ---- template_access.c ----------------------------------------------------------------------- */

tpl_value mote_tpl_attr(tpl *t, tpl_value v, tpl_value name);   /* v.name */
tpl_value mote_tpl_index(tpl *t, tpl_value v, tpl_value index); /* v[index] */
tpl_value mote_tpl_slice(tpl *t, tpl_value v, const tpl_value part[3]);

/* ---- calls, strings, filters, tests ---------------------------------------------------------- */

/* The i-th argument, or the one of that name; false: neither. */
bool mote_tpl_arg(const tpl_args *args, size_t i, const char *name, tpl_value *v);
tpl_value mote_tpl_arg_or(const tpl_args *args, size_t i, const char *name, tpl_value other);
int64_t mote_tpl_int_arg(tpl *t, const tpl_args *args, size_t i, const char *name, int64_t other);
bool mote_tpl_global(mote_text name, tpl_value *v);
tpl_value mote_tpl_call(tpl *t, tpl_value f, const tpl_args *args);

/* -1: none of that name. */
int mote_tpl_method_id(tpl_value v, mote_text name);
int mote_tpl_str_method(mote_text name);
tpl_value mote_tpl_call_str(tpl *t, int id, tpl_value s, const tpl_args *args);
tpl_value mote_tpl_strip(tpl *t, tpl_value s, tpl_value chars, bool left, bool right);
tpl_value mote_tpl_replace(tpl *t, tpl_value s, tpl_value from, tpl_value to, int64_t max);
/* style: 's' split, 'r' rsplit, 'l' splitlines */
tpl_value mote_tpl_split(tpl *t, tpl_value s, const tpl_args *args, int style);
tpl_value mote_tpl_case(tpl *t, tpl_value s, int style); /* 'u', 'l', 'c', 't' */
/* Where part first is in s at or behind `from`; SIZE_MAX: nowhere. */
size_t mote_tpl_find(tpl *t, tpl_value s, tpl_value part, size_t from);
bool mote_tpl_is_space(uint32_t rune);

/* Filters outside template_filter.c. */
enum {
    TPL_F_DICTSORT = 64,
    TPL_F_FIRST,
    TPL_F_JOIN,
    TPL_F_LAST,
    TPL_F_MAX,
    TPL_F_MIN,
    TPL_F_REVERSE,
    TPL_F_SORT,
    TPL_F_SUM,
    TPL_F_UNIQUE, /* template_seq.c; then template_map.c */
    TPL_F_MAP,
    TPL_F_REJECT,
    TPL_F_REJECTATTR,
    TPL_F_SELECT,
    TPL_F_SELECTATTR
};
int mote_tpl_filter_id(mote_text name);
tpl_value mote_tpl_apply(tpl *t, int id, tpl_value v, const tpl_args *args); /* any filter */
tpl_value mote_tpl_filter(tpl *t, int id, tpl_value v, const tpl_args *args);
tpl_value mote_tpl_seq_filter(tpl *t, int id, tpl_value v, const tpl_args *args);
tpl_value mote_tpl_path(tpl *t, tpl_value v, tpl_value path);
/* The dict's members in the order of their keys. */
tpl_value mote_tpl_sorted_dict(tpl *t, tpl_value d);
int mote_tpl_test_id(mote_text name);
bool mote_tpl_test(tpl *t, int id, tpl_value v, const tpl_args *args);
tpl_value mote_tpl_strftime(tpl *t, tpl_value format);

/* ---- template_run.c -------------------------------------------------------------------------- */

typedef enum tpl_op {
    /* with a value behind them */
    TPL_OP_CONST,
    TPL_OP_TEXT,
    TPL_OP_NAME,
    TPL_OP_ATTR,
    TPL_OP_STORE,
    TPL_OP_SET_ATTR,
    TPL_OP_FAIL,
    TPL_OP_DEFAULT,
    TPL_OP_MACRO, /* and the parameters' names */
    /* without */
    TPL_OP_PRINT,
    TPL_OP_ITEM,
    TPL_OP_SLICE,
    TPL_OP_CALL,
    TPL_OP_FILTER,
    TPL_OP_TEST,
    TPL_OP_NOT,
    TPL_OP_NEG,
    TPL_OP_POS,
    TPL_OP_BINARY,
    TPL_OP_CMP,
    TPL_OP_CHAIN,
    TPL_OP_JUMP,
    TPL_OP_JUMP_FALSE,
    TPL_OP_AND,
    TPL_OP_OR,
    TPL_OP_LIST,
    TPL_OP_TUPLE1,
    TPL_OP_APPEND,
    TPL_OP_DICT,
    TPL_OP_DICT_SET,
    TPL_OP_UNPACK,
    TPL_OP_EACH,
    TPL_OP_NEXT,
    TPL_OP_KEEP,
    TPL_OP_KEPT,
    TPL_OP_END_LOOP,
    TPL_OP_BREAK,
    TPL_OP_CONTINUE,
    TPL_OP_CAPTURE,
    TPL_OP_END_CAPTURE,
    TPL_OP_SCOPE,
    TPL_OP_END_SCOPE,
    TPL_OP_RETURN,
    TPL_OP_END
} tpl_op;

void mote_tpl_run(tpl *t);

/* ---- template_var.c -------------------------------------------------------------------------- */

/* NULL on failure. */
tpl_scope *mote_tpl_new_scope(tpl *t, tpl_scope *parent);
/* A variable of this scope; NULL: there is none. */
tpl_var *mote_tpl_find_var(tpl *t, const tpl_scope *s, tpl_value name);
void mote_tpl_store(tpl *t, tpl_value name, tpl_value value);
tpl_value mote_tpl_load(tpl *t, tpl_value name);

#endif
