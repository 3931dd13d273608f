/* template_compile.h: what the files that compile chat templates share: template_lex.c,
 * template_string.c, template_code.c, template_expr.c, template_operand.c, template_stmt.c. Read
 * template.h first.
 */
#ifndef MOTE_TEMPLATE_COMPILE_H
#define MOTE_TEMPLATE_COMPILE_H

#include "tokenizer/template.h"

enum { TPL_TOK_END, TPL_TOK_NAME, TPL_TOK_STR, TPL_TOK_INT, TPL_TOK_FLOAT, TPL_TOK_OP };

typedef struct tpl_token {
    uint8_t type;
    uint16_t op; /* OP: first character, second one << 8 */
    uint32_t line;
    mote_text text; /* NAME; STR: what is between the quotes */
    int64_t i;
    double f;
} tpl_token;

/* Where the lexer is; a copy is a place to come back to. */
typedef struct tpl_lex {
    size_t pos;
    uint32_t line, open; /* open: brackets */
    char tag;            /* the tag being read: '%' or '{' */
    bool line_start;     /* what was read last ended a line */
    tpl_token tok;       /* the current token */
} tpl_lex;

typedef struct tpl_pending {
    uint8_t op, prec, a, n_args, n_named;
    bool named; /* the argument being read has a name */
    uint16_t line;
    int32_t start, patch, id;
    mote_text name;
} tpl_pending;

typedef struct tpl_block {
    uint8_t kind;
    int32_t patch, next; /* jumps to be told where to go */
    tpl_lex at;          /* filters to be applied at the end */
    tpl_value name;
} tpl_block;

typedef struct tpl_compiler {
    tpl *t;
    mote_text src;
    tpl_lex lex;
    tpl_pending *pending;
    size_t n_pending;
    tpl_block *blocks;
    size_t n_blocks;
} tpl_compiler;

/* template_lex.c. Emits text up to the next tag: '%', '{', or 0 at the end. */
char mote_tpl_lex_text(tpl_compiler *c);
void mote_tpl_lex_next(tpl_compiler *c);
mote_text mote_tpl_normalise(tpl *t, mote_text source);
/* Reads the escapes of a string literal. */
tpl_value mote_tpl_unescape(tpl_compiler *c, mote_text raw);
bool mote_tpl_tok_is(const tpl_compiler *c, const char *text); /* a name or an operator */
bool mote_tpl_accept(tpl_compiler *c, const char *text);
void mote_tpl_expect(tpl_compiler *c, const char *text);
void mote_tpl_syntax(tpl_compiler *c, const char *what);

/* template_code.c */
size_t mote_tpl_emit(tpl_compiler *c, tpl_op op, unsigned a, int32_t x);
size_t mote_tpl_emit_value(tpl_compiler *c, tpl_op op, unsigned a, int32_t x, tpl_value v);
/* Makes the jump at `from` go to the end of the code. */
void mote_tpl_patch(tpl_compiler *c, int32_t from);

enum { TPL_NO_IF = 1, TPL_NO_TUPLE = 2, TPL_FILTERS_ONLY = 4 };
void mote_tpl_expr(tpl_compiler *c, unsigned flags); /* template_expr.c */

/* A value behind an instruction, or behind another value. */
void mote_tpl_put_value(tpl_compiler *c, tpl_value v);

tpl_block *mote_tpl_open_block(tpl_compiler *c, int kind);
/* The innermost block if it is of this kind, else NULL and a failure. */
tpl_block *mote_tpl_innermost(tpl_compiler *c, int kind);
tpl_value mote_tpl_read_name(tpl_compiler *c);

typedef struct tpl_targets {
    tpl_value names[TPL_MAX_TARGETS];
    size_t n;
    bool tuple;
} tpl_targets;

void mote_tpl_read_targets(tpl_compiler *c, tpl_targets *out);
/* Takes the value on the stack apart, if there is more than one name, and sets them. */
void mote_tpl_emit_targets(tpl_compiler *c, const tpl_targets *names);

/* ---- expressions ----------------------------------------------------------------------------- */

/* What waits. Brackets have the precedence 0. */
enum {
    TPL_W_TOP,
    TPL_W_GROUP,
    TPL_W_TUPLE,
    TPL_W_LIST,
    TPL_W_DICT_KEY,
    TPL_W_DICT_VALUE,
    TPL_W_CALL,
    TPL_W_FILTER,
    TPL_W_TEST,
    TPL_W_SUBSCRIPT, /* brackets */
    TPL_W_IF,
    TPL_W_ELSE,
    TPL_W_OR,
    TPL_W_AND,
    TPL_W_NOT,
    TPL_W_COMPARE,
    TPL_W_BINARY,
    TPL_W_SIGN,
    TPL_W_TEST_ARG
};

enum {
    TPL_P_IF = 1,
    TPL_P_OR,
    TPL_P_AND,
    TPL_P_NOT,
    TPL_P_COMPARE,
    TPL_P_ADD,
    TPL_P_CAT,
    TPL_P_MUL,
    TPL_P_POW,
    TPL_P_SIGN,
    TPL_P_TEST
};

static inline tpl_pending *tpl_top(const tpl_compiler *c) { return &c->pending[c->n_pending - 1]; }

static inline tpl_value tpl_text_value(mote_text s)
{
    tpl_value v = {.kind = TPL_STR, .n = (uint32_t)s.bytes};
    v.as.s.p = s.ptr;
    return v;
}

static inline void tpl_emit_const(tpl_compiler *c, tpl_value v)
{
    mote_tpl_emit_value(c, TPL_OP_CONST, 0, 0, v);
}

/* template_stmt.c */
void mote_tpl_compile(tpl_compiler *c);

/* template_expr.c */
tpl_pending *mote_tpl_push(tpl_compiler *c, int op, int prec);
/* Finishes operators that bind at least as strongly as prec. */
void mote_tpl_reduce(tpl_compiler *c, int prec);

/* template_operand.c. true: an operand is complete. */
bool mote_tpl_read_operand(tpl_compiler *c);
bool mote_tpl_close_empty(tpl_compiler *c);
void mote_tpl_emit_apply(tpl_compiler *c, const tpl_pending *p);
/* true: arguments follow. */
bool mote_tpl_read_filter(tpl_compiler *c);
bool mote_tpl_read_test(tpl_compiler *c);
void mote_tpl_read_attribute(tpl_compiler *c);

#endif
