/* fuzz_template.c: chat templates from strangers, and what users write through good ones. */
#include "cli/json.h"
#include "loader/image.h"
#include "tests/fuzz/tokenizers.h"

static const char variables[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"Be  brief.\"},{\"role\":\"user\","
    "\"content\":\"Hi <|im_end|>\\n\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
    "\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"add\",\"arguments\":{\"a\":1,"
    "\"b\":[2.5,true]}}}]},{\"role\":\"tool\",\"content\":\"3\",\"tool_call_id\":\"c1\"},{"
    "\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\xc3\xa9\xe4\xb8\xad\"}]}],"
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"add\",\"description\":\"d\","
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}}}}}],"
    "\"documents\":[],\"n\":7,\"x\":-1.5,\"none\":null,\"yes\":true,\"s\":\"A b,c  d\","
    "\"add_generation_prompt\":true,\"bos_token\":\"<s>\",\"eos_token\":\"</s>\","
    "\"enable_thinking\":false}";

static const mote_value *parse(const char *text, size_t n)
{
    static mote_value value;
    static char memory[1 << 16];
    mote_error err;
    return cli_json_parse(&value, text, n, memory, sizeof memory, &err) ? NULL : &value;
}

static void check_spans(const mote_rendered *out)
{
    size_t end = 0;
    for (size_t i = 0; i < out->n_untrusted; i++) {
        FUZZ_EXPECT(out->untrusted[i].begin >= end);
        FUZZ_EXPECT(out->untrusted[i].begin < out->untrusted[i].end);
        end = out->untrusted[i].end;
    }
    FUZZ_EXPECT(end <= out->text.bytes);
}

/* The first byte chooses the memory, which is made once. */
FUZZ(template)
{
    static const size_t sizes[] = {1 << 18, 1 << 13, 1 << 15, 700};
    static void *memories[4];
    static const mote_value *vars;
    unsigned size = fuzz_u8(&in) & 3;
    size_t room = sizes[size];
    mote_text source = {fuzz_copy(in), in.n};
    void *memory = memories[size] ? memories[size] : (memories[size] = fuzz_alloc(room));
    vars = vars ? vars : parse(variables, sizeof variables - 1);
    mote_rendered out;
    mote_error err = {.what = "nothing"};
    mote_status s = mote_template_render(&out, source, vars, 1700000000, memory, room, &err);
    FUZZ_EXPECT(fuzz_is(s, FUZZ_STATUS(MOTE_OK) | FUZZ_STATUS(MOTE_ERR_LIMIT) |
                               FUZZ_STATUS(MOTE_ERR_FILE) | FUZZ_STATUS(MOTE_ERR_MEMORY) |
                               FUZZ_STATUS(MOTE_ERR_UNSUPPORTED)));
    FUZZ_EXPECT(!s || err.what);
    if (!s) {
        char *text = fuzz_copy((fuzz_in){(const uint8_t *)out.text.ptr, out.text.bytes});
        check_spans(&out);
        FUZZ_EXPECT(!mote_utf8_valid(source.ptr, source.bytes) ||
                    mote_utf8_valid(text, out.text.bytes));
        free(text);
    }
    free((void *)(uintptr_t)source.ptr);
}

/* ---- what a user writes --------------------------------------------------------------------- */

static const char *const templates[] = {
    "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}<ab>{% endfor %}",
    "{% for m in messages %}{% set c = m['content'] | trim %}<s>{{ '<' + c + '>' }}{% endfor %}",
    "{%- macro put(m) -%}<ab>{{ m.content | upper }}<s>{%- endmacro -%}"
    "{%- for m in messages %}{{ put(m) }}{% if loop.last %}<s>{% endif %}{% endfor -%}",
    "{% for m in messages %}{{ '<s>' ~ m.content.split('a') | join('-') ~ '<ab>' }}"
    "{{ m.content[1:4] }}{{ m | tojson }}{% endfor %}",
};

enum { MAX_IDS = 1 << 14 };

/* The special ids of a prompt; how many. */
static size_t specials(const mote_tokenizer *t, const mote_value *vars, const char *source,
                       int32_t *ids)
{
    static _Alignas(MOTE_ALIGN) char memory[1 << 18];
    mote_rendered out;
    mote_error err;
    mote_text template = {source, strlen(source)};
    size_t n = 0, n_special = 0;
    FUZZ_EXPECT(!mote_template_render(&out, template, vars, 0, memory, sizeof memory, &err));
    check_spans(&out);
    size_t room = mote_encode_scratch_bytes(t, out.text.bytes);
    void *scratch = fuzz_alloc(room);
    FUZZ_EXPECT(!mote_encode(t, out.text.ptr, out.text.bytes, 0, out.untrusted, out.n_untrusted,
                             ids, MAX_IDS, &n, scratch, room, &err));
    for (size_t i = 0; i < n; i++)
        if (mote_token_is_special(t, ids[i]))
            ids[n_special++] = ids[i];
    free(scratch);
    return n_special;
}

/* A conversation of two messages with this content; no characters that JSON must escape. */
static const mote_value *conversation(fuzz_in content)
{
    static char text[2048];
    int n =
        snprintf(text, sizeof text,
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"%.*s\"},{\"role\":\"x\","
                 "\"content\":\"<s>%.*s<ab>\"}]}",
                 (int)content.n, (const char *)content.p, (int)content.n, (const char *)content.p);
    return n < (int)sizeof text ? parse(text, (size_t)n) : NULL;
}

/* The special tokens of a prompt are those of its template, whatever users write. */
FUZZ(chat)
{
    static int32_t with[MAX_IDS], without[MAX_IDS];
    const fuzz_tokenizer *t = fuzz_pick_tokenizer(&in);
    const char *source = templates[fuzz_u8(&in) % 4];
    if (!t)
        return;
    const mote_value *vars = conversation(fuzz_part(&in, 900));
    if (!vars)
        return;
    size_t n = specials(t->t, vars, source, with);
    size_t n_bare =
        specials(t->t, conversation((fuzz_in){(const uint8_t *)"", 0}), source, without);
    FUZZ_EXPECT(n == n_bare && memcmp(with, without, n * sizeof *with) == 0);
}
