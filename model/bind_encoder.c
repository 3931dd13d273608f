/* bind_encoder.c: what an encoder has beside token embedding and layers: positions, token types,
 * the norm of the embeddings, the head of a cross-encoder. Read model.c first. */
#include "include/mote_error.h"
#include "model/model.h"

#if MOTE_ENCODERS

static mote_status check_fields(const mote_index *x, mote_error *err)
{
    const mote_status file = MOTE_ERR_FILE;
    if (x->pooling > MOTE_POOL_SCORE)
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "pooling", NULL, x->pooling,
                             MOTE_POOL_SCORE);
    if (x->normalize > 1)
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "normalisation", NULL, x->normalize, 1);
    if (!x->max_tokens || x->max_tokens > x->n_ctx)
        return mote_fail_got(err, file, "longest text", NULL, x->max_tokens, x->n_ctx);
    if (!x->n_types || x->n_types > 256)
        return mote_fail_got(err, file, "token types", NULL, x->n_types, 256);
    if (x->pooling == MOTE_POOL_SCORE ? !x->n_labels || x->n_labels > MOTE_MAX_DIM
                                      : x->n_labels != 0)
        return mote_fail_got(err, file, "labels", NULL, x->n_labels, MOTE_MAX_DIM);
    if (x->pair_joins > 16)
        return mote_fail_got(err, file, "joins of a pair", NULL, x->pair_joins, 16);
    if (x->final_norm || x->embed_scale != 1.0f || x->logit_scale != 1.0f ||
        x->logit_softcap != 0.0f)
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "a final norm, scale or cap in an encoder",
                         NULL);
    return MOTE_OK;
}

/* The pooler [hidden, hidden] and the classifier [n_labels, hidden], with biases. */
static mote_status bind_head(mote_model *m, const mote_image *image, uint32_t *n_bound,
                             mote_error *err)
{
    const mote_index *x = image->index;
    mote_linear *parts[] = {&m->pooler, &m->classifier};
    const uint32_t kinds[] = {MOTE_W_POOLER, MOTE_W_CLASSIFIER};
    const uint32_t rows[] = {x->hidden, x->n_labels};
    mote_status s = MOTE_OK;
    for (size_t i = 0; !s && i < 2; i++) {
        s = mote_bind_matrix(image, 0, kinds[i], rows[i], x->hidden, &parts[i]->w, n_bound, err);
        if (!s)
            s = mote_bind_vector(image, 0, kinds[i] + 1, rows[i], &parts[i]->bias, n_bound, err);
        m->reads_floats |= !s && parts[i]->w.type <= MOTE_BF16;
        m->reads_codes |= !s && parts[i]->w.type > MOTE_BF16;
    }
    return s;
}

mote_status mote_bind_encoder(mote_model *m, const mote_image *image, uint32_t *n_bound,
                              mote_error *err)
{
    const mote_index *x = image->index;
    uint32_t hidden = x->hidden;
    mote_status s = check_fields(x, err);
    m->head = m->embed;
    m->embed_norm.eps = x->final_norm_eps;
    if (!s)
        s = mote_bind_matrix(image, 0, MOTE_W_POSITIONS, x->n_ctx, hidden, &m->positions, n_bound,
                             err);
    if (!s)
        s = mote_bind_matrix(image, 0, MOTE_W_TYPES, x->n_types, hidden, &m->types, n_bound, err);
    if (!s)
        s = mote_bind_vector(image, 0, MOTE_W_EMBED_NORM, hidden, &m->embed_norm.w, n_bound, err);
    if (!s)
        s = mote_bind_vector(image, 0, MOTE_W_EMBED_NORM_BIAS, hidden, &m->embed_norm.b, n_bound,
                             err);
    if (!s && x->pooling == MOTE_POOL_SCORE)
        s = bind_head(m, image, n_bound, err);
    return s;
}

void mote_model_get_encoder(const mote_model *m, mote_encoder_info *info)
{
    const mote_index *x = m->index;
    *info = (mote_encoder_info){.pooling = (mote_pooling)x->pooling,
                                .normalize = x->normalize != 0,
                                .max_tokens = x->max_tokens,
                                .n_types = x->n_types,
                                .pair_joins = x->pair_joins};
    if (x->pooling)
        info->n_out = x->pooling == MOTE_POOL_SCORE ? x->n_labels : x->hidden;
}

#endif
