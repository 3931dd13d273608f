/* tok_spm.c: SentencePiece's tokenizer.model: a protocol buffer whose fields 1 are the entries
 * (text, score, type), 2 how it was trained, 3 how texts are normalised. Only what those need is
 * read; everything is checked against the bytes that are there. Read tok.h.
 *
 * Control symbols are found in texts, as the hub's library does it. User-defined ones are entries
 * of a Unigram model with a score of their own; in a BPE model they are cut out of the text. */
#include <stdlib.h>
#include <string.h>

#include "tools/convert/source.h"
#include "tools/convert/tok.h"
#include "tools/convert/tok_draft.h"

enum { SPM_UNIGRAM = 1, SPM_BPE = 2 };

/* A message at work; a field at a time. */
typedef struct message {
    const uint8_t *p;
    size_t n;
    bool bad;
} message;

typedef struct field {
    unsigned number, wire;
    uint64_t value;  /* of wire types 0 and 5 */
    message content; /* of wire type 2 */
} field;

static uint64_t read_varint(message *m)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (m->n == 0)
            break;
        uint8_t b = *m->p++;
        m->n--;
        value |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return value;
    }
    m->bad = true;
    return 0;
}

static const uint8_t *take(message *m, uint64_t n)
{
    const uint8_t *p = m->p;
    if (n > m->n) {
        m->bad = true;
        return NULL;
    }
    m->p += n;
    m->n -= (size_t)n;
    return p;
}

/* The next field; false at the end and where the message is damaged. */
static bool next_field(message *m, field *f)
{
    if (m->n == 0 || m->bad)
        return false;
    uint64_t key = read_varint(m);
    const uint8_t *p = NULL;
    *f = (field){.number = (unsigned)(key >> 3 & 0x1fffffff), .wire = key & 7};
    switch (f->wire) {
    case 0: f->value = read_varint(m); break;
    case 1: take(m, 8); break;
    case 2:
        f->value = read_varint(m);
        p = m->bad ? NULL : take(m, f->value);
        f->content = (message){p, p ? (size_t)f->value : 0, false};
        break;
    case 5:
        p = take(m, 4);
        if (p)
            f->value = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        break;
    default: m->bad = true;
    }
    return !m->bad;
}

typedef struct spm {
    tok_vocab v;
    mote_text *pieces;
    float *scores;
    int32_t *types;
    unsigned kind;
    bool unescaped, suffixes; /* blanks stay blanks; they go with the word before */
    bool denormalizes, user_defined;
} spm;

static bool read_piece(spm *s, message m)
{
    field f;
    size_t i = s->v.n++;
    s->types[i] = TOK_TYPE_NORMAL;
    s->pieces[i] = (mote_text){"", 0};
    while (next_field(&m, &f))
        if (f.number == 1 && f.wire == 2) {
            s->pieces[i] = (mote_text){(const char *)f.content.p, f.content.n};
        } else if (f.number == 2 && f.wire == 5) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&s->scores[i], &bits, 4);
        } else if (f.number == 3 && f.wire == 0) {
            s->types[i] = f.value <= TOK_TYPE_BYTE ? (int32_t)f.value : 0;
        }
    s->user_defined |= s->types[i] == TOK_TYPE_USER;
    bool no_byte = s->types[i] == TOK_TYPE_BYTE && draft_byte_token(s->pieces[i]) < 0;
    return !m.bad && s->types[i] > 0 && !no_byte;
}

static bool read_training(spm *s, message m)
{
    field f;
    while (next_field(&m, &f)) {
        int32_t id = f.value < (uint64_t)INT32_MAX ? (int32_t)f.value : -1;
        if (f.wire != 0)
            continue;
        switch (f.number) {
        case 3: s->kind = (unsigned)id; break;
        case 24: s->suffixes = id > 0; break;
        case 40: s->v.unk = id; break;
        case 41: s->v.bos = id; break;
        case 42: s->v.eos = id; break;
        default: break;
        }
    }
    return !m.bad;
}

static bool read_normalizing(spm *s, message m)
{
    field f;
    while (next_field(&m, &f))
        if (f.number == 2 && f.wire == 2) {
            s->v.charsmap = f.content.n ? f.content.p : NULL;
            s->v.charsmap_bytes = f.content.n;
        } else if (f.number == 3 && f.wire == 0) {
            s->v.add_space_prefix = f.value != 0;
        } else if (f.number == 4 && f.wire == 0) {
            s->v.trims = f.value != 0;
        } else if (f.number == 5 && f.wire == 0) {
            s->unescaped = f.value == 0;
        }
    return !m.bad;
}

/* How decoded texts are changed: by nothing, in every published model. */
static bool read_denormalizing(spm *s, message m)
{
    field f;
    while (next_field(&m, &f))
        s->denormalizes |= f.number == 2 && f.wire == 2 && f.content.n > 0;
    return !m.bad;
}

static bool read_model(spm *s, message m)
{
    field f;
    bool ok = true;
    while (ok && next_field(&m, &f))
        if (f.wire == 2 && f.number == 1)
            ok = read_piece(s, f.content);
        else if (f.wire == 2 && f.number == 2)
            ok = read_training(s, f.content);
        else if (f.wire == 2 && f.number == 3)
            ok = read_normalizing(s, f.content);
        else if (f.wire == 2 && f.number == 5)
            ok = read_denormalizing(s, f.content);
    const tok_vocab *v = &s->v;
    return ok && !m.bad && v->n > 0 && v->unk < (int32_t)v->n && v->bos < (int32_t)v->n &&
           v->eos < (int32_t)v->n;
}

static size_t count_pieces(message m)
{
    field f;
    size_t n = 0;
    while (next_field(&m, &f))
        n += f.number == 1 && f.wire == 2;
    return n;
}

/* What the model asks for and there is not; NULL: nothing. */
static const char *find_unsupported(const spm *s)
{
    if (s->kind != SPM_BPE && s->kind != SPM_UNIGRAM)
        return "a model other than BPE and Unigram";
    if (s->unescaped || s->suffixes)
        return "escape_whitespaces off, or treat_whitespace_as_suffix,";
    if (s->denormalizes)
        return "a denormalizer";
    if (s->kind == SPM_BPE && s->user_defined && s->v.trims)
        return "BPE with user-defined symbols and remove_extra_whitespaces";
    return NULL;
}

/* config: tokenizer_config.json, which says whether BOS and EOS are added; may be NULL. */
mote_status tok_from_spm(tok_tables *out, const char *file, const void *data, size_t bytes,
                         const cJSON *config, mote_convert_error *err)
{
    const message m = {data, bytes, false};
    size_t n = count_pieces(m);
    spm s = {.kind = SPM_UNIGRAM};
    s.v = (tok_vocab){.bos = 1, .eos = 2, .unk = 0, .sep = -1};
    s.v.add_bos = !cJSON_IsFalse(json_get(config, "add_bos_token"));
    s.v.add_eos = cJSON_IsTrue(json_get(config, "add_eos_token"));
    s.v.add_space_prefix = s.v.trims = true;
    s.v.pieces = s.pieces = calloc(n + 1, sizeof *s.pieces);
    s.v.scores = s.scores = calloc(n + 1, sizeof *s.scores);
    s.v.types = s.types = calloc(n + 1, sizeof *s.types);
    mote_status status;
    *out = (tok_tables){.n = 0};
    if (!s.pieces || !s.scores || !s.types)
        status = convert_fail(err, MOTE_ERR_MEMORY, "%s: no memory", file);
    else if (!read_model(&s, m))
        status = convert_fail(err, MOTE_ERR_FILE, "%s: no SentencePiece model", file);
    else if (find_unsupported(&s))
        status = convert_fail(err, MOTE_ERR_UNSUPPORTED,
                              "%s: %s is not supported; convert it to tokenizer.json", file,
                              find_unsupported(&s));
    else {
        s.v.model = s.kind == SPM_BPE ? "llama" : "t5";
        s.v.user_entries = s.kind == SPM_UNIGRAM;
        s.v.first_only = s.user_defined || cJSON_IsFalse(json_get(config, "legacy"));
        status = tok_from_vocab(out, file, &s.v, err);
    }
    free(s.pieces);
    free(s.scores);
    free(s.types);
    return status;
}
