/* tok_json.c: tokenizer.json -> a draft. What it says is carried out exactly or refused by name;
 * the parts that say how a text is prepared and how ids become text again are in tok_json_steps.c.
 * Read tok_draft.h first. */
#include <stdlib.h>
#include <string.h>

#include "tools/convert/tok_json.h"

/* A string as bytes: U+0000 restored. */
static mote_text string_text(tok_draft *d, const char *s)
{
    size_t n = strlen(s);
    if (!strstr(s, "\xc0\x80"))
        return (mote_text){s, n};
    char *copy = pool_copy(&d->pool, s, n, d->err);
    return (mote_text){copy, copy ? json_unescape_nul(copy, copy) : 0};
}

mote_text tok_json_text(tok_draft *d, const cJSON *item)
{
    return cJSON_IsString(item) ? string_text(d, item->valuestring) : (mote_text){NULL, 0};
}

mote_text tok_json_bytes(tok_draft *d, const char *s) { return string_text(d, s); }

bool tok_json_flag(const cJSON *object, const char *key, bool otherwise)
{
    const cJSON *item = json_get(object, key);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : otherwise;
}

bool tok_json_is(const cJSON *object, const char *key, const char *text)
{
    const cJSON *item = json_get(object, key);
    return cJSON_IsString(item) && !strcmp(item->valuestring, text);
}

mote_status tok_json_refuse(tok_draft *d, const char *what, const cJSON *item)
{
    const cJSON *type = cJSON_IsObject(item) ? json_get(item, "type") : item;
    return convert_fail(d->err, MOTE_ERR_UNSUPPORTED, "%s: %s %.120s is not supported", d->file,
                        what, cJSON_IsString(type) ? type->valuestring : "without a type");
}

/* ---- entries -------------------------------------------------------------------------------- */

static mote_status fail(tok_draft *d, const char *what)
{
    return convert_fail(d->err, MOTE_ERR_FILE, "%s: %s", d->file, what);
}

/* One more than the largest id of the vocabulary and the added tokens; 0: some id is none. */
static uint64_t count_ids(const cJSON *vocab, const cJSON *added)
{
    uint64_t n = 0, id;
    n = cJSON_IsArray(vocab) ? (uint64_t)cJSON_GetArraySize(vocab) : 0; /* an id is a place */
    for (const cJSON *c = cJSON_IsArray(vocab) ? NULL : vocab->child; c; c = c->next) {
        if (!json_integer(c, 0, TOK_MAX_VOCAB - 1, &id))
            return 0;
        n = id >= n ? id + 1 : n;
    }
    for (const cJSON *c = added ? added->child : NULL; c; c = c->next) {
        if (!json_integer(json_get(c, "id"), 0, TOK_MAX_VOCAB - 1, &id))
            return 0;
        n = id >= n ? id + 1 : n;
    }
    return n;
}

static mote_status read_entries(tok_draft *d, const cJSON *vocab)
{
    mote_status status = MOTE_OK;
    for (const cJSON *c = vocab->child; c && !status; c = c->next) {
        uint64_t id = 0;
        json_integer(c, 0, TOK_MAX_VOCAB - 1, &id);
        mote_text text = string_text(d, c->string);
        status = text.ptr ? draft_set(d, (uint32_t)id, text) : d->err->status;
    }
    return status;
}

static size_t count(const cJSON *list)
{
    size_t n = 0;
    for (const cJSON *c = list ? list->child : NULL; c; c = c->next)
        n++;
    return n;
}

/* A merge is "left right" or ["left", "right"]. */
static bool split_merge(tok_draft *d, const cJSON *item, mote_text *left, mote_text *right)
{
    if (cJSON_IsArray(item)) {
        const cJSON *second = item->child ? item->child->next : NULL;
        *left = tok_json_text(d, item->child);
        *right = tok_json_text(d, second);
        return left->ptr && right->ptr && !second->next;
    }
    mote_text both = tok_json_text(d, item);
    const char *blank = both.ptr ? memchr(both.ptr, ' ', both.bytes) : NULL;
    if (!blank)
        return false;
    size_t n = (size_t)(blank - both.ptr);
    *left = (mote_text){both.ptr, n};
    *right = (mote_text){blank + 1, both.bytes - n - 1};
    return !memchr(right->ptr, ' ', right->bytes);
}

static mote_status read_merges(tok_draft *d, const cJSON *merges)
{
    mote_status status = MOTE_OK;
    uint32_t rank = 0;
    for (const cJSON *c = merges->child; c && !status; c = c->next, rank++) {
        mote_text left, right;
        if (!split_merge(d, c, &left, &right))
            return convert_fail(d->err, MOTE_ERR_FILE, "%s: merge %u is not a pair", d->file, rank);
        int32_t l = draft_find(d, left), r = draft_find(d, right);
        if (l < 0 || r < 0)
            return convert_fail(d->err, MOTE_ERR_FILE, "%s: merge %u: its %s part is no entry",
                                d->file, rank, l < 0 ? "left" : "right");
        status = draft_merge(d, (uint32_t)l, (uint32_t)r, rank);
    }
    return status;
}

static mote_status read_model(tok_draft *d, const cJSON *model)
{
    static const struct {
        const char *key;
        unsigned flag;
    } flags[] = {{"byte_fallback", TOK_BYTE_FALLBACK},
                 {"fuse_unk", TOK_FUSE_UNK},
                 {"ignore_merges", TOK_IGNORE_MERGES}};
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < 3; i++)
        d->h.flags |= tok_json_flag(model, flags[i].key, false) ? flags[i].flag : 0;
    for (size_t i = 0; i < 2; i++) {
        const cJSON *affix = json_get(model, affixes[i]);
        if (cJSON_IsString(affix) && affix->valuestring[0])
            return tok_json_refuse(d, affixes[i], affix);
    }
    const cJSON *dropout = json_get(model, "dropout");
    if (cJSON_IsNumber(dropout) && dropout->valuedouble > 0)
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED, "%s: dropout is not supported", d->file);
    mote_status status = read_entries(d, json_get(model, "vocab"));
    mote_text unk = tok_json_text(d, json_get(model, "unk_token"));
    if (!status && unk.ptr)
        d->h.unk = draft_find(d, unk);
    if (!status && unk.ptr && d->h.unk < 0)
        return fail(d, "the unknown token is no entry");
    return status ? status : read_merges(d, json_get(model, "merges"));
}

/* ---- added tokens --------------------------------------------------------------------------- */

static mote_status read_added(tok_draft *d, const cJSON *added)
{
    static const struct {
        const char *key;
        unsigned flag;
    } flags[] = {{"normalized", TOK_ADD_NORMALIZED},
                 {"lstrip", TOK_ADD_LSTRIP},
                 {"rstrip", TOK_ADD_RSTRIP},
                 {"single_word", TOK_ADD_SINGLE_WORD}};
    mote_status status = MOTE_OK;
    for (const cJSON *c = added ? added->child : NULL; c && !status; c = c->next) {
        mote_text text = tok_json_text(d, json_get(c, "content"));
        bool special = tok_json_flag(c, "special", false);
        uint64_t id = 0;
        unsigned of = 0;
        json_integer(json_get(c, "id"), 0, TOK_MAX_VOCAB - 1, &id);
        for (size_t i = 0; i < 4; i++)
            of |= tok_json_flag(c, flags[i].key, i == 0 && !special) ? flags[i].flag : 0;
        if (!text.ptr)
            return fail(d, "an added token has no content");
        status = draft_add(d, (uint32_t)id, text, special, of);
    }
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Which model: older files do not say it. 0: none that is known. */
static unsigned find_kind(const cJSON *model)
{
    static const char *const names[] = {"BPE", "WordPiece", "Unigram"};
    for (unsigned i = 0; i < 3; i++)
        if (tok_json_is(model, "type", names[i]))
            return TOK_BPE + i;
    if (json_get(model, "type"))
        return 0;
    if (cJSON_IsArray(json_get(model, "vocab")))
        return TOK_UNIGRAM;
    return json_get(model, "max_input_chars_per_word") ? TOK_WORDPIECE : TOK_BPE;
}

static mote_status read_all(tok_draft *d, const cJSON *json, const cJSON *model,
                            enum tok_model kind)
{
    const cJSON *added = json_get(json, "added_tokens");
    mote_status status = draft_reserve(d, count(json_get(model, "merges")), count(added));
    if (!status && kind == TOK_WORDPIECE)
        status = tok_json_word_piece(d, model);
    else if (!status && kind == TOK_UNIGRAM)
        status = tok_json_unigram(d, model);
    else if (!status)
        status = read_model(d, model);
    if (!status)
        status = read_added(d, added);
    if (!status)
        status = tok_json_preparation(d, json);
    if (!status)
        status = tok_json_decoder(d, json_get(json, "decoder"));
    return status ? status : tok_json_affixes(d, json_get(json, "post_processor"));
}

mote_status tok_from_json(tok_tables *out, const char *file, const cJSON *tokenizer,
                          const cJSON *config, mote_convert_error *err)
{
    (void)config; /* says nothing that tokenizer.json does not say better */
    tok_draft d = {.file = file, .err = err};
    const cJSON *model = json_get(tokenizer, "model"), *vocab = json_get(model, "vocab");
    const cJSON *merges = json_get(model, "merges"), *added = json_get(tokenizer, "added_tokens");
    const char *twice;
    *out = (tok_tables){.n = 0};
    if (!json_keys_unique(tokenizer, vocab, &twice))
        return twice ? convert_fail(err, MOTE_ERR_FILE, "%s: the key %.60s is there twice", file,
                                    twice)
                     : convert_fail(err, MOTE_ERR_MEMORY, "%s: no memory", file);
    if (!cJSON_IsObject(model))
        return convert_fail(err, MOTE_ERR_FILE, "%s: no model", file);
    unsigned kind = find_kind(model);
    if (!kind)
        return tok_json_refuse(&d, "model", model);
    bool fits = kind == TOK_UNIGRAM ? cJSON_IsArray(vocab) : cJSON_IsObject(vocab);
    if (!fits || !vocab->child || (kind == TOK_BPE && !cJSON_IsArray(merges)) ||
        (added && !cJSON_IsNull(added) && !cJSON_IsArray(added)))
        return convert_fail(err, MOTE_ERR_FILE, "%s: no vocabulary, merges or added tokens", file);
    added = cJSON_IsArray(added) ? added : NULL;
    uint64_t n = count_ids(vocab, added);
    if (!n)
        return convert_fail(err, MOTE_ERR_FILE, "%s: an id is no whole number from 0 to %u", file,
                            TOK_MAX_VOCAB - 1);
    if (n > 4 * (count(vocab) + count(added)) + 65536)
        return convert_fail(err, MOTE_ERR_FILE, "%s: ids up to %llu for %zu entries", file,
                            (unsigned long long)n - 1, count(vocab) + count(added));
    mote_status status = draft_open(&d, file, (size_t)n, err);
    if (!status)
        status = read_all(&d, tokenizer, model, kind);
    if (!status)
        return draft_build(&d, out);
    pool_free(&d.pool);
    return status;
}
