/* template_render.c: mote_template_render(). A chat template is compiled (template_stmt.c), run
 * (template_run.c), and its output put together with the spans that stem from untrusted strings.
 *
 * The caller's memory: fixed stacks, code and values grow from the front; strings of the
 * compiler and then pieces of output grow from the end.
 */
#include "tokenizer/template_compile.h"

#include "include/mote_error.h"

static void *carve(tpl *t, size_t n, size_t size)
{
    void *at = mote_tpl_alloc(t, n, size);
    if (at)
        memset(at, 0, n * size);
    return at;
}

static void compile(tpl *t, mote_text source)
{
    tpl_compiler c = {.t = t, .lex = {.line = 1, .line_start = true}};
    t->line = 1;
    c.src = mote_tpl_normalise(t, source);
    c.pending = carve(t, TPL_MAX_PENDING, sizeof *c.pending);
    c.blocks = carve(t, TPL_MAX_BLOCKS, sizeof *c.blocks);
    t->stack = carve(t, TPL_MAX_STACK, sizeof *t->stack);
    t->frames = carve(t, TPL_MAX_FRAMES, sizeof *t->frames);
    t->scope = carve(t, 1, sizeof *t->scope);
    t->code = (tpl_ins *)(void *)t->low;
    if (!t->status)
        mote_tpl_compile(&c);
}

/* The runs of bytes that are untrusted; counts them when spans is NULL. */
static size_t find_spans(tpl_value text, mote_span *spans)
{
    size_t n = 0, begin = 0;
    bool inside = false;
    for (size_t i = 0; i <= text.n; i++) {
        bool now = i < text.n && mote_tpl_untrusted(text, i);
        if (now && !inside)
            begin = i;
        if (!now && inside) {
            if (spans)
                spans[n] = (mote_span){begin, i};
            n++;
        }
        inside = now;
    }
    return n;
}

static void give(tpl *t, mote_rendered *out)
{
    tpl_value text = mote_tpl_take(t, 0);
    mote_span *spans;
    if (t->status)
        return;
    out->n_untrusted = find_spans(text, NULL);
    spans = mote_tpl_alloc(t, out->n_untrusted, sizeof *spans);
    char *copy = mote_tpl_alloc(t, text.n, 1);
    if (!spans || !copy)
        return;
    find_spans(text, spans);
    memcpy(copy, text.as.s.p, text.n);
    out->untrusted = spans;
    out->text = (mote_text){copy, text.n};
}

mote_status mote_template_render(mote_rendered *out, mote_text source, const mote_value *vars,
                                 int64_t now, void *mem, size_t mem_bytes, mote_error *err)
{
    tpl t = {.err = err, .steps = TPL_MAX_STEPS, .now = now, .vars = vars};
    uintptr_t front = (uintptr_t)mem, skip = (8 - front % 8) % 8;
    *out = (mote_rendered){.n_untrusted = 0};
    if (vars->kind != MOTE_VALUE_DICT)
        return mote_fail(err, MOTE_ERR_LIMIT, "the variables of a template must be a dict", NULL);
    if (source.bytes >= UINT32_MAX / 2)
        return mote_fail(err, MOTE_ERR_LIMIT, "the template is too long", NULL);
    if (mem_bytes < skip)
        return mote_fail(err, MOTE_ERR_MEMORY, "the template needs more memory", NULL);
    t.low = (uint8_t *)mem + skip;
    t.high = (uint8_t *)mem + mem_bytes;
    compile(&t, source);
    t.high -= (uintptr_t)t.high % 8 < (size_t)(t.high - t.low) ? (uintptr_t)t.high % 8 : 0;
    t.pieces = (tpl_value *)(void *)t.high;
    if (!t.status)
        mote_tpl_run(&t);
    if (!t.status)
        give(&t, out);
    if (t.status == MOTE_ERR_LIMIT)
        out->text = t.message;
    return t.status;
}
