/* llama2.c: checkpoints of karpathy's llama2.c, version 0, with the tokenizer file beside them.
 * Read source.h first.
 *
 *   int32 dim, hidden, n_layers, n_heads, n_kv_heads, vocab (negative: the head is not tied), n_ctx
 *   f32   embedding | attention norms | q | k | v | o | MLP norms | gate | down | up | final norm
 *         | two tables of n_ctx * head/2 that nobody needs | head, if not tied
 *   (all layers of one kind lie together; q and k have neighbouring pairs)
 *
 *   tokenizer: int32 longest piece, then for each id: f32 score, int32 length, bytes
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/checked.h"
#include "tools/convert/source.h"

#define MAX_VOCAB_FILE (64u << 20)

typedef struct checkpoint {
    source *s;
    const src_file *f;
    uint32_t dim, hidden, n_layers, n_heads, n_kv_heads, n_vocab, n_ctx;
    bool tied;
    mote_checked at; /* where the next tensor starts */
} checkpoint;

static mote_status read_sizes(checkpoint *c)
{
    int32_t h[7];
    if (c->f->bytes < sizeof h)
        return convert_fail(c->s->err, MOTE_ERR_FILE, "%s: too short for a llama2.c checkpoint",
                            c->f->name);
    mote_status status = file_read(c->f, 0, h, sizeof h, c->s->err);
    if (status)
        return status;
    c->tied = h[5] > 0;
    if (h[5] < 0 && h[5] > INT32_MIN)
        h[5] = -h[5];
    for (size_t i = 0; i < 7; i++)
        if (h[i] < 1 || (uint32_t)h[i] > MOTE_MAX_DIM)
            return convert_fail(c->s->err, MOTE_ERR_FILE,
                                "%s: not a llama2.c checkpoint (its size %zu is %d)", c->f->name, i,
                                h[i]);
    if (h[2] > MOTE_MAX_LAYERS || h[0] % h[3] || h[3] % h[4])
        return convert_fail(c->s->err, MOTE_ERR_FILE,
                            "%s: not a llama2.c checkpoint (dim %d, layers %d, heads %d, %d)",
                            c->f->name, h[0], h[2], h[3], h[4]);
    c->dim = (uint32_t)h[0];
    c->hidden = (uint32_t)h[1];
    c->n_layers = (uint32_t)h[2];
    c->n_heads = (uint32_t)h[3];
    c->n_kv_heads = (uint32_t)h[4];
    c->n_vocab = (uint32_t)h[5];
    c->n_ctx = (uint32_t)h[6];
    return MOTE_OK;
}

/* ---- tensors -------------------------------------------------------------------------------- */

/* k 0: a vector. */
static mote_status add_tensor(checkpoint *c, src_tensor *t, const char *name, uint64_t rows,
                              uint64_t k)
{
    mote_checked bytes = mote_checked_mul(mote_checked_of(rows), (k ? k : 1) * sizeof(float));
    *t = (src_tensor){.type = SRC_F32,
                      .type_name = "F32",
                      .rank = k ? 2 : 1,
                      .shape = {rows, k},
                      .offset = c->at.value,
                      .bytes = bytes.value};
    t->name = t->label = pool_copy(&c->s->pool, name, strlen(name), c->s->err);
    c->at = mote_checked_add(c->at, bytes.value);
    c->at.overflow |= bytes.overflow;
    return t->name ? MOTE_OK : c->s->err->status;
}

/* One kind of tensor for all layers. */
static mote_status add_layers(checkpoint *c, src_tensor **t, const char *part, uint64_t rows,
                              uint64_t k)
{
    char name[96];
    mote_status status = MOTE_OK;
    for (uint32_t i = 0; i < c->n_layers && !status; i++) {
        snprintf(name, sizeof name, "model.layers.%u.%s.weight", i, part);
        status = add_tensor(c, (*t)++, name, rows, k);
    }
    return status;
}

static mote_status add_tensors(checkpoint *c)
{
    const uint64_t dim = c->dim, kv = dim / c->n_heads * c->n_kv_heads, ff = c->hidden;
    const struct {
        const char *part;
        uint64_t rows, k;
    } parts[] = {
        {"input_layernorm", dim, 0},    {"self_attn.q_proj", dim, dim},
        {"self_attn.k_proj", kv, dim},  {"self_attn.v_proj", kv, dim},
        {"self_attn.o_proj", dim, dim}, {"post_attention_layernorm", dim, 0},
        {"mlp.gate_proj", ff, dim},     {"mlp.down_proj", dim, ff},
        {"mlp.up_proj", ff, dim},
    };
    const size_t n_parts = sizeof parts / sizeof *parts;
    src_tensor *t = source_add_tensors(c->s, (c->tied ? 2 : 3) + n_parts * c->n_layers);
    if (!t)
        return c->s->err->status;
    c->at = mote_checked_of(7 * sizeof(int32_t));
    mote_status status = add_tensor(c, t++, "model.embed_tokens.weight", c->n_vocab, dim);
    for (size_t i = 0; i < n_parts && !status; i++)
        status = add_layers(c, &t, parts[i].part, parts[i].rows, parts[i].k);
    if (!status)
        status = add_tensor(c, t++, "model.norm.weight", dim, 0);
    mote_checked tables = mote_checked_mul(mote_checked_of(c->n_ctx), dim / c->n_heads / 2 * 8);
    c->at = mote_checked_add(c->at, tables.value);
    if (!status && !c->tied)
        status = add_tensor(c, t++, "lm_head.weight", c->n_vocab, dim);
    if (!status && !mote_checked_is(c->at, c->f->bytes))
        status = convert_fail(c->s->err, MOTE_ERR_FILE,
                              "%s: %llu bytes, but its sizes ask for %llu", c->f->name,
                              (unsigned long long)c->f->bytes, (unsigned long long)c->at.value);
    return status;
}

/* ---- configuration, tokenizer --------------------------------------------------------------- */

/* What the file does not say, its program has built in. */
static mote_status make_config(const checkpoint *c)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"hidden_size", c->dim},
        {"intermediate_size", c->hidden},
        {"num_hidden_layers", c->n_layers},
        {"num_attention_heads", c->n_heads},
        {"num_key_value_heads", c->n_kv_heads},
        {"vocab_size", c->n_vocab},
        {"max_position_embeddings", c->n_ctx},
        {"rms_norm_eps", 1e-5},
        {"rope_theta", 10000},
    };
    cJSON *config = c->s->config = cJSON_CreateObject();
    bool ok = config && cJSON_AddStringToObject(config, "model_type", "llama") &&
              cJSON_AddBoolToObject(config, "tie_word_embeddings", c->tied);
    for (size_t i = 0; ok && i < sizeof numbers / sizeof *numbers; i++)
        ok = cJSON_AddNumberToObject(config, numbers[i].key, numbers[i].value) != NULL;
    return ok ? MOTE_OK : convert_fail(c->s->err, MOTE_ERR_MEMORY, "%s: no memory", c->f->name);
}

/* Cuts the file into n pieces and scores. */
static mote_status split_pieces(const checkpoint *c, const src_file *f, const char *text,
                                mote_text *pieces, float *scores)
{
    size_t at = 4, end = (size_t)f->bytes;
    for (uint32_t i = 0; i < c->n_vocab; i++) {
        int32_t length = -1;
        if (end - at >= 8) {
            memcpy(&scores[i], text + at, 4);
            memcpy(&length, text + at + 4, 4);
        }
        if (length < 0 || (size_t)length > end - at - 8)
            return convert_fail(c->s->err, MOTE_ERR_FILE,
                                "%s: it ends at token %u of %u (is it the right one?)", f->name, i,
                                c->n_vocab);
        pieces[i] = (mote_text){text + at + 8, (size_t)length};
        at += 8 + (size_t)length;
    }
    if (at != end)
        return convert_fail(c->s->err, MOTE_ERR_FILE, "%s: bytes follow token %u, the last one",
                            f->name, c->n_vocab - 1);
    return MOTE_OK;
}

static mote_status read_vocab(const checkpoint *c, const src_file *f)
{
    source *s = c->s;
    char *text = NULL;
    mote_status status = f->bytes < 4
                             ? convert_fail(s->err, MOTE_ERR_FILE, "%s: too short", f->name)
                             : file_read_all(f, MAX_VOCAB_FILE, &s->pool, &text, s->err);
    if (!status && c->n_vocab > f->bytes / 8)
        status = convert_fail(s->err, MOTE_ERR_FILE, "%s: it holds fewer than %u tokens", f->name,
                              c->n_vocab);
    mote_text *pieces = status ? NULL : pool_take(&s->pool, c->n_vocab, sizeof *pieces, s->err);
    float *scores = status ? NULL : pool_take(&s->pool, c->n_vocab, sizeof *scores, s->err);
    if (!status && (!pieces || !scores))
        status = s->err->status;
    if (!status)
        status = split_pieces(c, f, text, pieces, scores);
    tok_vocab v = {.n = c->n_vocab,
                   .pieces = pieces,
                   .scores = scores,
                   .model = "llama2c",
                   .bos = c->n_vocab > 1 ? 1 : -1,
                   .eos = c->n_vocab > 2 ? 2 : -1,
                   .unk = 0,
                   .add_bos = true,
                   .add_space_prefix = true};
    return status ? status : tok_from_vocab(&s->tok, f->name, &v, s->err);
}

/* A story ends with the begin token of the next one; both marks end a text. */
static mote_status set_texts(const checkpoint *c)
{
    char text[300];
    int n = snprintf(text, sizeof text, "llama2.c %s", c->f->name);
    mote_status status = source_set_text(c->s, MOTE_STR_SOURCE, text, (size_t)n);
    c->s->bos_id = c->n_vocab > 1 ? 1 : -1;
    for (uint32_t id = 1; id <= 2 && id < c->n_vocab && !status; id++)
        status = source_add_end_id(c->s, c->f->name, id);
    return status;
}

mote_status llama2c_open(source *s)
{
    checkpoint c = {.s = s, .f = &s->files[0]};
    src_file vocab;
    const char *slash = strrchr(s->opts->vocab, '/');
    mote_status status = read_sizes(&c);
    s->paired_rows = true;
    s->config_file = c.f->name;
    if (!status)
        status = source_open_file(s, &vocab, AT_FDCWD, s->opts->vocab,
                                  slash ? slash + 1 : s->opts->vocab, NULL);
    if (status)
        return status;
    status = add_tensors(&c);
    if (!status)
        status = make_config(&c);
    if (!status)
        status = read_vocab(&c, &vocab);
    file_close(&vocab);
    return status ? status : set_texts(&c);
}
