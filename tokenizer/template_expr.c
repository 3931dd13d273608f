/* template_expr.c: expressions of chat templates to code, in one pass with a stack of operators that
 * wait for their right side and of brackets that are open. Code of an expression leaves one value.
 * Read template_lex.c first.
 *
 * "A if C else B" runs C first: the code of A, already there, is moved behind that of C. All jumps are
 * relative, so that code can be moved.
 */
#include "tokenizer/template.h"

/* What waits. Brackets have the precedence 0. */
enum {
    TOP,
    GROUP,
    TUPLE,
    LIST,
    DICT_KEY,
    DICT_VALUE,
    CALL,
    FILTER,
    TEST,
    SUBSCRIPT, /* brackets */
    IF,
    ELSE,
    OR,
    AND,
    NOT,
    COMPARE,
    BINARY,
    SIGN,
    TEST_ARG
};

enum { P_IF = 1, P_OR, P_AND, P_NOT, P_COMPARE, P_ADD, P_CAT, P_MUL, P_POW, P_SIGN, P_TEST };

static tpl_pending *top(const tpl_compiler *c) { return &c->pending[c->n_pending - 1]; }

static tpl_pending *push(tpl_compiler *c, int op, int prec)
{
    if (c->n_pending == TPL_MAX_PENDING) {
        mote_tpl_fail(c->t, MOTE_ERR_UNSUPPORTED, "the expression is nested too deeply",
                      (mote_text){"", 0});
        return top(c);
    }
    tpl_pending *p = &c->pending[c->n_pending++];
    *p = (tpl_pending){.op = (uint8_t)op, .prec = (uint8_t)prec, .patch = -1};
    p->line = (uint16_t)(c->lex.line < UINT16_MAX ? c->lex.line : UINT16_MAX);
    p->start = (int32_t)c->t->n_code;
    return p;
}

static void emit_const(tpl_compiler *c, tpl_value v)
{
    mote_tpl_emit_value(c, TPL_OP_CONST, 0, 0, v);
}

static tpl_value text_value(mote_text s)
{
    tpl_value v = {.kind = TPL_STR, .n = (uint32_t)s.bytes};
    v.as.s.p = s.ptr;
    return v;
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
    tpl_pending p = *top(c);
    c->n_pending--;
    switch (p.op) {
    case IF: {
        int32_t jump = turn(c, &p);
        emit_const(c, (tpl_value){.kind = TPL_UNDEF, .as.s = {"", NULL}});
        mote_tpl_patch(c, jump);
        return;
    }
    case ELSE:
    case OR:
    case AND: mote_tpl_patch(c, p.patch); return;
    case NOT: mote_tpl_emit(c, TPL_OP_NOT, 0, 0); return;
    case COMPARE:
        mote_tpl_emit(c, TPL_OP_CMP, p.a, 0);
        patch_chain(c, p.patch);
        return;
    case BINARY: mote_tpl_emit(c, TPL_OP_BINARY, p.a, 0); return;
    case SIGN: mote_tpl_emit(c, p.a == '-' ? TPL_OP_NEG : TPL_OP_POS, 0, 0); return;
    default: /* TEST_ARG */
        mote_tpl_emit(c, TPL_OP_TEST, 1, p.id);
        if (p.a)
            mote_tpl_emit(c, TPL_OP_NOT, 0, 0);
    }
}

/* Finishes operators that bind at least as strongly as prec. */
static void reduce(tpl_compiler *c, int prec)
{
    while (!c->t->status && top(c)->prec >= prec && top(c)->prec)
        finish(c);
}

/* ---- operands ------------------------------------------------------------------------------- */

static void emit_name(tpl_compiler *c, mote_text name)
{
    tpl_value v = {.kind = TPL_NONE};
    if (mote_tpl_is(name, "true") || mote_tpl_is(name, "True"))
        v = (tpl_value){.kind = TPL_BOOL, .as.i = 1};
    else if (mote_tpl_is(name, "false") || mote_tpl_is(name, "False"))
        v = (tpl_value){.kind = TPL_BOOL};
    else if (!mote_tpl_is(name, "none") && !mote_tpl_is(name, "None")) {
        mote_tpl_emit_value(c, TPL_OP_NAME, 0, 0, text_value(name));
        return;
    }
    emit_const(c, v);
}

/* One string, or several in a row. */
static void read_strings(tpl_compiler *c)
{
    for (bool more = false; c->lex.tok.type == TPL_TOK_STR && !c->t->status; more = true) {
        emit_const(c, mote_tpl_unescape(c, c->lex.tok.text));
        if (more)
            mote_tpl_emit(c, TPL_OP_BINARY, '+', 0);
        mote_tpl_lex_next(c);
    }
}

/* ")" "]" "}" where an operand could begin: an empty bracket, or one with a comma at its end. */
static bool close_empty(tpl_compiler *c)
{
    tpl_pending *p = top(c);
    bool closes = (mote_tpl_tok_is(c, ")") && (p->op == GROUP || p->op == TUPLE || p->op == CALL ||
                                               p->op == FILTER || p->op == TEST)) ||
                  (mote_tpl_tok_is(c, "]") && p->op == LIST) ||
                  (mote_tpl_tok_is(c, "}") && p->op == DICT_KEY);
    if (!closes || p->named)
        return false;
    if (p->op == GROUP)
        mote_tpl_emit(c, TPL_OP_LIST, TPL_TUPLE, 0);
    return true;
}

static void open_bracket(tpl_compiler *c, int op)
{
    if (op == LIST)
        mote_tpl_emit(c, TPL_OP_LIST, TPL_LIST, 0);
    if (op == DICT_KEY)
        mote_tpl_emit(c, TPL_OP_DICT, 0, 0);
    push(c, op, 0);
    mote_tpl_lex_next(c);
}

/* NAME = before an argument; its name becomes a constant. */
static void read_arg_name(tpl_compiler *c)
{
    tpl_pending *p = top(c);
    tpl_lex before = c->lex;
    if ((p->op != CALL && p->op != FILTER && p->op != TEST) || p->named)
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
        emit_const(c, text_value(name));
        p->named = true;
    } else {
        c->lex = before;
    }
}

/* Reads an operand, or what stands before one; true: an operand is complete. */
static bool read_operand(tpl_compiler *c)
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
            push(c, NOT, P_NOT);
        return !mote_tpl_is(k.text, "not");
    case TPL_TOK_OP:
        if (k.op == '(' || k.op == '[' || k.op == '{') {
            open_bracket(c, k.op == '(' ? GROUP : k.op == '[' ? LIST : DICT_KEY);
            return false;
        }
        if (k.op == '-' || k.op == '+') {
            push(c, SIGN, P_SIGN)->a = (uint8_t)k.op;
            mote_tpl_lex_next(c);
            return false;
        }
        if (top(c)->op == SUBSCRIPT && (k.op == ':' || (k.op == ']' && top(c)->n_args))) {
            emit_const(c, v); /* an end of a slice that is left out */
            return true;
        }
        /* fallthrough */
    default: mote_tpl_syntax(c, "a value was expected here"); return true;
    }
    emit_const(c, v);
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

/* A filter or test with its arguments on the stack; one that is not known fails when it is reached. */
static void emit_apply(tpl_compiler *c, const tpl_pending *p)
{
    if (p->id < 0)
        mote_tpl_emit_value(c, TPL_OP_FAIL, p->op == FILTER, 0, text_value(p->name));
    else
        mote_tpl_emit(c, p->op == FILTER ? TPL_OP_FILTER : TPL_OP_TEST, p->n_args,
                      p->id | p->n_named << 8);
    if (p->op == TEST && p->a)
        mote_tpl_emit(c, TPL_OP_NOT, 0, 0);
}

/* Behind "|"; true: a bracket was opened. */
static bool read_filter(tpl_compiler *c)
{
    tpl_pending p = {.op = FILTER, .name = dotted_name(c)};
    p.id = mote_tpl_filter_id(p.name);
    if (!mote_tpl_tok_is(c, "(")) {
        emit_apply(c, &p);
        return false;
    }
    tpl_pending *q = push(c, FILTER, 0);
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
static bool read_test(tpl_compiler *c)
{
    tpl_pending p = {.op = TEST};
    p.a = mote_tpl_accept(c, "not");
    p.name = dotted_name(c);
    p.id = mote_tpl_test_id(p.name);
    bool bracket = mote_tpl_tok_is(c, "(");
    if (!bracket && (p.id < 0 || !begins_test_arg(c))) {
        emit_apply(c, &p);
        return false;
    }
    tpl_pending *q = push(c, bracket ? TEST : TEST_ARG, bracket ? 0 : P_TEST);
    q->a = p.a;
    q->id = p.id;
    q->name = p.name;
    if (bracket)
        mote_tpl_lex_next(c);
    return true;
}

static bool read_attribute(tpl_compiler *c)
{
    tpl_token k = c->lex.tok;
    if (k.type == TPL_TOK_INT) {
        emit_const(c, (tpl_value){.kind = TPL_INT, .as.i = k.i});
        mote_tpl_emit(c, TPL_OP_ITEM, 0, 0);
    } else if (k.type == TPL_TOK_NAME) {
        mote_tpl_emit_value(c, TPL_OP_ATTR, 0, 0, text_value(k.text));
    } else {
        mote_tpl_syntax(c, "a name was expected here");
    }
    mote_tpl_lex_next(c);
    return false;
}

static void compare(tpl_compiler *c, int cmp)
{
    tpl_pending *p;
    reduce(c, P_COMPARE + 1);
    p = top(c);
    if (p->op == COMPARE) {
        int32_t at = (int32_t)mote_tpl_emit(c, TPL_OP_CHAIN, p->a, p->patch);
        p->patch = at;
    } else {
        p = push(c, COMPARE, P_COMPARE);
    }
    p->a = (uint8_t)cmp;
}

static void logical(tpl_compiler *c, int op, int prec)
{
    reduce(c, prec);
    int32_t at = (int32_t)mote_tpl_emit(c, op == OR ? TPL_OP_OR : TPL_OP_AND, 0, 0);
    push(c, op, prec)->patch = at;
}

/* Binary operators; true: one was read. */
static bool read_binary(tpl_compiler *c)
{
    static const struct {
        const char *text;
        uint8_t prec, a;
    } binary[] = {{"+", P_ADD, '+'}, {"-", P_ADD, '-'},  {"~", P_CAT, '~'}, {"*", P_MUL, '*'},
                  {"/", P_MUL, '/'}, {"//", P_MUL, 'd'}, {"%", P_MUL, '%'}, {"**", P_POW, 'p'},
                  {"==", 0, TPL_EQ}, {"!=", 0, TPL_NE},  {"<", 0, TPL_LT},  {"<=", 0, TPL_LE},
                  {">", 0, TPL_GT},  {">=", 0, TPL_GE},  {"in", 0, TPL_IN}};
    for (size_t i = 0; i < sizeof binary / sizeof *binary; i++) {
        if (!mote_tpl_accept(c, binary[i].text))
            continue;
        if (!binary[i].prec) {
            compare(c, binary[i].a);
        } else {
            reduce(c, binary[i].prec);
            push(c, BINARY, binary[i].prec)->a = binary[i].a;
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
    logical(c, is_or ? OR : AND, is_or ? P_OR : P_AND);
    return true;
}

/* "if" and "else"; true: one was read. */
static bool read_condition(tpl_compiler *c, unsigned flags)
{
    tpl_pending *p;
    if (mote_tpl_tok_is(c, "if")) {
        reduce(c, P_IF + 1);
        if (top(c)->op == IF)
            finish(c);
        if (top(c)->op == TOP && flags & TPL_NO_IF)
            return false;
        int32_t start = top(c)->start;
        p = push(c, IF, P_IF);
        p->start = start;
        p->patch = (int32_t)c->t->n_code;
    } else if (mote_tpl_tok_is(c, "else")) {
        reduce(c, P_IF + 1);
        if (top(c)->op != IF)
            return false;
        p = top(c);
        p->patch = turn(c, p);
        p->op = ELSE;
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
    tpl_pending *p = top(c);
    switch (p->op) {
    case TOP:
    case GROUP:
        mote_tpl_emit(c, p->n_args ? TPL_OP_APPEND : TPL_OP_TUPLE1, 0, 0);
        p->op = p->op == GROUP ? TUPLE : TOP;
        p->n_args = 1;
        break;
    case TUPLE:
    case LIST: mote_tpl_emit(c, TPL_OP_APPEND, 0, 0); break;
    case DICT_VALUE:
        mote_tpl_emit(c, TPL_OP_DICT_SET, 0, 0);
        p->op = DICT_KEY;
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
    tpl_pending *p = top(c);
    if (!empty && p->op != GROUP && p->op != SUBSCRIPT)
        end_element(c);
    c->n_pending--;
    if (p->op == CALL)
        mote_tpl_emit(c, TPL_OP_CALL, p->n_args, p->n_named);
    else if (p->op == FILTER || p->op == TEST)
        emit_apply(c, p);
    else if (p->op == SUBSCRIPT && !p->n_args)
        mote_tpl_emit(c, TPL_OP_ITEM, 0, 0);
    else if (p->op == SUBSCRIPT) {
        if (p->n_args == 1)
            emit_const(c, (tpl_value){.kind = TPL_NONE});
        mote_tpl_emit(c, TPL_OP_SLICE, 0, 0);
    }
    mote_tpl_lex_next(c);
}

static bool closes(const tpl_compiler *c, int op)
{
    if (mote_tpl_tok_is(c, ")"))
        return op == GROUP || op == TUPLE || op == CALL || op == FILTER || op == TEST;
    if (mote_tpl_tok_is(c, "]"))
        return op == LIST || op == SUBSCRIPT;
    return op == DICT_VALUE;
}

/* "," ":" and closing brackets; false: the expression ends here. *operand: one is complete behind it */
static bool read_mark(tpl_compiler *c, unsigned flags, bool *operand, bool *postfix)
{
    tpl_pending *p;
    bool comma = mote_tpl_tok_is(c, ","), colon = mote_tpl_tok_is(c, ":");
    if (!comma && !colon && !mote_tpl_tok_is(c, ")") && !mote_tpl_tok_is(c, "]") &&
        !mote_tpl_tok_is(c, "}"))
        return false;
    reduce(c, P_IF);
    p = top(c);
    if (p->op == TOP && (!comma || flags & TPL_NO_TUPLE))
        return false;
    *operand = !comma && !colon;
    if (comma && p->op != DICT_KEY && p->op != SUBSCRIPT) {
        end_element(c);
    } else if (colon && p->op == DICT_KEY) {
        p->op = DICT_VALUE;
        p->start = (int32_t)c->t->n_code;
    } else if (colon && p->op == SUBSCRIPT && p->n_args < 2) {
        p->n_args++;
        p->start = (int32_t)c->t->n_code;
    } else if (*operand && closes(c, p->op)) {
        *postfix = p->op != FILTER && p->op != TEST;
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
        read_attribute(c);
    } else if (mote_tpl_tok_is(c, "(") || (*postfix && mote_tpl_tok_is(c, "["))) {
        push(c, mote_tpl_tok_is(c, "(") ? CALL : SUBSCRIPT, 0);
        mote_tpl_lex_next(c);
        *operand = false;
    } else if (mote_tpl_tok_is(c, "|") || mote_tpl_tok_is(c, "is")) {
        bool filter = mote_tpl_tok_is(c, "|");
        reduce(c, P_SIGN);
        mote_tpl_lex_next(c);
        *operand = filter ? !read_filter(c) : !read_test(c);
        *postfix = false;
    } else {
        return false;
    }
    return true;
}

/* An operand is wanted; false: a comma was the end of the expression. */
static bool before_operand(tpl_compiler *c, bool *operand, bool *postfix)
{
    tpl_pending *p = top(c);
    if (p->op == TOP && p->n_args && (c->lex.tok.type == TPL_TOK_END || mote_tpl_tok_is(c, "=")))
        return false;
    *postfix = true;
    if (close_empty(c)) {
        *postfix = p->op != FILTER && p->op != TEST;
        close_bracket(c, true);
        *operand = true;
    } else {
        *operand = read_operand(c);
    }
    return true;
}

void mote_tpl_expr(tpl_compiler *c, unsigned flags)
{
    bool operand = false, postfix = true, more = true;
    c->n_pending = 0;
    push(c, TOP, 0);
    if (flags & TPL_FILTERS_ONLY) {
        operand = !read_filter(c);
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
    reduce(c, P_IF);
    if (top(c)->op != TOP)
        mote_tpl_syntax(c, "a bracket is still open");
    else if (top(c)->n_args)
        mote_tpl_emit(c, TPL_OP_APPEND, 0, 0);
}
