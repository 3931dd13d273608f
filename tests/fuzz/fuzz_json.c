/* fuzz_json.c: the converter's guard scan in front of cJSON and the command line's own reader: two
 * readers that know nothing of each other must agree on what JSON is, and on what it says. */
#include "cli/json.h"
#include "tests/fuzz/fuzz.h"
#include "tools/convert/json.h"

/* Text with its U+0000 as the guard leaves them. */
static bool same_text(mote_text a, const char *b)
{
    char *copy = fuzz_alloc(strlen(b));
    size_t n = json_unescape_nul(copy, b);
    bool same = n == a.bytes && (n == 0 || memcmp(copy, a.ptr, n) == 0);
    free(copy);
    return same;
}

static bool same_value(const mote_value *a, const cJSON *b);

static bool same_members(const mote_value *a, const cJSON *b)
{
    bool is_dict = a->kind == MOTE_VALUE_DICT;
    size_t n = is_dict ? a->as.dict.n : a->as.list.n;
    if (is_dict ? !cJSON_IsObject(b) : !cJSON_IsArray(b))
        return false;
    const cJSON *c = b->child;
    for (size_t i = 0; i < n; i++, c = c->next)
        if (!c || (is_dict && !same_text(a->as.dict.members[i].key, c->string)) ||
            !same_value(is_dict ? &a->as.dict.members[i].value : &a->as.list.items[i], c))
            return false;
    return !c;
}

/* As deep as the texts, which both readers bound. */
static bool same_value(const mote_value *a, const cJSON *b)
{
    switch (a->kind) {
    case MOTE_VALUE_NONE: return cJSON_IsNull(b);
    case MOTE_VALUE_BOOL: return a->as.boolean ? cJSON_IsTrue(b) : cJSON_IsFalse(b);
    case MOTE_VALUE_INT: return cJSON_IsNumber(b) && b->valuedouble == (double)a->as.integer;
    case MOTE_VALUE_FLOAT: return cJSON_IsNumber(b) && b->valuedouble == a->as.number;
    case MOTE_VALUE_STRING: return cJSON_IsString(b) && same_text(a->as.string, b->valuestring);
    default: return same_members(a, b);
    }
}

/* Is there a run of more characters of numbers than the guard takes? */
static bool has_long_number(fuzz_in in)
{
    size_t run = 0;
    for (size_t i = 0; i < in.n; i++) {
        run = in.p[i] && strchr("+-.0123456789eE", in.p[i]) ? run + 1 : 0;
        if (run > 32)
            return true;
    }
    return false;
}

FUZZ(json)
{
    size_t room = 64 * (in.n + 1);
    char *text = fuzz_copy(in);
    void *memory = fuzz_alloc(room);
    mote_value value;
    mote_error err;
    mote_convert_error guard_err = {.text = ""};
    const char *twin;
    mote_status s = cli_json_parse(&value, text, in.n, memory, room, &err);
    cJSON *root = json_parse("text", text, in.n, &guard_err);
    bool twice = root && !json_keys_unique(root, NULL, &twin);
    FUZZ_EXPECT(s == MOTE_OK || s == MOTE_ERR_FILE);
    FUZZ_EXPECT(root || (guard_err.status == MOTE_ERR_FILE && guard_err.text[0]));
    if (!s && !root)
        FUZZ_EXPECT(has_long_number(in));
    if (s && root)
        FUZZ_EXPECT(twice || strstr(err.what, "too large"));
    if (!s && root)
        FUZZ_EXPECT(!twice && same_value(&value, root));
    cJSON_Delete(root);
    root = json_parse_counts("text", text, in.n, &guard_err);
    FUZZ_EXPECT(!root || !s || twice);
    cJSON_Delete(root);
    free(memory);
    free(text);
}
