/* template_run.c: the machine that runs the code of a chat template. Values of an expression are
 * on a stack; loops, captures, scopes and macro calls are frames on another. Output is a list of
 * pieces (template_value.c); a capture is the pieces since its frame began. Read template_stmt.c
 * first.
 */
#include "tokenizer/template.h"

enum { LOOP, CAPTURE, SCOPE, CALL };

/* ---- stacks --------------------------------------------------------------------------------- */

static void push(tpl *t, tpl_value v)
{
    if (t->n_stack == TPL_MAX_STACK)
        mote_tpl_wrong(t, "the template is nested too deeply");
    else
        t->stack[t->n_stack++] = v;
}

static tpl_value pop(tpl *t)
{
    if (!t->n_stack)
        return (tpl_value){.kind = TPL_NONE};
    return t->stack[--t->n_stack];
}

static tpl_frame *push_frame(tpl *t, int kind)
{
    if (t->n_frames == TPL_MAX_FRAMES) {
        mote_tpl_wrong(t, "the template is nested too deeply");
        return NULL;
    }
    tpl_frame *f = &t->frames[t->n_frames++];
    *f = (tpl_frame){.kind = (uint8_t)kind, .mark = t->n_pieces, .scope = t->scope};
    return f;
}

/* The innermost frame goes; its scope too. */
static tpl_frame pop_frame(tpl *t)
{
    tpl_frame f = t->frames[--t->n_frames];
    t->scope = f.scope;
    return f;
}

/* ---- variables ------------------------------------------------------------------------------ */

static void set_attr(tpl *t, tpl_value name)
{
    tpl_value v = pop(t), space = pop(t);
    if (space.kind != TPL_SPACE)
        mote_tpl_wrong(t, "only attributes of a namespace can be set");
    else if (name.n && name.as.s.p[0] == '_')
        mote_tpl_wrong(t, "names in a namespace must not begin with _");
    else
        mote_tpl_dict_set(t, space.as.dict, name, v);
}

static void unpack(tpl *t, size_t n)
{
    tpl_value v = mote_tpl_iterate(t, pop(t));
    if (t->status)
        return;
    if (mote_tpl_count(v) != n) {
        mote_tpl_wrong(t, "there are not as many values as names");
        return;
    }
    while (n)
        push(t, mote_tpl_item(v, --n));
}

/* ---- loops ---------------------------------------------------------------------------------- */

static void begin_loop(tpl *t, bool keeps)
{
    tpl_value v = mote_tpl_iterate(t, pop(t));
    tpl_loop *loop = mote_tpl_alloc(t, 1, sizeof *loop);
    tpl_frame *f = push_frame(t, LOOP);
    if (!loop || !f || t->status)
        return;
    *loop = (tpl_loop){.seq = v, .n = mote_tpl_count(v)};
    f->loop = loop;
    if (keeps)
        f->kept = mote_tpl_list(t, TPL_GEN).as.list;
}

/* The next item, in a fresh scope; false: there is none. The scope of the round before is used
 * again. */
static bool next_item(tpl *t, size_t end)
{
    tpl_frame *f = &t->frames[t->n_frames - 1];
    f->next = t->pc - 1;
    f->end = end;
    if (f->loop->i == f->loop->n) {
        t->scope = f->scope;
        return false;
    }
    if (t->scope == f->scope) {
        t->scope = mote_tpl_new_scope(t, f->scope);
        if (!t->scope)
            return false;
        t->scope->loop = f->kept ? NULL : f->loop;
    }
    for (tpl_var *v = t->scope->vars; v; v = v->next)
        v->value.kind = TPL_MISSING;
    f->item = mote_tpl_item(f->loop->seq, f->loop->i++);
    push(t, f->item);
    return true;
}

static void keep_item(tpl *t)
{
    const tpl_frame *f = &t->frames[t->n_frames - 1];
    if (mote_tpl_truth(t, pop(t)))
        mote_tpl_append(t, f->kept, f->item);
}

static void end_kept(tpl *t)
{
    tpl_value v = {.kind = TPL_GEN};
    v.as.list = pop_frame(t).kept;
    push(t, v);
}

/* break and continue: what was begun inside the loop is given up. */
static void leave(tpl *t, bool for_good)
{
    while (t->frames[t->n_frames - 1].kind != LOOP) {
        size_t mark = t->frames[t->n_frames - 1].mark;
        if (t->frames[t->n_frames - 1].kind == CAPTURE)
            mote_tpl_take(t, mark);
        pop_frame(t);
    }
    tpl_frame *f = &t->frames[t->n_frames - 1];
    if (for_good)
        t->scope = f->scope;
    t->pc = for_good ? f->end : f->next;
}

static void capture(tpl *t, int kind)
{
    if (push_frame(t, kind))
        t->scope = mote_tpl_new_scope(t, t->scope);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static tpl_value value_at(const tpl *t, size_t at)
{
    tpl_value v;
    memcpy(&v, &t->code[at], sizeof v);
    return v;
}

/* pc is behind the macro's own name. */
static void make_macro(tpl *t, size_t n_params)
{
    tpl_value v = {.kind = TPL_MACRO}, *names = mote_tpl_alloc(t, n_params + 1, sizeof *names);
    v.as.macro = mote_tpl_alloc(t, 1, sizeof *v.as.macro);
    if (t->status)
        return;
    for (size_t i = 0; i <= n_params; i++)
        names[i] = value_at(t, t->pc - TPL_VALUE_INS + i * TPL_VALUE_INS);
    *v.as.macro = (tpl_macro){t->scope, names, n_params, t->pc + n_params * TPL_VALUE_INS};
    mote_tpl_store(t, names[0], v);
}

static void call_macro(tpl *t, const tpl_macro *m, const tpl_args *args)
{
    size_t found = 0;
    tpl_frame *f = push_frame(t, CALL);
    if (!f)
        return;
    f->next = t->pc;
    t->scope = mote_tpl_new_scope(t, m->scope);
    if (args->n > m->n_params)
        mote_tpl_wrong(t, "the macro has fewer parameters");
    for (size_t i = 0; i < m->n_params && !t->status; i++) {
        tpl_value v = {.kind = TPL_MISSING}, name = m->names[i + 1];
        if (i < args->n)
            v = args->v[i];
        for (size_t k = 0; i >= args->n && k < args->n_named; k++)
            if (mote_tpl_same_str(args->v[args->n + 2 * k], name)) {
                v = args->v[args->n + 2 * k + 1];
                found++;
            }
        mote_tpl_store(t, name, v);
    }
    if (found != args->n_named)
        mote_tpl_wrong(t, "the macro has no parameter of this name");
    t->pc = m->entry;
}

/* A parameter without a value: its default follows, if it has one; else it is undefined. */
static bool has_param(tpl *t, tpl_value name)
{
    const tpl_var *v = mote_tpl_find_var(t, t->scope, name);
    return v && v->value.kind != TPL_MISSING;
}

static void call(tpl *t, size_t n, size_t n_named)
{
    size_t all = n + 2 * n_named + 1;
    if (t->n_stack < all)
        return;
    const tpl_value *v = &t->stack[t->n_stack - all];
    tpl_args args = {v + 1, n, n_named};
    t->n_stack -= all;
    if (v[0].kind == TPL_MACRO)
        call_macro(t, v[0].as.macro, &args);
    else
        push(t, mote_tpl_call(t, v[0], &args));
}

/* Filters and tests: x is the id and the number of named arguments. */
static void apply(tpl *t, const tpl_ins *ins)
{
    size_t n_named = (size_t)ins->x >> 8, all = ins->a + 2 * n_named + 1;
    if (t->n_stack < all)
        return;
    const tpl_value *v = &t->stack[t->n_stack - all];
    tpl_args args = {v + 1, ins->a, n_named};
    int id = ins->x & 0xff;
    t->n_stack -= all;
    push(t, ins->op == TPL_OP_FILTER
                ? mote_tpl_apply(t, id, v[0], &args)
                : (tpl_value){.kind = TPL_BOOL, .as.i = mote_tpl_test(t, id, v[0], &args)});
}

static void end_call(tpl *t)
{
    tpl_value text = mote_tpl_take(t, t->frames[t->n_frames - 1].mark);
    tpl_frame f = pop_frame(t);
    if (f.kind == CALL)
        t->pc = f.next;
    push(t, text);
}

/* ---- instructions --------------------------------------------------------------------------- */

static void compare(tpl *t, const tpl_ins *ins)
{
    tpl_value b = pop(t), a = pop(t);
    bool holds = mote_tpl_compare(t, ins->a, a, b);
    tpl_value v = {.kind = TPL_BOOL, .as.i = holds};
    if (ins->op == TPL_OP_CMP || !holds) {
        push(t, v);
        if (ins->op == TPL_OP_CHAIN)
            t->pc += (size_t)ins->x - 1;
    } else {
        push(t, b);
    }
}

/* Instructions with a value behind them, which pc is behind now. */
static void run_named(tpl *t, const tpl_ins *ins, tpl_value v)
{
    size_t at = t->pc - TPL_VALUE_INS - 1;
    switch (ins->op) {
    case TPL_OP_CONST: push(t, v); return;
    case TPL_OP_TEXT: mote_tpl_put(t, v); return;
    case TPL_OP_NAME: push(t, mote_tpl_load(t, v)); return;
    case TPL_OP_ATTR: push(t, mote_tpl_attr(t, pop(t), v)); return;
    case TPL_OP_STORE: mote_tpl_store(t, v, pop(t)); return;
    case TPL_OP_SET_ATTR: set_attr(t, v); return;
    case TPL_OP_DEFAULT: t->pc = has_param(t, v) ? at + (size_t)ins->x : t->pc; return;
    case TPL_OP_MACRO:
        make_macro(t, ins->a);
        t->pc = at + (size_t)ins->x;
        return;
    default:
        mote_tpl_fail(t, MOTE_ERR_UNSUPPORTED,
                      ins->a ? "this filter is not supported" : "this test is not supported",
                      (mote_text){v.as.s.p, v.n});
    }
}

static void run_value(tpl *t, const tpl_ins *ins)
{
    tpl_value a = pop(t), b, part[3];
    switch (ins->op) {
    case TPL_OP_PRINT: mote_tpl_put(t, mote_tpl_to_str(t, a)); return;
    case TPL_OP_ITEM: push(t, mote_tpl_index(t, pop(t), a)); return;
    case TPL_OP_SLICE:
        part[2] = a;
        part[1] = pop(t);
        part[0] = pop(t);
        push(t, mote_tpl_slice(t, pop(t), part));
        return;
    case TPL_OP_NOT: push(t, (tpl_value){.kind = TPL_BOOL, .as.i = !mote_tpl_truth(t, a)}); return;
    case TPL_OP_NEG: push(t, mote_tpl_negate(t, a)); return;
    case TPL_OP_POS: push(t, mote_tpl_negate(t, mote_tpl_negate(t, a))); return;
    case TPL_OP_BINARY: push(t, mote_tpl_binary(t, ins->a, pop(t), a)); return;
    case TPL_OP_TUPLE1:
        b = mote_tpl_list(t, TPL_TUPLE);
        mote_tpl_append(t, b.as.list, a);
        push(t, b);
        return;
    case TPL_OP_APPEND:
        b = pop(t);
        mote_tpl_append(t, b.as.list, a);
        push(t, b);
        return;
    default: /* TPL_OP_DICT_SET */
        part[0] = pop(t);
        b = pop(t);
        mote_tpl_dict_set(t, b.as.dict, part[0], a);
        push(t, b);
    }
}

/* "and", "or" and if: the value stays when it decides. */
static void run_branch(tpl *t, const tpl_ins *ins)
{
    tpl_value v = pop(t);
    bool truth = mote_tpl_truth(t, v), jump = ins->op == TPL_OP_OR ? truth : !truth;
    if (jump)
        t->pc += (size_t)ins->x - 1;
    if (jump && ins->op != TPL_OP_JUMP_FALSE)
        push(t, v);
}

/* a: the end of a round of a loop. */
static void jump(tpl *t, const tpl_ins *ins)
{
    if (ins->a)
        t->frames[t->n_frames - 1].loop->finished = true;
    t->pc = (size_t)((ptrdiff_t)t->pc + ins->x - 1);
}

static void run_block(tpl *t, const tpl_ins *ins)
{
    switch (ins->op) {
    case TPL_OP_UNPACK: unpack(t, ins->a); return;
    case TPL_OP_EACH: begin_loop(t, ins->a); return;
    case TPL_OP_NEXT:
        if (!next_item(t, t->pc + (size_t)ins->x - 1))
            t->pc += (size_t)ins->x - 1;
        return;
    case TPL_OP_KEEP: keep_item(t); return;
    case TPL_OP_KEPT: end_kept(t); return;
    case TPL_OP_END_LOOP: t->pc += pop_frame(t).loop->finished ? (size_t)ins->x - 1 : 0; return;
    case TPL_OP_BREAK: leave(t, true); return;
    case TPL_OP_CONTINUE: leave(t, false); return;
    case TPL_OP_CAPTURE: capture(t, CAPTURE); return;
    case TPL_OP_SCOPE: capture(t, SCOPE); return;
    case TPL_OP_END_SCOPE: pop_frame(t); return;
    default: end_call(t); /* TPL_OP_END_CAPTURE, TPL_OP_RETURN */
    }
}

static void run_one(tpl *t, const tpl_ins *ins)
{
    switch (ins->op) {
    case TPL_OP_JUMP: jump(t, ins); return;
    case TPL_OP_JUMP_FALSE:
    case TPL_OP_AND:
    case TPL_OP_OR: run_branch(t, ins); return;
    case TPL_OP_CMP:
    case TPL_OP_CHAIN: compare(t, ins); return;
    case TPL_OP_CALL: call(t, ins->a, (size_t)ins->x); return;
    case TPL_OP_FILTER:
    case TPL_OP_TEST: apply(t, ins); return;
    case TPL_OP_LIST: push(t, mote_tpl_list(t, (tpl_kind)ins->a)); return;
    case TPL_OP_DICT: push(t, mote_tpl_dict(t, TPL_DICT)); return;
    default:
        if (ins->op <= TPL_OP_MACRO) {
            t->pc += TPL_VALUE_INS;
            run_named(t, ins, value_at(t, t->pc - TPL_VALUE_INS));
        } else if (ins->op >= TPL_OP_UNPACK) {
            run_block(t, ins);
        } else {
            run_value(t, ins);
        }
    }
}

void mote_tpl_run(tpl *t)
{
    while (!t->status && t->code[t->pc].op != TPL_OP_END) {
        tpl_ins ins = t->code[t->pc++];
        t->line = ins.line;
        mote_tpl_work(t, 1);
        run_one(t, &ins);
    }
}
