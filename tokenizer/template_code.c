/* template_code.c: emitting the code of chat templates, and what the statements share: blocks
 * that are open, names to be set. Read template_compile.h first.
 */
#include "tokenizer/template_compile.h"

/* ---- code ----------------------------------------------------------------------------------- */

static tpl_ins *room(tpl_compiler *c, size_t n)
{
    tpl *t = c->t;
    if (t->status || t->n_code > (size_t)INT32_MAX / 2 ||
        (size_t)(t->high - t->low) < n * sizeof(tpl_ins)) {
        mote_tpl_alloc(t, SIZE_MAX, 1);
        return NULL;
    }
    tpl_ins *at = t->code + t->n_code;
    t->low += n * sizeof(tpl_ins);
    t->n_code += n;
    return at;
}

size_t mote_tpl_emit(tpl_compiler *c, tpl_op op, unsigned a, int32_t x)
{
    size_t at = c->t->n_code;
    tpl_ins *ins = room(c, 1);
    uint16_t line = (uint16_t)(c->lex.tok.line < UINT16_MAX ? c->lex.tok.line : UINT16_MAX);
    if (ins)
        *ins = (tpl_ins){(uint8_t)op, (uint8_t)a, line, x};
    return ins ? at : 0;
}

void mote_tpl_put_value(tpl_compiler *c, tpl_value v)
{
    tpl_ins *at = room(c, TPL_VALUE_INS);
    if (at)
        memcpy(at, &v, sizeof v);
}

size_t mote_tpl_emit_value(tpl_compiler *c, tpl_op op, unsigned a, int32_t x, tpl_value v)
{
    size_t at = mote_tpl_emit(c, op, a, x);
    mote_tpl_put_value(c, v);
    return at;
}

void mote_tpl_patch(tpl_compiler *c, int32_t from)
{
    if (!c->t->status)
        c->t->code[from].x = (int32_t)c->t->n_code - from;
}

/* ---- blocks --------------------------------------------------------------------------------- */

tpl_block *mote_tpl_open_block(tpl_compiler *c, int kind)
{
    if (c->n_blocks == TPL_MAX_BLOCKS) {
        mote_tpl_fail(c->t, MOTE_ERR_UNSUPPORTED, "statements are nested too deeply",
                      (mote_text){"", 0});
        c->n_blocks--;
    }
    tpl_block *b = &c->blocks[c->n_blocks++];
    *b = (tpl_block){.kind = (uint8_t)kind, .patch = -1, .next = -1};
    return b;
}

tpl_block *mote_tpl_innermost(tpl_compiler *c, int kind)
{
    tpl_block *b = c->n_blocks ? &c->blocks[c->n_blocks - 1] : NULL;
    if (!b || b->kind != kind) {
        mote_tpl_syntax(c, "this tag does not fit the open block");
        return NULL;
    }
    return b;
}

tpl_value mote_tpl_read_name(tpl_compiler *c)
{
    tpl_value v = {.kind = TPL_STR, .n = (uint32_t)c->lex.tok.text.bytes};
    v.as.s.p = c->lex.tok.text.ptr;
    if (c->lex.tok.type != TPL_TOK_NAME)
        mote_tpl_syntax(c, "a name was expected here");
    mote_tpl_lex_next(c);
    return v;
}

/* ---- names to be set ------------------------------------------------------------------------ */

/* a / a, b / (a, b) */
void mote_tpl_read_targets(tpl_compiler *c, tpl_targets *out)
{
    bool bracket = mote_tpl_accept(c, "(");
    *out = (tpl_targets){.n = 0};
    do {
        if (out->n == TPL_MAX_TARGETS || mote_tpl_tok_is(c, "(")) {
            mote_tpl_fail(c->t, MOTE_ERR_UNSUPPORTED, "this list of names is not supported",
                          (mote_text){"", 0});
            return;
        }
        if (out->n && (mote_tpl_tok_is(c, "in") || mote_tpl_tok_is(c, "=")))
            break;
        out->names[out->n++] = mote_tpl_read_name(c);
        out->tuple |= mote_tpl_tok_is(c, ",");
    } while (mote_tpl_accept(c, ",") && !c->t->status);
    if (bracket)
        mote_tpl_expect(c, ")");
}

void mote_tpl_emit_targets(tpl_compiler *c, const tpl_targets *names)
{
    if (names->tuple)
        mote_tpl_emit(c, TPL_OP_UNPACK, (unsigned)names->n, 0);
    for (size_t i = 0; i < names->n; i++)
        mote_tpl_emit_value(c, TPL_OP_STORE, 0, 0, names->names[i]);
}
