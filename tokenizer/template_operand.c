/* template_operand.c: operands of expressions in chat templates, and the filters, tests and
 * attributes that follow them. Read template_expr.c first.
 */
#include "tokenizer/template_compile.h"

/* ---- operands ------------------------------------------------------------------------------- */

static void emit_name(tpl_compiler *c, mote_text name)
{
    tpl_value v = {.kind = TPL_NONE};
    if (mote_tpl_is(name, "true") || mote_tpl_is(name, "True"))
        v = (tpl_value){.kind = TPL_BOOL, .as.i = 1};
    else if (mote_tpl_is(name, "false") || mote_tpl_is(name, "False"))
        v = (tpl_value){.kind = TPL_BOOL};
    else if (!mote_tpl_is(name, "none") && !mote_tpl_is(name, "None")) {
        mote_tpl_emit_value(c, TPL_OP_NAME, 0, 0, tpl_text_value(name));
        return;
    }
    tpl_emit_const(c, v);
}

/* One string, or several in a row. */
static void read_strings(tpl_compiler *c)
{
    for (bool more = false; c->lex.tok.type == TPL_TOK_STR && !c->t->status; more = true) {
        tpl_emit_const(c, mote_tpl_unescape(c, c->lex.tok.text));
        if (more)
            mote_tpl_emit(c, TPL_OP_BINARY, '+', 0);
        mote_tpl_lex_next(c);
    }
}

/* ")" "]" "}" where an operand could begin: an empty bracket, or one with a comma at its end. */
bool mote_tpl_close_empty(tpl_compiler *c)
{
    tpl_pending *p = tpl_top(c);
    bool closes = (mote_tpl_tok_is(c, ")") &&
                   (p->op == TPL_W_GROUP || p->op == TPL_W_TUPLE || p->op == TPL_W_CALL ||
                    p->op == TPL_W_FILTER || p->op == TPL_W_TEST)) ||
                  (mote_tpl_tok_is(c, "]") && p->op == TPL_W_LIST) ||
                  (mote_tpl_tok_is(c, "}") && p->op == TPL_W_DICT_KEY);
    if (!closes || p->named)
        return false;
    if (p->op == TPL_W_GROUP)
        mote_tpl_emit(c, TPL_OP_LIST, TPL_TUPLE, 0);
    return true;
}

static void open_bracket(tpl_compiler *c, int op)
{
    if (op == TPL_W_LIST)
        mote_tpl_emit(c, TPL_OP_LIST, TPL_LIST, 0);
    if (op == TPL_W_DICT_KEY)
        mote_tpl_emit(c, TPL_OP_DICT, 0, 0);
    mote_tpl_push(c, op, 0);
    mote_tpl_lex_next(c);
}

/* NAME = before an argument; its name becomes a constant. */
static void read_arg_name(tpl_compiler *c)
{
    tpl_pending *p = tpl_top(c);
    tpl_lex before = c->lex;
    if ((p->op != TPL_W_CALL && p->op != TPL_W_FILTER && p->op != TPL_W_TEST) || p->named)
        return;
    if (mote_tpl_tok_is(c, "*") || mote_tpl_tok_is(c, "**"))
        mote_tpl_fail(c->t, MOTE_ERR_UNSUPPORTED, "arguments with * are not supported",
                      (mote_text){"", 0});
    if (c->lex.tok.type != TPL_TOK_NAME)
        return;
    mote_text name = c->lex.tok.text;
    mote_tpl_lex_next(c);
    if (mote_tpl_tok_is(c, "=")) {
        mote_tpl_lex_next(c);
        tpl_emit_const(c, tpl_text_value(name));
        p->named = true;
    } else {
        c->lex = before;
    }
}

/* Reads an operand, or what stands before one; true: an operand is complete. */
bool mote_tpl_read_operand(tpl_compiler *c)
{
    tpl_token k;
    tpl_value v = {.kind = TPL_NONE};
    read_arg_name(c);
    k = c->lex.tok;
    switch (k.type) {
    case TPL_TOK_STR: read_strings(c); return true;
    case TPL_TOK_INT: v = (tpl_value){.kind = TPL_INT, .as.i = k.i}; break;
    case TPL_TOK_FLOAT: v = (tpl_value){.kind = TPL_FLOAT, .as.f = k.f}; break;
    case TPL_TOK_NAME:
        mote_tpl_lex_next(c);
        if (!mote_tpl_is(k.text, "not"))
            emit_name(c, k.text);
        else
            mote_tpl_push(c, TPL_W_NOT, TPL_P_NOT);
        return !mote_tpl_is(k.text, "not");
    case TPL_TOK_OP:
        if (k.op == '(' || k.op == '[' || k.op == '{') {
            open_bracket(c, k.op == '(' ? TPL_W_GROUP : k.op == '[' ? TPL_W_LIST : TPL_W_DICT_KEY);
            return false;
        }
        if (k.op == '-' || k.op == '+') {
            mote_tpl_push(c, TPL_W_SIGN, TPL_P_SIGN)->a = (uint8_t)k.op;
            mote_tpl_lex_next(c);
            return false;
        }
        if (tpl_top(c)->op == TPL_W_SUBSCRIPT &&
            (k.op == ':' || (k.op == ']' && tpl_top(c)->n_args))) {
            tpl_emit_const(c, v); /* an end of a slice that is left out */
            return true;
        }
        /* fallthrough */
    default: mote_tpl_syntax(c, "a value was expected here"); return true;
    }
    tpl_emit_const(c, v);
    mote_tpl_lex_next(c);
    return true;
}

/* ---- what follows an operand ---------------------------------------------------------------- */

static mote_text dotted_name(tpl_compiler *c)
{
    mote_text name = c->lex.tok.text;
    if (c->lex.tok.type != TPL_TOK_NAME)
        mote_tpl_syntax(c, "a name was expected here");
    mote_tpl_lex_next(c);
    while (mote_tpl_accept(c, ".")) {
        name.bytes = (size_t)(c->lex.tok.text.ptr + c->lex.tok.text.bytes - name.ptr);
        if (c->lex.tok.type != TPL_TOK_NAME)
            mote_tpl_syntax(c, "a name was expected here");
        mote_tpl_lex_next(c);
    }
    return name;
}

/* A filter or test with its arguments on the stack; one that is not known fails when it is
 * reached. */
void mote_tpl_emit_apply(tpl_compiler *c, const tpl_pending *p)
{
    if (p->id < 0)
        mote_tpl_emit_value(c, TPL_OP_FAIL, p->op == TPL_W_FILTER, 0, tpl_text_value(p->name));
    else
        mote_tpl_emit(c, p->op == TPL_W_FILTER ? TPL_OP_FILTER : TPL_OP_TEST, p->n_args,
                      p->id | p->n_named << 8);
    if (p->op == TPL_W_TEST && p->a)
        mote_tpl_emit(c, TPL_OP_NOT, 0, 0);
}

/* Behind "|"; true: a bracket was opened. */
bool mote_tpl_read_filter(tpl_compiler *c)
{
    tpl_pending p = {.op = TPL_W_FILTER, .name = dotted_name(c)};
    p.id = mote_tpl_filter_id(p.name);
    if (!mote_tpl_tok_is(c, "(")) {
        mote_tpl_emit_apply(c, &p);
        return false;
    }
    tpl_pending *q = mote_tpl_push(c, TPL_W_FILTER, 0);
    q->id = p.id;
    q->name = p.name;
    mote_tpl_lex_next(c);
    return true;
}

static bool begins_test_arg(const tpl_compiler *c)
{
    static const char *const others[] = {"else", "or", "and", "if", "not", "in", "is"};
    const tpl_token *k = &c->lex.tok;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (mote_tpl_tok_is(c, others[i]))
            return false;
    return k->type == TPL_TOK_NAME || k->type == TPL_TOK_STR || k->type == TPL_TOK_INT ||
           k->type == TPL_TOK_FLOAT || mote_tpl_tok_is(c, "[") || mote_tpl_tok_is(c, "{");
}

/* Behind "is"; true: an argument follows. */
bool mote_tpl_read_test(tpl_compiler *c)
{
    tpl_pending p = {.op = TPL_W_TEST};
    p.a = mote_tpl_accept(c, "not");
    p.name = dotted_name(c);
    p.id = mote_tpl_test_id(p.name);
    bool bracket = mote_tpl_tok_is(c, "(");
    if (!bracket && (p.id < 0 || !begins_test_arg(c))) {
        mote_tpl_emit_apply(c, &p);
        return false;
    }
    tpl_pending *q =
        mote_tpl_push(c, bracket ? TPL_W_TEST : TPL_W_TEST_ARG, bracket ? 0 : TPL_P_TEST);
    q->a = p.a;
    q->id = p.id;
    q->name = p.name;
    if (bracket)
        mote_tpl_lex_next(c);
    return true;
}

void mote_tpl_read_attribute(tpl_compiler *c)
{
    tpl_token k = c->lex.tok;
    if (k.type == TPL_TOK_INT) {
        tpl_emit_const(c, (tpl_value){.kind = TPL_INT, .as.i = k.i});
        mote_tpl_emit(c, TPL_OP_ITEM, 0, 0);
    } else if (k.type == TPL_TOK_NAME) {
        mote_tpl_emit_value(c, TPL_OP_ATTR, 0, 0, tpl_text_value(k.text));
    } else {
        mote_tpl_syntax(c, "a name was expected here");
    }
    mote_tpl_lex_next(c);
}
