/* tok_json_steps.c: normaliser, pre-tokenizer, decoder and post-processor of tokenizer.json. Each
 * part may be a Sequence; a Sequence of Sequences is refused, nobody writes one. Read tok_json.c
 * first. */
#include <stdlib.h>
#include <string.h>

#include "tools/convert/tok_json.h"
#include "tools/convert/tok_patterns.h"

/* The parts of a component: it alone, or the members of a Sequence. */
static const cJSON *first_part(const cJSON *component, const char *list)
{
    if (!cJSON_IsObject(component))
        return NULL;
    return tok_json_is(component, "type", "Sequence") ? json_get(component, list)->child
                                                      : component;
}

static const cJSON *next_part(const cJSON *component, const cJSON *part)
{
    return part == component ? NULL : part->next;
}

/* A component is an object or null; a Sequence has its list. */
static mote_status check_component(tok_draft *d, const cJSON *component, const char *name,
                                   const char *list)
{
    bool ok = !component || cJSON_IsNull(component) || cJSON_IsObject(component);
    if (ok && tok_json_is(component, "type", "Sequence"))
        ok = cJSON_IsArray(json_get(component, list));
    return ok ? MOTE_OK : convert_fail(d->err, MOTE_ERR_FILE, "%s: %s is malformed", d->file, name);
}

static bool is_pattern(const cJSON *part, const char *kind, const char *text)
{
    return tok_json_is(json_get(part, "pattern"), kind, text);
}

/* ---- normaliser ----------------------------------------------------------------------------- */

static mote_status read_normalizer(tok_draft *d, const cJSON *normalizer)
{
    mote_status status = check_component(d, normalizer, "normalizer", "normalizers");
    if (status)
        return status;
    for (const cJSON *p = first_part(normalizer, "normalizers"); p; p = next_part(normalizer, p))
        if (tok_json_is(p, "type", "Prepend") && tok_json_is(p, "prepend", DRAFT_MARK))
            d->h.prefix = TOK_PREFIX_ALWAYS;
        else if (tok_json_is(p, "type", "Replace") && is_pattern(p, "String", " ") &&
                 tok_json_is(p, "content", DRAFT_MARK))
            d->h.flags |= TOK_SPACE_MARK;
        else if ((status = tok_json_norm(d, p)) != MOTE_OK)
            return status;
    if (d->h.prefix && !(d->h.flags & TOK_SPACE_MARK))
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: normalizer Prepend without Replace is not supported", d->file);
    return MOTE_OK;
}

/* ---- pre-tokenizer -------------------------------------------------------------------------- */

static mote_status add_step(tok_draft *d, enum tok_step_kind kind, uint32_t param)
{
    if (d->h.n_steps == TOK_MAX_STEPS)
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED, "%s: more than %d pre-tokenizers",
                            d->file, TOK_MAX_STEPS);
    d->h.steps[d->h.n_steps++] = (tok_step){kind, param};
    return MOTE_OK;
}

/* The expressions in use, each with its scanner (tokenizer/split.c). */
static const struct {
    const char *regex;
    tok_step step;
} patterns[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     {TOK_STEP_GPT2, 0}},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     {TOK_STEP_LLAMA3, 3}},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     {TOK_STEP_LLAMA3, 1}},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| "
     "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
     {TOK_STEP_LLAMA3, 3}},
    {PATTERN_O200K("", "\\p{N}"), {TOK_STEP_O200K, 0}},
    {PATTERN_O200K("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "\\p{N}{1,3}"),
     {TOK_STEP_O200K, TOK_O200K_SUFFIX | TOK_O200K_DIGITS}},
    {PATTERN_DEEPSEEK3, {TOK_STEP_DEEPSEEK3, 0}},
    {"[\r\n]", {TOK_STEP_FIND, TOK_FIND_LINE_END}},
    {"[\\r\\n]", {TOK_STEP_FIND, TOK_FIND_LINE_END}},
    {"\\s?\\p{L}+", {TOK_STEP_FIND, TOK_FIND_LETTERS}},
    {"\\s?\\p{P}+", {TOK_STEP_FIND, TOK_FIND_PUNCT}},
    {PATTERN_CJK, {TOK_STEP_FIND, TOK_FIND_CJK}},
    {PATTERN_CASED, {TOK_STEP_FIND, TOK_FIND_CASED}},
    {PATTERN_SIGNS, {TOK_STEP_FIND, TOK_FIND_SIGNS}},
    {"\\s+$", {TOK_STEP_FIND, TOK_FIND_BLANK_END}},
    {"\\p{N}{1,3}", {TOK_STEP_FIND, TOK_FIND_NUMBERS}},
    {PATTERN_CJK_KANA, {TOK_STEP_FIND, TOK_FIND_CJK_KANA}},
};

/* An expression that takes every character: to keep its matches is to cut there. */
static bool is_total(const tok_step *step)
{
    return step->kind == TOK_STEP_GPT2 || step->kind == TOK_STEP_LLAMA3 ||
           step->kind == TOK_STEP_O200K;
}

static mote_status read_split(tok_draft *d, const cJSON *part)
{
    const cJSON *regex = json_get(json_get(part, "pattern"), "Regex");
    if (is_pattern(part, "String", " ") && tok_json_is(part, "behavior", "MergedWithPrevious") &&
        d->h.flags & TOK_SPACE_MARK)
        return MOTE_OK; /* Gemma: no blank is left to split at */
    bool isolated =
        tok_json_is(part, "behavior", "Isolated") && !tok_json_flag(part, "invert", false);
    bool kept = tok_json_is(part, "behavior", "Removed") && tok_json_flag(part, "invert", false);
    if (!isolated && !kept)
        return tok_json_refuse(d, "pre_tokenizer Split with behavior", json_get(part, "behavior"));
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (is_pattern(part, "Regex", patterns[i].regex) &&
            (isolated || is_total(&patterns[i].step)))
            return add_step(d, patterns[i].step.kind, patterns[i].step.param);
    return tok_json_refuse(d, "pre_tokenizer Split by", regex ? regex : part);
}

static mote_status read_byte_level(tok_draft *d, const cJSON *part)
{
    d->h.flags |= TOK_BYTE_LEVEL;
    if (tok_json_flag(part, "add_prefix_space", true)) {
        if (d->h.n_steps)
            return tok_json_refuse(d, "add_prefix_space behind a split in", part);
        d->h.prefix = TOK_PREFIX_UNLESS;
    }
    return tok_json_flag(part, "use_regex", true) ? add_step(d, TOK_STEP_GPT2, 0) : MOTE_OK;
}

static mote_status read_metaspace(tok_draft *d, const cJSON *part)
{
    const cJSON *scheme = json_get(part, "prepend_scheme");
    if (cJSON_IsString(scheme) && d->h.flags & TOK_SPLIT_BLANKS)
        scheme = tok_json_is(part, "prepend_scheme", "always") ? NULL : scheme;
    bool always = scheme ? tok_json_is(part, "prepend_scheme", "always")
                         : tok_json_flag(part, "add_prefix_space", true);
    if (!tok_json_is(part, "replacement", DRAFT_MARK))
        return tok_json_refuse(d, "Metaspace with replacement", json_get(part, "replacement"));
    d->h.flags |= TOK_SPACE_MARK;
    if (d->h.n_steps && d->h.steps[0].kind == TOK_STEP_BLANKS) { /* every word gets a mark */
        if (!always || d->h.n_steps > 1 || !tok_json_flag(part, "split", true))
            return tok_json_refuse(d, "Metaspace behind", part);
        d->h.flags |= TOK_SPLIT_BLANKS;
        d->h.steps[0].kind = TOK_STEP_SPACES;
        return MOTE_OK;
    }
    if (d->h.n_steps)
        return tok_json_refuse(d, "behind other pre_tokenizers,", part);
    if (always)
        d->h.prefix = TOK_PREFIX_UNLESS;
    else if (tok_json_is(part, "prepend_scheme", "first"))
        d->h.prefix = TOK_PREFIX_FIRST;
    return tok_json_flag(part, "split", true) ? add_step(d, TOK_STEP_SPACES, 0) : MOTE_OK;
}

static mote_status read_pre_tokenizer(tok_draft *d, const cJSON *pre)
{
    mote_status status = check_component(d, pre, "pre_tokenizer", "pretokenizers");
    const cJSON *p = status ? NULL : first_part(pre, "pretokenizers");
    for (; p && !status; p = next_part(pre, p)) {
        bool done = d->h.flags & TOK_BYTE_LEVEL; /* texts are letters for bytes from there on */
        bool behavior = json_get(p, "behavior") != NULL;
        if (d->h.flags & TOK_SPLIT_BLANKS)
            status = tok_json_refuse(d, "pre_tokenizer behind Metaspace:", p);
        else if (tok_json_is(p, "type", "BertPreTokenizer") && !done)
            status = add_step(d, TOK_STEP_BERT, 0);
        else if (tok_json_is(p, "type", "WhitespaceSplit") && !done)
            status = add_step(d, TOK_STEP_BLANKS, 0);
        else if (tok_json_is(p, "type", "Whitespace") && !done)
            status = add_step(d, TOK_STEP_WORD_CHARS, 0);
        else if (tok_json_is(p, "type", "Punctuation") && !done &&
                 (!behavior || tok_json_is(p, "behavior", "Isolated") ||
                  tok_json_is(p, "behavior", "Contiguous")))
            status = add_step(d, TOK_STEP_PUNCT, tok_json_is(p, "behavior", "Contiguous"));
        else if (tok_json_is(p, "type", "Digits") && done)
            status =
                add_step(d, TOK_STEP_BYTE_DIGITS, tok_json_flag(p, "individual_digits", false));
        else if (tok_json_is(p, "type", "Split") && done &&
                 is_pattern(p, "Regex", "[0-9][0-9][0-9]") &&
                 tok_json_is(p, "behavior", "Isolated") && !tok_json_flag(p, "invert", false))
            status = add_step(d, TOK_STEP_THREE_DIGITS, 0);
        else if (tok_json_is(p, "type", "ByteLevel") && !done)
            status = read_byte_level(d, p);
        else if (tok_json_is(p, "type", "Digits") && !done)
            status = add_step(d, TOK_STEP_DIGITS, tok_json_flag(p, "individual_digits", false));
        else if (tok_json_is(p, "type", "Split") && !done)
            status = read_split(d, p);
        else if (tok_json_is(p, "type", "Metaspace") && !done)
            status = read_metaspace(d, p);
        else
            status = tok_json_refuse(d, "pre_tokenizer", p);
    }
    return status;
}

/* Texts of added tokens that are looked for in normalised text, normalised the same way. */
static mote_status normalize_added(tok_draft *d)
{
    bool any = false;
    for (size_t i = 0; i < d->n_added; i++)
        any |= d->added[i].flags & TOK_ADD_NORMALIZED;
    if (any && (d->h.n_norms || d->h.flags & TOK_SPLIT_BLANKS))
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: added tokens in texts normalised by more than NFC are not "
                            "supported",
                            d->file);
    for (size_t i = 0; i < d->n_added; i++) {
        draft_added *a = &d->added[i];
        if (!(a->flags & TOK_ADD_NORMALIZED))
            continue;
        mote_text text = d->h.flags & TOK_NFC ? unicode_compose(a->text, 0) : a->text;
        char *copy = text.ptr ? pool_take(&d->pool, text.bytes + 2, 1, d->err) : NULL;
        size_t n = 0;
        if (copy && d->h.prefix == TOK_PREFIX_ALWAYS)
            copy[n++] = ' ';
        for (size_t at = 0; copy && at < text.bytes; at++) {
            bool mark = d->h.flags & TOK_SPACE_MARK && text.bytes - at >= 3 &&
                        !memcmp(text.ptr + at, DRAFT_MARK, 3);
            copy[n++] = mark ? ' ' : text.ptr[at];
            at += mark ? 2 : 0;
        }
        if (text.ptr != a->text.ptr)
            free((void *)(uintptr_t)text.ptr);
        if (!copy)
            return convert_fail(d->err, MOTE_ERR_MEMORY, "%s: no memory", d->file);
        a->text = (mote_text){copy, n};
    }
    return MOTE_OK;
}

mote_status tok_json_preparation(tok_draft *d, const cJSON *json)
{
    mote_status status = read_normalizer(d, json_get(json, "normalizer"));
    if (!status)
        status = read_pre_tokenizer(d, json_get(json, "pre_tokenizer"));
    if (!status)
        status = draft_norms_done(d);
    return status ? status : normalize_added(d);
}

/* ---- decoder -------------------------------------------------------------------------------- */

static mote_status read_strip(tok_draft *d, const cJSON *part, bool fused)
{
    uint64_t start = 0, stop = 0;
    bool ok = json_integer(json_get(part, "start"), 0, 1, &start) &&
              json_integer(json_get(part, "stop"), 0, 0, &stop);
    if (!ok || !fused || !tok_json_is(part, "content", " "))
        return tok_json_refuse(d, "decoder", part);
    d->h.flags |= start ? TOK_STRIP_SPACE : 0;
    return MOTE_OK;
}

static mote_status read_word_piece(tok_draft *d, const cJSON *part)
{
    mote_text prefix = tok_json_text(d, json_get(part, "prefix"));
    prefix = prefix.ptr ? prefix : (mote_text){"##", 2};
    if (d->h.model != TOK_WORDPIECE || prefix.bytes != d->h.prefix_bytes ||
        memcmp(prefix.ptr, d->h.prefix_text, prefix.bytes) != 0)
        return tok_json_refuse(d, "with this model, decoder", part);
    d->h.flags |= TOK_WORDS;
    d->cleans = tok_json_flag(part, "cleanup", true);
    return MOTE_OK;
}

static mote_status read_marks(tok_draft *d, const cJSON *part)
{
    const cJSON *scheme = json_get(part, "prepend_scheme");
    bool prepends = scheme ? !tok_json_is(part, "prepend_scheme", "never")
                           : tok_json_flag(part, "add_prefix_space", true);
    if (!tok_json_is(part, "replacement", DRAFT_MARK))
        return tok_json_refuse(d, "decoder Metaspace with replacement",
                               json_get(part, "replacement"));
    d->mark_is_blank = true;
    d->h.flags |= prepends ? TOK_STRIP_FIRST : 0;
    return MOTE_OK;
}

mote_status tok_json_decoder(tok_draft *d, const cJSON *decoder)
{
    mote_status status = check_component(d, decoder, "decoder", "decoders");
    bool fused = false, byte_level = false;
    const cJSON *p = status ? NULL : first_part(decoder, "decoders");
    for (; p && !status; p = next_part(decoder, p))
        if (tok_json_is(p, "type", "ByteLevel"))
            byte_level = true;
        else if (tok_json_is(p, "type", "Replace") && is_pattern(p, "String", DRAFT_MARK) &&
                 tok_json_is(p, "content", " "))
            d->mark_is_blank = true;
        else if (tok_json_is(p, "type", "ByteFallback"))
            d->byte_tokens = true;
        else if (tok_json_is(p, "type", "Fuse"))
            fused = true;
        else if (tok_json_is(p, "type", "WordPiece"))
            status = read_word_piece(d, p);
        else if (tok_json_is(p, "type", "Metaspace"))
            status = read_marks(d, p);
        else if (tok_json_is(p, "type", "Strip"))
            status = read_strip(d, p, fused);
        else
            status = tok_json_refuse(d, "decoder", p);
    if (status)
        return status;
    if (byte_level != !!(d->h.flags & TOK_BYTE_LEVEL) ||
        d->mark_is_blank != !!(d->h.flags & TOK_SPACE_MARK))
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: a decoder that does not undo the pre_tokenizer is not supported",
                            d->file);
    if (!cJSON_IsObject(decoder))
        d->h.flags |= TOK_JOIN_SPACE;
    if (d->byte_tokens)
        d->h.flags |= TOK_LOSSY_BYTES;
    else if (d->h.flags & TOK_BYTE_FALLBACK)
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: byte_fallback without its decoder is not supported", d->file);
    return MOTE_OK;
}

/* ---- post-processor ------------------------------------------------------------------------- */

static mote_status add_affix(tok_draft *d, bool before, const cJSON *id)
{
    uint64_t value;
    uint32_t *n = before ? &d->h.n_before : &d->h.n_after;
    if (!json_integer(id, 0, d->n - 1, &value))
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: post_processor: an id is no token",
                            d->file);
    if (*n == TOK_MAX_AFFIX)
        return convert_fail(d->err, MOTE_ERR_UNSUPPORTED,
                            "%s: post_processor adds more than %d ids", d->file, TOK_MAX_AFFIX);
    (before ? d->h.before : d->h.after)[(*n)++] = (int32_t)value;
    return MOTE_OK;
}

/* "single": special tokens around one Sequence A. */
static mote_status read_template(tok_draft *d, const cJSON *part)
{
    const cJSON *single = json_get(part, "single"), *specials = json_get(part, "special_tokens");
    mote_status status = MOTE_OK;
    size_t n_texts = 0;
    for (const cJSON *c = cJSON_IsArray(single) ? single->child : NULL; c && !status; c = c->next) {
        const cJSON *name = json_get(json_get(c, "SpecialToken"), "id");
        n_texts += json_get(c, "Sequence") != NULL;
        if (json_get(c, "Sequence"))
            continue;
        const cJSON *ids =
            cJSON_IsString(name) ? json_get(json_get(specials, name->valuestring), "ids") : NULL;
        if (!cJSON_IsArray(ids))
            return convert_fail(d->err, MOTE_ERR_FILE,
                                "%s: post_processor: a special token has no ids", d->file);
        for (const cJSON *id = ids->child; id && !status; id = id->next)
            status = add_affix(d, n_texts == 0, id);
    }
    if (!status && n_texts != 1)
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: post_processor: not one text in \"single\"",
                            d->file);
    return status;
}

/* "cls" and "sep" are ["text", id]. */
static mote_status read_cls_sep(tok_draft *d, const cJSON *part)
{
    const cJSON *cls = json_get(part, "cls"), *sep = json_get(part, "sep");
    if (!cJSON_IsArray(cls) || !cls->child || !cJSON_IsArray(sep) || !sep->child)
        return convert_fail(d->err, MOTE_ERR_FILE, "%s: post_processor is malformed", d->file);
    mote_status status = add_affix(d, true, cls->child->next);
    return status ? status : add_affix(d, false, sep->child->next);
}

mote_status tok_json_affixes(tok_draft *d, const cJSON *processor)
{
    mote_status status = check_component(d, processor, "post_processor", "processors");
    const cJSON *p = status ? NULL : first_part(processor, "processors");
    for (; p && !status; p = next_part(processor, p))
        if (tok_json_is(p, "type", "TemplateProcessing"))
            status = read_template(d, p);
        else if (tok_json_is(p, "type", "BertProcessing") ||
                 tok_json_is(p, "type", "RobertaProcessing"))
            status = read_cls_sep(d, p);
        else if (!tok_json_is(p, "type", "ByteLevel")) /* that one moves offsets only */
            status = tok_json_refuse(d, "post_processor", p);
    return status;
}
