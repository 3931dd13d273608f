/* tok_json_model.c: the entries of WordPiece and Unigram models in tokenizer.json. Read tok_json.c,
 * which has byte pair encoding, first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/convert/tok_json.h"

#define UNK_PENALTY 10.0 /* an unknown character scores so much less than the worst entry */

static mote_status fail(tok_draft *d, const char *what)
{
    return convert_fail(d->err, MOTE_ERR_FILE, "%s: %s", d->file, what);
}

mote_status tok_json_word_piece(tok_draft *d, const cJSON *model)
{
    const cJSON *vocab = json_get(model, "vocab");
    mote_text prefix = tok_json_text(d, json_get(model, "continuing_subword_prefix"));
    mote_text unk = tok_json_text(d, json_get(model, "unk_token"));
    mote_status status = MOTE_OK;
    uint64_t id = 0, most = 100;
    for (const cJSON *c = vocab->child; c && !status; c = c->next) {
        json_integer(c, 0, TOK_MAX_VOCAB - 1, &id);
        status = draft_set(d, (uint32_t)id, tok_json_bytes(d, c->string));
    }
    if (status)
        return status;
    const cJSON *limit = json_get(model, "max_input_chars_per_word");
    if (limit && !json_integer(limit, 0, UINT32_MAX, &most))
        return fail(d, "max_input_chars_per_word is no whole number");
    prefix = prefix.ptr ? prefix : (mote_text){"##", 2};
    unk = unk.ptr ? unk : (mote_text){"[UNK]", 5};
    if (prefix.bytes > TOK_MAX_PREFIX)
        return tok_json_refuse(d, "continuing_subword_prefix",
                               json_get(model, "continuing_subword_prefix"));
    d->h.model = TOK_WORDPIECE;
    d->h.max_word_chars = (uint32_t)most;
    d->h.prefix_bytes = (uint32_t)prefix.bytes;
    memcpy(d->h.prefix_text, prefix.ptr, prefix.bytes);
    d->h.unk = draft_find(d, unk);
    return d->h.unk < 0 ? fail(d, "the unknown token is no entry") : MOTE_OK;
}

/* The library's JSON reader rounds a number twice: its digits as a whole number, then that times or
 * over a power of ten. Exactness wants the same last bit. */
double draft_score(double value)
{
    char text[40];
    int digits = 15;
    do
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
    while (strtod(text, NULL) != value && ++digits <= 17);
    const char *e = strchr(text, 'e');
    int exponent = e ? (int)strtol(e + 1, NULL, 10) - (digits > 17 ? 16 : digits - 1) : 0;
    uint64_t whole = 0;
    for (const char *c = text; c < e; c++)
        if (*c >= '0' && *c <= '9')
            whole = whole * 10 + (uint64_t)(*c - '0');
    snprintf(text, sizeof text, "1e%d", exponent < 0 ? -exponent : exponent);
    double power = strtod(text, NULL), got = (double)whole;
    got = exponent < 0 ? got / power : got * power;
    return value < 0 ? -got : got;
}

mote_status tok_json_unigram(tok_draft *d, const cJSON *model)
{
    const cJSON *vocab = json_get(model, "vocab");
    mote_status status = MOTE_OK;
    uint64_t unk;
    uint32_t id = 0, n = 0;
    double worst = 0;
    for (const cJSON *c = vocab->child; c; c = c->next)
        n++;
    d->scores = pool_take(&d->pool, d->n + 1, sizeof *d->scores, d->err);
    if (!d->scores)
        return d->err->status;
    for (const cJSON *c = vocab->child; c && !status; c = c->next, id++) {
        const cJSON *score = cJSON_IsArray(c) && c->child ? c->child->next : NULL;
        mote_text text = cJSON_IsArray(c) ? tok_json_text(d, c->child) : (mote_text){NULL, 0};
        if (!text.ptr || !cJSON_IsNumber(score) || score->next ||
            !(score->valuedouble > -1e30 && score->valuedouble < 1e30))
            return convert_fail(d->err, MOTE_ERR_FILE, "%s: entry %u is no text with a score",
                                d->file, id);
        d->scores[id] = draft_score(score->valuedouble);
        worst = id == 0 || d->scores[id] < worst ? d->scores[id] : worst;
        status = draft_set(d, id, text);
    }
    if (status)
        return status;
    d->scores[d->n] = worst - UNK_PENALTY;
    d->h.model = TOK_UNIGRAM;
    d->h.flags |= tok_json_flag(model, "byte_fallback", false) ? TOK_BYTE_FALLBACK : 0;
    const cJSON *item = json_get(model, "unk_id");
    if (!item || cJSON_IsNull(item))
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: a Unigram model without unk_id is not supported", d->file);
    if (!json_integer(item, 0, n - 1, &unk))
        return fail(d, "unk_id is no entry");
    d->h.unk = (int32_t)unk;
    return MOTE_OK;
}
