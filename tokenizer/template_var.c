/* template_var.c: variables of chat templates. A scope looks into those around it, then into the
 * caller's variables, then among the global functions.
 */
#include "tokenizer/template.h"

tpl_scope *mote_tpl_new_scope(tpl *t, tpl_scope *parent)
{
    tpl_scope *s = mote_tpl_alloc(t, 1, sizeof *s);
    if (s)
        *s = (tpl_scope){.parent = parent};
    return s;
}

tpl_var *mote_tpl_find_var(tpl *t, const tpl_scope *s, tpl_value name)
{
    for (tpl_var *v = s->vars; v; v = v->next) {
        mote_tpl_work(t, 1);
        if (v->name.bytes == name.n && memcmp(v->name.ptr, name.as.s.p, name.n) == 0)
            return v;
    }
    return NULL;
}

void mote_tpl_store(tpl *t, tpl_value name, tpl_value value)
{
    tpl_var *v = mote_tpl_find_var(t, t->scope, name);
    if (!v) {
        v = mote_tpl_alloc(t, 1, sizeof *v);
        if (!v)
            return;
        *v = (tpl_var){.next = t->scope->vars, .name = {name.as.s.p, name.n}};
        t->scope->vars = v;
    }
    v->value = value;
}

tpl_value mote_tpl_load(tpl *t, tpl_value name)
{
    tpl_value v = {.kind = TPL_UNDEF, .n = name.n, .as.s = {name.as.s.p, NULL}}, vars;
    mote_text text = {name.as.s.p, name.n};
    bool loop = mote_tpl_is(text, "loop");
    for (const tpl_scope *s = t->scope; s; s = s->parent) {
        const tpl_var *var = mote_tpl_find_var(t, s, name);
        if (var && var->value.kind != TPL_MISSING)
            return var->value;
        if (loop && s->loop)
            return (tpl_value){.kind = TPL_LOOP, .as.loop = s->loop};
    }
    vars = mote_tpl_import(t->vars);
    if (!mote_tpl_dict_get(t, vars, name, &v))
        mote_tpl_global(text, &v);
    return v;
}
