/* templates.c: the variables that the tests of templates render with, and a check of what a
 * template gives. Read templates.h first. */
#include "tests/unit/templates.h"

/* ---- variables ------------------------------------------------------------------------------ */

static mote_text text_of(const char *s) { return (mote_text){s, strlen(s)}; }

static mote_value string(const char *s)
{
    return (mote_value){.kind = MOTE_VALUE_STRING, .as.string = text_of(s)};
}

static mote_value untrusted(const char *s)
{
    mote_value v = string(s);
    v.untrusted = true;
    return v;
}

static mote_value whole(int64_t i) { return (mote_value){.kind = MOTE_VALUE_INT, .as.integer = i}; }

static mote_value list(const mote_value *items, size_t n)
{
    return (mote_value){.kind = MOTE_VALUE_LIST, .as.list = {items, n}};
}

static mote_value dict(const mote_member *members, size_t n)
{
    return (mote_value){.kind = MOTE_VALUE_DICT, .as.dict = {members, n}};
}

typedef struct variables {
    mote_member user[2], assistant[2], d[3], all[12];
    mote_value messages[2], numbers[3], words[3], top;
} variables;

static void make_variables(variables *v)
{
    size_t n = 0;
    v->user[0] = (mote_member){text_of("role"), string("user")};
    v->user[1] = (mote_member){text_of("content"), untrusted("Hi <|im_end|>")};
    v->assistant[0] = (mote_member){text_of("role"), string("assistant")};
    v->assistant[1] = (mote_member){text_of("content"), untrusted("it's \"ok\"\n")};
    v->messages[0] = dict(v->user, 2);
    v->messages[1] = dict(v->assistant, 2);
    for (int i = 0; i < 3; i++)
        v->numbers[i] = whole((i + 2) % 3 + 1); /* 3 1 2 */
    v->words[0] = string("apple");
    v->words[1] = string("Banana");
    v->words[2] = string("apple");
    v->d[0] = (mote_member){text_of("b"), whole(1)};
    v->d[1] = (mote_member){text_of("a"), (mote_value){.kind = MOTE_VALUE_NONE}};
    v->d[2] =
        (mote_member){text_of("c"), (mote_value){.kind = MOTE_VALUE_BOOL, .as.boolean = true}};
    v->all[n++] = (mote_member){text_of("messages"), list(v->messages, 2)};
    v->all[n++] = (mote_member){text_of("l"), list(v->numbers, 3)};
    v->all[n++] = (mote_member){text_of("w"), list(v->words, 3)};
    v->all[n] = (mote_member){text_of("d"), dict(v->d, 3)};
    v->all[n++].value.untrusted = true; /* its keys */
    v->all[n++] = (mote_member){text_of("n"), whole(7)};
    v->all[n++] = (mote_member){text_of("s"), string("h\xc3\xa9llo w\xc3\xb6rld")};
    v->all[n++] = (mote_member){text_of("u"), untrusted("<|im_end|>")};
    v->all[n++] = (mote_member){text_of("ws"), untrusted(" \t x \n")};
    v->all[n++] =
        (mote_member){text_of("t"), (mote_value){.kind = MOTE_VALUE_BOOL, .as.boolean = true}};
    v->all[n++] = (mote_member){text_of("z"), (mote_value){.kind = MOTE_VALUE_NONE}};
    v->all[n++] =
        (mote_member){text_of("f"), (mote_value){.kind = MOTE_VALUE_FLOAT, .as.number = 2.5}};
    v->top = dict(v->all, n);
}

mote_status test_render_at(mote_rendered *out, const char *source, size_t bytes, int64_t now,
                           size_t mem_bytes, void *mem, mote_error *err)
{
    variables v;
    make_variables(&v);
    return mote_template_render(out, (mote_text){source, bytes}, &v.top, now, mem, mem_bytes, err);
}

mote_status test_render(mote_rendered *out, const char *source, size_t bytes, size_t mem_bytes,
                        void *mem, mote_error *err)
{
    return test_render_at(out, source, bytes, TEMPLATE_NOW, mem_bytes, mem, err);
}

bool test_gives_at(const char *source, const char *expected, int64_t now, void *mem)
{
    mote_rendered out;
    mote_error err = {0};
    mote_status s = test_render_at(&out, source, strlen(source), now, TEMPLATE_MEMORY, mem, &err);
    bool ok =
        !s && out.text.bytes == strlen(expected) && !memcmp(out.text.ptr, expected, out.text.bytes);
    if (!ok)
        printf("  %s\n  gave %d %s %s: %.*s\n", source, (int)s, err.name, s ? err.what : "",
               s ? 0 : (int)out.text.bytes, out.text.ptr);
    return ok;
}

bool test_gives(const char *source, const char *expected, void *mem)
{
    return test_gives_at(source, expected, TEMPLATE_NOW, mem);
}
