/* template_expr.c: expressions of chat templates to code, in one pass with a stack of operators
 * that wait for their right side and of brackets that are open. Code of an expression leaves one
 * value. Read template_lex.c first.
 *
 * "A if C else B" runs C first: the code of A, already there, is moved behind that of C. All
 * jumps are relative, so that code can be moved.
 */
#include "tokenizer/template_compile.h"

tpl_pending *mote_tpl_push(tpl_compiler *c, int op, int prec)
{
    if (c->n_pending == TPL_MAX_PENDING) {
        mote_tpl_fail(c->t, MOTE_ERR_UNSUPPORTED, "the expression is nested too deeply",
                      (mote_text){"", 0});
        return tpl_top(c);
    }
    tpl_pending *p = &c->pending[c->n_pending++];
    *p = (tpl_pending){.op = (uint8_t)op, .prec = (uint8_t)prec, .patch = -1};
    p->line = (uint16_t)(c->lex.line < UINT16_MAX ? c->lex.line : UINT16_MAX);
    p->start = (int32_t)c->t->n_code;
    return p;
}

/* ---- A if C else B -------------------------------------------------------------------------- */

static void reverse(tpl_ins *code, size_t begin, size_t end)
{
    for (; begin + 1 < end; begin++, end--) {
        tpl_ins ins = code[begin];
        code[begin] = code[end - 1];
        code[end - 1] = ins;
    }
}

/* Code A C at start and at patch becomes C, jump to B, A, jump behind B (which is returned). */
static int32_t turn(tpl_compiler *c, const tpl_pending *p)
{
    tpl *t = c->t;
    size_t a = (size_t)p->start, cond = (size_t)p->patch;
    size_t jump = mote_tpl_emit(c, TPL_OP_JUMP_FALSE, 0, 0);
    if (t->status)
        return 0;
    mote_tpl_work(t, 16 * (t->n_code - a));
    t->code[jump].x = (int32_t)(cond - a) + 2;
    reverse(t->code, a, cond);
    reverse(t->code, cond, t->n_code);
    reverse(t->code, a, t->n_code);
    return (int32_t)mote_tpl_emit(c, TPL_OP_JUMP, 0, 0);
}

/* ---- finishing what waits ------------------------------------------------------------------- */

/* Makes all jumps of a chained comparison, threaded through their x, go here. */
static void patch_chain(tpl_compiler *c, int32_t at)
{
    while (at >= 0 && !c->t->status) {
        int32_t next = c->t->code[at].x;
        mote_tpl_patch(c, at);
        at = next;
    }
}

static void finish(tpl_compiler *c)
{
    tpl_pending p = *tpl_top(c);
    c->n_pending--;
    switch (p.op) {
    case TPL_W_IF: {
        int32_t jump = turn(c, &p);
        tpl_emit_const(c, (tpl_value){.kind = TPL_UNDEF, .as.s = {"", NULL}});
        mote_tpl_patch(c, jump);
        return;
    }
    case TPL_W_ELSE:
    case TPL_W_OR:
    case TPL_W_AND: mote_tpl_patch(c, p.patch); return;
    case TPL_W_NOT: mote_tpl_emit(c, TPL_OP_NOT, 0, 0); return;
    case TPL_W_COMPARE:
        mote_tpl_emit(c, TPL_OP_CMP, p.a, 0);
        patch_chain(c, p.patch);
        return;
    case TPL_W_BINARY: mote_tpl_emit(c, TPL_OP_BINARY, p.a, 0); return;
    case TPL_W_SIGN: mote_tpl_emit(c, p.a == '-' ? TPL_OP_NEG : TPL_OP_POS, 0, 0); return;
    default: /* TPL_W_TEST_ARG */
        mote_tpl_emit(c, TPL_OP_TEST, 1, p.id);
        if (p.a)
            mote_tpl_emit(c, TPL_OP_NOT, 0, 0);
    }
}

/* Finishes operators that bind at least as strongly as prec. */
void mote_tpl_reduce(tpl_compiler *c, int prec)
{
    while (!c->t->status && tpl_top(c)->prec >= prec && tpl_top(c)->prec)
        finish(c);
}

/* ---- operators ------------------------------------------------------------------------------ */

static void compare(tpl_compiler *c, int cmp)
{
    tpl_pending *p;
    mote_tpl_reduce(c, TPL_P_COMPARE + 1);
    p = tpl_top(c);
    if (p->op == TPL_W_COMPARE) {
        int32_t at = (int32_t)mote_tpl_emit(c, TPL_OP_CHAIN, p->a, p->patch);
        p->patch = at;
    } else {
        p = mote_tpl_push(c, TPL_W_COMPARE, TPL_P_COMPARE);
    }
    p->a = (uint8_t)cmp;
}

static void logical(tpl_compiler *c, int op, int prec)
{
    mote_tpl_reduce(c, prec);
    int32_t at = (int32_t)mote_tpl_emit(c, op == TPL_W_OR ? TPL_OP_OR : TPL_OP_AND, 0, 0);
    mote_tpl_push(c, op, prec)->patch = at;
}

/* Binary operators; true: one was read. */
static bool read_binary(tpl_compiler *c)
{
    static const struct {
        const char *text;
        uint8_t prec, a;
    } binary[] = {{"+", TPL_P_ADD, '+'}, {"-", TPL_P_ADD, '-'},  {"~", TPL_P_CAT, '~'},
                  {"*", TPL_P_MUL, '*'}, {"/", TPL_P_MUL, '/'},  {"//", TPL_P_MUL, 'd'},
                  {"%", TPL_P_MUL, '%'}, {"**", TPL_P_POW, 'p'}, {"==", 0, TPL_EQ},
                  {"!=", 0, TPL_NE},     {"<", 0, TPL_LT},       {"<=", 0, TPL_LE},
                  {">", 0, TPL_GT},      {">=", 0, TPL_GE},      {"in", 0, TPL_IN}};
    for (size_t i = 0; i < sizeof binary / sizeof *binary; i++) {
        if (!mote_tpl_accept(c, binary[i].text))
            continue;
        if (!binary[i].prec) {
            compare(c, binary[i].a);
        } else {
            mote_tpl_reduce(c, binary[i].prec);
            mote_tpl_push(c, TPL_W_BINARY, binary[i].prec)->a = binary[i].a;
        }
        return true;
    }
    if (mote_tpl_accept(c, "not")) {
        mote_tpl_expect(c, "in");
        compare(c, TPL_NOT_IN);
        return true;
    }
    bool is_or = mote_tpl_tok_is(c, "or");
    if (!is_or && !mote_tpl_tok_is(c, "and"))
        return false;
    mote_tpl_lex_next(c);
    logical(c, is_or ? TPL_W_OR : TPL_W_AND, is_or ? TPL_P_OR : TPL_P_AND);
    return true;
}

/* "if" and "else"; true: one was read. */
static bool read_condition(tpl_compiler *c, unsigned flags)
{
    tpl_pending *p;
    if (mote_tpl_tok_is(c, "if")) {
        mote_tpl_reduce(c, TPL_P_IF + 1);
        if (tpl_top(c)->op == TPL_W_IF)
            finish(c);
        if (tpl_top(c)->op == TPL_W_TOP && flags & TPL_NO_IF)
            return false;
        int32_t start = tpl_top(c)->start;
        p = mote_tpl_push(c, TPL_W_IF, TPL_P_IF);
        p->start = start;
        p->patch = (int32_t)c->t->n_code;
    } else if (mote_tpl_tok_is(c, "else")) {
        mote_tpl_reduce(c, TPL_P_IF + 1);
        if (tpl_top(c)->op != TPL_W_IF)
            return false;
        p = tpl_top(c);
        p->patch = turn(c, p);
        p->op = TPL_W_ELSE;
        p->start = (int32_t)c->t->n_code;
    } else {
        return false;
    }
    mote_tpl_lex_next(c);
    return true;
}

/* ---- brackets ------------------------------------------------------------------------------- */

/* An element or argument is complete. */
static void end_element(tpl_compiler *c)
{
    tpl_pending *p = tpl_top(c);
    switch (p->op) {
    case TPL_W_TOP:
    case TPL_W_GROUP:
        mote_tpl_emit(c, p->n_args ? TPL_OP_APPEND : TPL_OP_TUPLE1, 0, 0);
        p->op = p->op == TPL_W_GROUP ? TPL_W_TUPLE : TPL_W_TOP;
        p->n_args = 1;
        break;
    case TPL_W_TUPLE:
    case TPL_W_LIST: mote_tpl_emit(c, TPL_OP_APPEND, 0, 0); break;
    case TPL_W_DICT_VALUE:
        mote_tpl_emit(c, TPL_OP_DICT_SET, 0, 0);
        p->op = TPL_W_DICT_KEY;
        break;
    default:
        if (p->n_args + p->n_named == TPL_MAX_ARGS)
            mote_tpl_fail(c->t, MOTE_ERR_UNSUPPORTED, "a call has too many arguments",
                          (mote_text){"", 0});
        else if (p->n_named && !p->named)
            mote_tpl_syntax(c, "an argument without a name stands behind one with a name");
        else if (p->named)
            p->n_named++;
        else
            p->n_args++;
        p->named = false;
    }
    p->start = (int32_t)c->t->n_code;
}

/* ")", "]" or "}" behind an operand, or an empty place; the bracket becomes an operand. */
static void close_bracket(tpl_compiler *c, bool empty)
{
    tpl_pending *p = tpl_top(c);
    if (!empty && p->op != TPL_W_GROUP && p->op != TPL_W_SUBSCRIPT)
        end_element(c);
    c->n_pending--;
    if (p->op == TPL_W_CALL)
        mote_tpl_emit(c, TPL_OP_CALL, p->n_args, p->n_named);
    else if (p->op == TPL_W_FILTER || p->op == TPL_W_TEST)
        mote_tpl_emit_apply(c, p);
    else if (p->op == TPL_W_SUBSCRIPT && !p->n_args)
        mote_tpl_emit(c, TPL_OP_ITEM, 0, 0);
    else if (p->op == TPL_W_SUBSCRIPT) {
        if (p->n_args == 1)
            tpl_emit_const(c, (tpl_value){.kind = TPL_NONE});
        mote_tpl_emit(c, TPL_OP_SLICE, 0, 0);
    }
    mote_tpl_lex_next(c);
}

static bool closes(const tpl_compiler *c, int op)
{
    if (mote_tpl_tok_is(c, ")"))
        return op == TPL_W_GROUP || op == TPL_W_TUPLE || op == TPL_W_CALL || op == TPL_W_FILTER ||
               op == TPL_W_TEST;
    if (mote_tpl_tok_is(c, "]"))
        return op == TPL_W_LIST || op == TPL_W_SUBSCRIPT;
    return op == TPL_W_DICT_VALUE;
}

/* "," ":" and closing brackets; false: the expression ends here. *operand: one is complete
 * behind it */
static bool read_mark(tpl_compiler *c, unsigned flags, bool *operand, bool *postfix)
{
    tpl_pending *p;
    bool comma = mote_tpl_tok_is(c, ","), colon = mote_tpl_tok_is(c, ":");
    if (!comma && !colon && !mote_tpl_tok_is(c, ")") && !mote_tpl_tok_is(c, "]") &&
        !mote_tpl_tok_is(c, "}"))
        return false;
    mote_tpl_reduce(c, TPL_P_IF);
    p = tpl_top(c);
    if (p->op == TPL_W_TOP && (!comma || flags & TPL_NO_TUPLE))
        return false;
    *operand = !comma && !colon;
    if (comma && p->op != TPL_W_DICT_KEY && p->op != TPL_W_SUBSCRIPT) {
        end_element(c);
    } else if (colon && p->op == TPL_W_DICT_KEY) {
        p->op = TPL_W_DICT_VALUE;
        p->start = (int32_t)c->t->n_code;
    } else if (colon && p->op == TPL_W_SUBSCRIPT && p->n_args < 2) {
        p->n_args++;
        p->start = (int32_t)c->t->n_code;
    } else if (*operand && closes(c, p->op)) {
        *postfix = p->op != TPL_W_FILTER && p->op != TPL_W_TEST;
        close_bracket(c, false);
        return true;
    } else {
        mote_tpl_syntax(c, "this does not fit the open bracket");
    }
    mote_tpl_lex_next(c);
    return true;
}

/* What binds to the operand itself; true: something was read. */
static bool read_postfix(tpl_compiler *c, bool *operand, bool *postfix)
{
    if (*postfix && mote_tpl_accept(c, ".")) {
        mote_tpl_read_attribute(c);
    } else if (mote_tpl_tok_is(c, "(") || (*postfix && mote_tpl_tok_is(c, "["))) {
        mote_tpl_push(c, mote_tpl_tok_is(c, "(") ? TPL_W_CALL : TPL_W_SUBSCRIPT, 0);
        mote_tpl_lex_next(c);
        *operand = false;
    } else if (mote_tpl_tok_is(c, "|") || mote_tpl_tok_is(c, "is")) {
        bool filter = mote_tpl_tok_is(c, "|");
        mote_tpl_reduce(c, TPL_P_SIGN);
        mote_tpl_lex_next(c);
        *operand = filter ? !mote_tpl_read_filter(c) : !mote_tpl_read_test(c);
        *postfix = false;
    } else {
        return false;
    }
    return true;
}

/* An operand is wanted; false: a comma was the end of the expression. */
static bool before_operand(tpl_compiler *c, bool *operand, bool *postfix)
{
    tpl_pending *p = tpl_top(c);
    if (p->op == TPL_W_TOP && p->n_args &&
        (c->lex.tok.type == TPL_TOK_END || mote_tpl_tok_is(c, "=")))
        return false;
    *postfix = true;
    if (mote_tpl_close_empty(c)) {
        *postfix = p->op != TPL_W_FILTER && p->op != TPL_W_TEST;
        close_bracket(c, true);
        *operand = true;
    } else {
        *operand = mote_tpl_read_operand(c);
    }
    return true;
}

void mote_tpl_expr(tpl_compiler *c, unsigned flags)
{
    bool operand = false, postfix = true, more = true;
    c->n_pending = 0;
    mote_tpl_push(c, TPL_W_TOP, 0);
    if (flags & TPL_FILTERS_ONLY) {
        operand = !mote_tpl_read_filter(c);
        postfix = false;
    }
    while (more && !c->t->status) {
        if (!operand) {
            more = before_operand(c, &operand, &postfix);
            if (!more)
                return;
        } else if (c->lex.tok.type == TPL_TOK_END) {
            more = false;
        } else if (!read_postfix(c, &operand, &postfix) &&
                   !read_mark(c, flags, &operand, &postfix)) {
            more = read_condition(c, flags) || read_binary(c);
            operand = !more;
        }
    }
    mote_tpl_reduce(c, TPL_P_IF);
    if (tpl_top(c)->op != TPL_W_TOP)
        mote_tpl_syntax(c, "a bracket is still open");
    else if (tpl_top(c)->n_args)
        mote_tpl_emit(c, TPL_OP_APPEND, 0, 0);
}
