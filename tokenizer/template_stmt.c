/* template_stmt.c: the statements of chat templates to code. Read template_expr.c first. What is
 * open (if, for, set, macro ...) is in a stack of blocks; template_run.c says what the
 * instructions do.
 */
#include "tokenizer/template_compile.h"

/* Blocks that are open. */
enum { IF, FOR, FOR_ELSE, SET, FILTER, MACRO, WITH, GENERATION };

/* ---- if ------------------------------------------------------------------------------------- */

static void read_if(tpl_compiler *c)
{
    tpl_block *b = mote_tpl_open_block(c, IF);
    mote_tpl_expr(c, 0);
    b->patch = (int32_t)mote_tpl_emit(c, TPL_OP_JUMP_FALSE, 0, 0);
}

/* elif and else: the branch before it jumps to the end; these jumps are threaded through their
 * x. */
static void next_branch(tpl_compiler *c, bool last)
{
    tpl_block *b = mote_tpl_innermost(c, IF);
    if (!b)
        return;
    if (b->patch < 0)
        mote_tpl_syntax(c, "there is an else before this");
    b->next = (int32_t)mote_tpl_emit(c, TPL_OP_JUMP, 0, b->next);
    if (b->patch >= 0)
        mote_tpl_patch(c, b->patch);
    b->patch = -1;
    if (!last) {
        mote_tpl_expr(c, 0);
        b->patch = (int32_t)mote_tpl_emit(c, TPL_OP_JUMP_FALSE, 0, 0);
    }
}

static void end_if(tpl_compiler *c)
{
    tpl_block *b = mote_tpl_innermost(c, IF);
    if (!b)
        return;
    if (b->patch >= 0)
        mote_tpl_patch(c, b->patch);
    for (int32_t at = b->next; at >= 0 && !c->t->status;) {
        int32_t next = c->t->code[at].x;
        mote_tpl_patch(c, at);
        at = next;
    }
    c->n_blocks--;
}

/* ---- for ------------------------------------------------------------------------------------ */

static void jump_back(tpl_compiler *c, int32_t to)
{
    mote_tpl_emit(c, TPL_OP_JUMP, 1, to - (int32_t)c->t->n_code);
}

/* Items for which the condition does not hold are taken out first, in a loop of their own. */
static void filter_items(tpl_compiler *c, const tpl_targets *names)
{
    mote_tpl_emit(c, TPL_OP_EACH, 1, 0);
    int32_t next = (int32_t)mote_tpl_emit(c, TPL_OP_NEXT, 0, 0);
    mote_tpl_emit_targets(c, names);
    mote_tpl_expr(c, TPL_NO_TUPLE);
    mote_tpl_emit(c, TPL_OP_KEEP, 0, 0);
    jump_back(c, next);
    mote_tpl_patch(c, next);
    mote_tpl_emit(c, TPL_OP_KEPT, 0, 0);
}

static void read_for(tpl_compiler *c)
{
    tpl_block *b = mote_tpl_open_block(c, FOR);
    tpl_targets names;
    mote_tpl_read_targets(c, &names);
    mote_tpl_expect(c, "in");
    mote_tpl_expr(c, TPL_NO_IF);
    if (mote_tpl_accept(c, "if"))
        filter_items(c, &names);
    if (mote_tpl_tok_is(c, "recursive"))
        mote_tpl_fail(c->t, MOTE_ERR_UNSUPPORTED, "is not supported", c->lex.tok.text);
    mote_tpl_emit(c, TPL_OP_EACH, 0, 0);
    b->next = (int32_t)mote_tpl_emit(c, TPL_OP_NEXT, 0, 0);
    mote_tpl_emit_targets(c, &names);
}

static void end_loop(tpl_compiler *c, tpl_block *b)
{
    jump_back(c, b->next);
    mote_tpl_patch(c, b->next);
    b->patch = (int32_t)mote_tpl_emit(c, TPL_OP_END_LOOP, 0, 1);
}

static void for_else(tpl_compiler *c)
{
    tpl_block *b = mote_tpl_innermost(c, FOR);
    if (!b)
        return;
    end_loop(c, b);
    mote_tpl_emit(c, TPL_OP_SCOPE, 0, 0);
    b->kind = FOR_ELSE;
}

static void end_for(tpl_compiler *c)
{
    tpl_block *b = c->n_blocks ? &c->blocks[c->n_blocks - 1] : NULL;
    if (b && b->kind == FOR_ELSE) {
        mote_tpl_emit(c, TPL_OP_END_SCOPE, 0, 0);
        mote_tpl_patch(c, b->patch);
    } else {
        b = mote_tpl_innermost(c, FOR);
        if (!b)
            return;
        end_loop(c, b);
    }
    c->n_blocks--;
}

/* break and continue: inside a loop, and in the same macro or generation block. */
static void leave_loop(tpl_compiler *c, tpl_op op)
{
    size_t i = c->n_blocks;
    while (i > 0 && c->blocks[i - 1].kind != FOR && c->blocks[i - 1].kind != MACRO &&
           c->blocks[i - 1].kind != GENERATION)
        i--;
    if (!i || c->blocks[i - 1].kind != FOR)
        mote_tpl_syntax(c, "this is not inside a loop");
    mote_tpl_emit(c, op, 0, 0);
}

/* ---- set and others ------------------------------------------------------------------------- */

static void read_set(tpl_compiler *c)
{
    tpl_targets names;
    tpl_value attribute;
    mote_tpl_read_targets(c, &names);
    if (names.n == 1 && mote_tpl_accept(c, ".")) {
        attribute = mote_tpl_read_name(c);
        mote_tpl_emit_value(c, TPL_OP_NAME, 0, 0, names.names[0]);
        mote_tpl_expect(c, "=");
        mote_tpl_expr(c, 0);
        mote_tpl_emit_value(c, TPL_OP_SET_ATTR, 0, 0, attribute);
    } else if (mote_tpl_accept(c, "=")) {
        mote_tpl_expr(c, 0);
        mote_tpl_emit_targets(c, &names);
    } else {
        tpl_block *b = mote_tpl_open_block(c, SET);
        b->name = names.names[0];
        b->at = c->lex;
        while (c->lex.tok.type != TPL_TOK_END && !c->t->status)
            mote_tpl_lex_next(c);
        mote_tpl_emit(c, TPL_OP_CAPTURE, 0, 0);
    }
}

static void read_filter_block(tpl_compiler *c)
{
    tpl_block *b = mote_tpl_open_block(c, FILTER);
    b->at = c->lex;
    while (c->lex.tok.type != TPL_TOK_END && !c->t->status)
        mote_tpl_lex_next(c);
    mote_tpl_emit(c, TPL_OP_CAPTURE, 0, 0);
}

/* endset and endfilter: the filters of the opening tag are read now. */
static void end_capture(tpl_compiler *c, int kind)
{
    tpl_block *b = mote_tpl_innermost(c, kind);
    if (!b)
        return;
    tpl_lex here = c->lex;
    mote_tpl_emit(c, TPL_OP_END_CAPTURE, 0, 0);
    c->lex = b->at;
    if (kind == FILTER || mote_tpl_accept(c, "|"))
        mote_tpl_expr(c, TPL_FILTERS_ONLY);
    if (c->lex.tok.type != TPL_TOK_END)
        mote_tpl_syntax(c, "this tag has more than was expected");
    c->lex = here;
    if (kind == SET)
        mote_tpl_emit_value(c, TPL_OP_STORE, 0, 0, b->name);
    else
        mote_tpl_emit(c, TPL_OP_PRINT, 0, 0);
    c->n_blocks--;
}

/* macro name(a, b=1): values that were not given are made at the beginning of its code. */
static void read_macro(tpl_compiler *c)
{
    tpl_block *b = mote_tpl_open_block(c, MACRO);
    tpl_value name = mote_tpl_read_name(c);
    size_t n = 0, at = mote_tpl_emit_value(c, TPL_OP_MACRO, 0, 0, name);
    b->patch = (int32_t)at;
    mote_tpl_expect(c, "(");
    tpl_lex params = c->lex;
    for (uint32_t open = c->lex.open; !c->t->status && n <= TPL_MAX_ARGS;) {
        if (c->lex.tok.type != TPL_TOK_NAME)
            break;
        mote_tpl_put_value(c, mote_tpl_read_name(c));
        n++;
        while (!c->t->status && !(c->lex.open <= open && mote_tpl_tok_is(c, ",")) &&
               !(c->lex.open < open && mote_tpl_tok_is(c, ")")))
            mote_tpl_lex_next(c);
        if (!mote_tpl_accept(c, ","))
            break;
    }
    if (n > TPL_MAX_ARGS)
        mote_tpl_syntax(c, "a macro has too many parameters");
    c->lex = params;
    while (c->lex.tok.type == TPL_TOK_NAME && !c->t->status) {
        tpl_value param = mote_tpl_read_name(c);
        if (mote_tpl_accept(c, "=")) {
            size_t skip = mote_tpl_emit_value(c, TPL_OP_DEFAULT, 0, 0, param);
            mote_tpl_expr(c, TPL_NO_TUPLE);
            mote_tpl_emit_value(c, TPL_OP_STORE, 0, 0, param);
            mote_tpl_patch(c, (int32_t)skip);
        }
        if (!mote_tpl_accept(c, ","))
            break;
    }
    mote_tpl_expect(c, ")");
    if (!c->t->status)
        c->t->code[at].a = (uint8_t)n;
}

static void end_macro(tpl_compiler *c)
{
    tpl_block *b = mote_tpl_innermost(c, MACRO);
    if (!b)
        return;
    mote_tpl_emit(c, TPL_OP_RETURN, 0, 0);
    mote_tpl_patch(c, b->patch);
    if (c->lex.tok.type == TPL_TOK_NAME)
        mote_tpl_lex_next(c);
    c->n_blocks--;
}

/* with a=1, b=2: the values are made outside, the names are new. */
static void read_with(tpl_compiler *c)
{
    tpl_targets names = {.n = 0};
    mote_tpl_open_block(c, WITH);
    while (c->lex.tok.type == TPL_TOK_NAME && !c->t->status) {
        if (names.n == TPL_MAX_TARGETS)
            mote_tpl_syntax(c, "there are too many names");
        else
            names.names[names.n++] = mote_tpl_read_name(c);
        mote_tpl_expect(c, "=");
        mote_tpl_expr(c, TPL_NO_TUPLE);
        if (!mote_tpl_accept(c, ","))
            break;
    }
    mote_tpl_emit(c, TPL_OP_SCOPE, 0, 0);
    while (names.n)
        mote_tpl_emit_value(c, TPL_OP_STORE, 0, 0, names.names[--names.n]);
}

static void open_scope(tpl_compiler *c)
{
    mote_tpl_open_block(c, GENERATION);
    mote_tpl_emit(c, TPL_OP_SCOPE, 0, 0);
}

static void end_scope(tpl_compiler *c, int kind)
{
    if (!mote_tpl_innermost(c, kind))
        return;
    mote_tpl_emit(c, TPL_OP_END_SCOPE, 0, 0);
    c->n_blocks--;
}

/* ---- tags ----------------------------------------------------------------------------------- */

static bool read_opening(tpl_compiler *c, mote_text tag)
{
    if (mote_tpl_is(tag, "if"))
        read_if(c);
    else if (mote_tpl_is(tag, "for"))
        read_for(c);
    else if (mote_tpl_is(tag, "set"))
        read_set(c);
    else if (mote_tpl_is(tag, "macro"))
        read_macro(c);
    else if (mote_tpl_is(tag, "filter"))
        read_filter_block(c);
    else if (mote_tpl_is(tag, "with"))
        read_with(c);
    else if (mote_tpl_is(tag, "generation"))
        open_scope(c);
    else if (mote_tpl_is(tag, "break"))
        leave_loop(c, TPL_OP_BREAK);
    else if (mote_tpl_is(tag, "continue"))
        leave_loop(c, TPL_OP_CONTINUE);
    else
        return false;
    return true;
}

static bool read_closing(tpl_compiler *c, mote_text tag)
{
    bool in_for = c->n_blocks && c->blocks[c->n_blocks - 1].kind == FOR;
    if (mote_tpl_is(tag, "elif"))
        next_branch(c, false);
    else if (mote_tpl_is(tag, "else") && in_for)
        for_else(c);
    else if (mote_tpl_is(tag, "else"))
        next_branch(c, true);
    else if (mote_tpl_is(tag, "endif"))
        end_if(c);
    else if (mote_tpl_is(tag, "endfor"))
        end_for(c);
    else if (mote_tpl_is(tag, "endset"))
        end_capture(c, SET);
    else if (mote_tpl_is(tag, "endfilter"))
        end_capture(c, FILTER);
    else if (mote_tpl_is(tag, "endmacro"))
        end_macro(c);
    else if (mote_tpl_is(tag, "endwith"))
        end_scope(c, WITH);
    else if (mote_tpl_is(tag, "endgeneration"))
        end_scope(c, GENERATION);
    else
        return false;
    return true;
}

static void read_tag(tpl_compiler *c, char kind)
{
    mote_tpl_lex_next(c);
    if (kind == '{') {
        mote_tpl_expr(c, 0);
        mote_tpl_emit(c, TPL_OP_PRINT, 0, 0);
    } else {
        mote_text tag = c->lex.tok.text;
        if (c->lex.tok.type != TPL_TOK_NAME)
            mote_tpl_syntax(c, "the name of a statement was expected here");
        mote_tpl_lex_next(c);
        if (!c->t->status && !read_opening(c, tag) && !read_closing(c, tag))
            mote_tpl_fail(c->t, MOTE_ERR_UNSUPPORTED, "this statement is not supported", tag);
    }
    if (c->lex.tok.type != TPL_TOK_END)
        mote_tpl_syntax(c, "this tag has more than was expected");
}

void mote_tpl_compile(tpl_compiler *c)
{
    char kind;
    while ((kind = mote_tpl_lex_text(c)) != 0 && !c->t->status)
        read_tag(c, kind);
    if (c->n_blocks)
        mote_tpl_syntax(c, "a block is not closed");
    mote_tpl_emit(c, TPL_OP_END, 0, 0);
}
