/* tiny.c: small models made from a seed; see tiny.h. The tokenizer is left out. */
#include "tests/unit/tiny.h"

#include "tests/unit/test.h"

#define MAX_TINY_TENSORS 1024

typedef struct builder {
    tiny_opts o;
    mote_tensor tensors[MAX_TINY_TENSORS];
    uint32_t n;
    uint64_t strings_at;
} builder;

tiny_opts tiny_defaults(void)
{
    return (tiny_opts){.seed = 1,
                       .type = MOTE_F32,
                       .n_layers = 2,
                       .hidden = 64,
                       .n_heads = 4,
                       .n_kv_heads = 2,
                       .head_dim = 16,
                       .ff = 96,
                       .n_vocab = 80,
                       .n_ctx = 512};
}

tiny_opts tiny_experts(void)
{
    tiny_opts o = tiny_defaults();
    o.n_experts = 6;
    o.n_experts_used = 2;
    o.n_groups = o.n_groups_used = 1;
    o.shared_ff = 80;
    o.router = MOTE_ROUTER_NORMALIZE | MOTE_ROUTER_SHARED_MIX;
    return o;
}

tiny_opts tiny_latent(void)
{
    tiny_opts o = tiny_defaults();
    o.n_kv_heads = 1;
    o.kv_rank = 32;
    o.head_dim = 40; /* 8 of them turn */
    o.nope_dim = 24;
    o.v_dim = 20;
    o.q_rank = 48;
    return o;
}

/* Dimensions of a head that turn. */
static uint32_t rope_dim(const tiny_opts *o) { return o->head_dim - o->kv_rank; }

static bool has_experts(const tiny_opts *o, uint32_t place) { return o->n_experts && place > 1; }

tiny_opts tiny_encoder(uint32_t pooling)
{
    tiny_opts o = tiny_defaults();
    o.pooling = pooling;
    o.norm = MOTE_NORM_LAYER;
    o.norm_place = MOTE_NORM_OF_SUM;
    o.mlp = MOTE_MLP_PLAIN;
    o.act = MOTE_ACT_GELU_ERF;
    o.biases = MOTE_BIAS_ALL & ~(uint32_t)MOTE_BIAS_GATE;
    o.no_rope = o.positions = true;
    return o;
}

/* ---- records -------------------------------------------------------------------------------- */

static void add_vector(builder *b, uint32_t place, uint32_t kind, uint64_t n)
{
    b->tensors[b->n++] = (mote_tensor){.place = place,
                                       .kind = kind,
                                       .shape = MOTE_SHAPE_VECTOR,
                                       .n_mats = 1,
                                       .rows = n,
                                       .k = 1,
                                       .bytes = mote_round_up(n * 4, 64)};
}

static void add_mats(builder *b, uint32_t place, uint32_t kind, uint32_t n, uint64_t rows,
                     uint64_t k)
{
    bool f32 = place && (kind == MOTE_L_ROUTER || kind == MOTE_L_SHARED_MIX);
    enum mote_type type = f32 ? MOTE_F32 : b->o.type;
    uint32_t group = type <= MOTE_BF16 ? 0 : 32;
    if (type == MOTE_Q8 && b->o.group)
        group = b->o.group;
    size_t stored = mote_padded_k(type, group, k);
    b->tensors[b->n++] =
        (mote_tensor){.place = place,
                      .kind = kind,
                      .shape = MOTE_SHAPE_MATRIX,
                      .type = type,
                      .group = group,
                      .n_mats = n,
                      .rows = rows,
                      .k = k,
                      .bytes = (rows + 15) / 16 * n * mote_tile_bytes(type, group, stored)};
}

static void add_matrix(builder *b, uint32_t place, uint32_t kind, uint64_t rows, uint64_t k)
{
    add_mats(b, place, kind, 1, rows, k);
}

static uint32_t count_mats(const tiny_opts *o, uint32_t place, uint32_t kind)
{
    if (kind == MOTE_L_K_UP || kind == MOTE_L_V_UP)
        return o->n_heads;
    bool expert = kind == MOTE_L_GATE || kind == MOTE_L_UP || kind == MOTE_L_DOWN;
    return expert && has_experts(o, place) ? o->n_experts : 1;
}

static void add_layer(builder *b, uint32_t place)
{
    const tiny_opts *o = &b->o;
    bool whole = o->qk_norm == MOTE_QK_NORM_WHOLE, gated = o->mlp != MOTE_MLP_PLAIN;
    bool before = o->norm_place <= MOTE_NORM_BEFORE_AND_AFTER,
         after = o->norm_place != MOTE_NORM_BEFORE;
    bool layer = o->norm == MOTE_NORM_LAYER;
    bool latent = o->kv_rank, experts = has_experts(o, place);
    uint32_t query = latent ? o->nope_dim + rope_dim(o) : o->head_dim;
    uint32_t dq = o->n_heads * query, dkv = o->n_kv_heads * o->head_dim;
    uint32_t dv = latent ? o->n_heads * o->v_dim : dq;
    const struct {
        uint32_t kind, rows, k;
        bool wanted;
    } all[] = {
        {MOTE_L_ATTN_NORM, o->hidden, 0, before},
        {MOTE_L_Q, dq, o->q_rank ? o->q_rank : o->hidden, true},
        {MOTE_L_K, dkv, o->hidden, !latent},
        {MOTE_L_V, dkv, o->hidden, !latent},
        {MOTE_L_O, o->hidden, dv, true},
        {MOTE_L_Q_BIAS, dq, 0, o->biases & MOTE_BIAS_Q},
        {MOTE_L_K_BIAS, dkv, 0, o->biases & MOTE_BIAS_K},
        {MOTE_L_V_BIAS, dkv, 0, o->biases & MOTE_BIAS_V},
        {MOTE_L_O_BIAS, o->hidden, 0, o->biases & MOTE_BIAS_O},
        {MOTE_L_Q_NORM, whole ? dq : o->head_dim, 0, o->qk_norm},
        {MOTE_L_K_NORM, whole ? dkv : o->head_dim, 0, o->qk_norm},
        {MOTE_L_ATTN_NORM_BIAS, o->hidden, 0, before && layer},
        {MOTE_L_ATTN_POST_NORM, o->hidden, 0, after},
        {MOTE_L_ATTN_POST_NORM_BIAS, o->hidden, 0, after && layer},
        {MOTE_L_MLP_NORM, o->hidden, 0, before},
        {MOTE_L_GATE, o->ff, o->hidden, gated},
        {MOTE_L_UP, o->ff, o->hidden, true},
        {MOTE_L_DOWN, o->hidden, o->ff, true},
        {MOTE_L_GATE_BIAS, o->ff, 0, o->biases & MOTE_BIAS_GATE},
        {MOTE_L_UP_BIAS, o->ff, 0, o->biases & MOTE_BIAS_UP},
        {MOTE_L_DOWN_BIAS, o->hidden, 0, o->biases & MOTE_BIAS_DOWN},
        {MOTE_L_MLP_NORM_BIAS, o->hidden, 0, before && layer},
        {MOTE_L_MLP_POST_NORM, o->hidden, 0, after},
        {MOTE_L_MLP_POST_NORM_BIAS, o->hidden, 0, after && layer},
        {MOTE_L_ROUTER, o->n_experts, o->hidden, experts},
        {MOTE_L_SHARED_GATE, o->shared_ff, o->hidden, experts && o->shared_ff},
        {MOTE_L_SHARED_UP, o->shared_ff, o->hidden, experts && o->shared_ff},
        {MOTE_L_SHARED_DOWN, o->hidden, o->shared_ff, experts && o->shared_ff},
        {MOTE_L_SHARED_MIX, 1, o->hidden, experts && o->router & MOTE_ROUTER_SHARED_MIX},
        {MOTE_L_KV_A, o->head_dim, o->hidden, latent},
        {MOTE_L_KV_A_NORM, o->kv_rank, 0, latent},
        {MOTE_L_Q_A, o->q_rank, o->hidden, o->q_rank},
        {MOTE_L_Q_A_NORM, o->q_rank, 0, o->q_rank},
        {MOTE_L_K_UP, o->kv_rank, o->nope_dim, latent},
        {MOTE_L_V_UP, o->v_dim, o->kv_rank, latent},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].wanted && all[i].k)
            add_mats(b, place, all[i].kind, count_mats(o, place, all[i].kind), all[i].rows,
                     all[i].k);
        else if (all[i].wanted)
            add_vector(b, place, all[i].kind, all[i].rows);
    }
}

static void add_encoder(builder *b)
{
    const tiny_opts *o = &b->o;
    add_matrix(b, 0, MOTE_W_TYPES, 2, o->hidden);
    add_vector(b, 0, MOTE_W_EMBED_NORM, o->hidden);
    add_vector(b, 0, MOTE_W_EMBED_NORM_BIAS, o->hidden);
    if (o->pooling != MOTE_POOL_SCORE)
        return;
    add_matrix(b, 0, MOTE_W_POOLER, o->hidden, o->hidden);
    add_vector(b, 0, MOTE_W_POOLER_BIAS, o->hidden);
    add_matrix(b, 0, MOTE_W_CLASSIFIER, 3, o->hidden);
    add_vector(b, 0, MOTE_W_CLASSIFIER_BIAS, 3);
}

/* ---- contents ------------------------------------------------------------------------------- */

/* About normal: the sum of four uniform numbers, with this deviation. */
static float normal(uint64_t *seed, double deviation)
{
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (double)(test_random(seed) >> 11) * 0x1p-53 - 0.5;
    return (float)(sum * deviation * 1.7320508);
}

/* For numbers that are normal in f16. */
static uint16_t to_f16(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    uint32_t sign = u >> 16 & 0x8000, rest = (u & 0x7fffffff) + 0xfff + (u >> 13 & 1);
    return (uint16_t)(rest < 113u << 23 ? sign : sign | ((rest >> 13) - (112u << 10)));
}

static uint16_t to_bf16(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static void fill_scales(uint8_t *p, size_t bytes, enum mote_type type, uint64_t *seed, double s)
{
    if (type == MOTE_Q4) {
        for (size_t i = 0; i < 16; i++)
            memcpy(p + 4 * i, &(float){(float)(s / 16)}, 4);
        for (size_t i = 64; i < bytes; i++)
            p[i] = (uint8_t)(test_random(seed) % 3 + 1);
        return;
    }
    double each = type == MOTE_Q8 ? s / 74 : s / 5;
    for (size_t i = 0; i + 1 < bytes; i += 2) {
        uint16_t h = to_f16((float)each * (1 + (float)(test_random(seed) % 64) / 128));
        if (type == MOTE_Q4_1 && i % 64 >= 32)
            h = to_f16((float)(-7.5 * each));
        memcpy(p + i, &h, 2);
    }
}

static void fill_tile(uint8_t *p, const mote_tensor *t, uint64_t *seed)
{
    enum mote_type type = (enum mote_type)t->type;
    size_t stored = mote_padded_k(type, t->group ? t->group : 1, t->k), at = 0;
    size_t bytes = mote_tile_bytes(type, t->group ? t->group : 1, stored);
    double s = 1.0 / sqrt((double)t->k);
    if (t->group) {
        at = mote_tile_scale_bytes(type, t->group, stored);
        fill_scales(p, at, type, seed, s);
    }
    size_t each = type == MOTE_F32 ? 4 : type <= MOTE_BF16 ? 2 : 1;
    for (; at < bytes; at += each) {
        float x = type <= MOTE_BF16 ? normal(seed, s) : 0.0f;
        uint16_t h = type == MOTE_F16 ? to_f16(x) : to_bf16(x);
        uint8_t code = (uint8_t)test_random(seed);
        memcpy(p + at, each == 4 ? (void *)&x : each == 2 ? (void *)&h : (void *)&code, each);
    }
}

static void fill_vector(uint8_t *p, const mote_tensor *t, const tiny_opts *o, uint64_t *seed)
{
    bool rope = !t->place && t->kind >= MOTE_W_ROPE && t->kind < MOTE_W_ROPE + 8;
    static const uint64_t biases =
        UINT64_C(15) << MOTE_L_Q_BIAS | UINT64_C(7) << MOTE_L_GATE_BIAS |
        UINT64_C(1) << MOTE_L_ATTN_NORM_BIAS | UINT64_C(1) << MOTE_L_ATTN_POST_NORM_BIAS |
        UINT64_C(1) << MOTE_L_MLP_NORM_BIAS | UINT64_C(1) << MOTE_L_MLP_POST_NORM_BIAS;
    bool bias = t->place ? biases >> t->kind & 1 : t->kind == MOTE_W_FINAL_NORM_BIAS;
    for (uint64_t i = 0; i < t->rows; i++) {
        float x = bias ? normal(seed, 0.1) : 1 + normal(seed, 0.1);
        if (rope)
            x = (float)pow(t->kind == MOTE_W_ROPE ? 10000 : 50000, -2.0 * (double)i / rope_dim(o));
        memcpy(p + 4 * i, &x, 4);
    }
}

static void fill(uint8_t *p, const mote_tensor *t, const tiny_opts *o)
{
    uint64_t seed = o->seed * 1000003 + t->place * 64 + t->kind,
             tiles = (t->rows + 15) / 16 * t->n_mats;
    if (t->shape == MOTE_SHAPE_VECTOR)
        fill_vector(p, t, o, &seed);
    for (uint64_t i = 0; t->shape == MOTE_SHAPE_MATRIX && i < tiles; i++)
        fill_tile(p + i * (t->bytes / tiles), t, &seed);
}

/* ---- the image ------------------------------------------------------------------------------ */

static void set_experts(mote_layer *l, const tiny_opts *o)
{
    l->mlp = MOTE_MLP_EXPERTS;
    l->n_experts = o->n_experts;
    l->n_experts_used = o->n_experts_used;
    l->n_groups = o->n_groups;
    l->n_groups_used = o->n_groups_used;
    l->shared_ff = o->shared_ff;
    l->router = o->router;
    l->router_scale = 1.5f;
}

static void set_pooling(mote_index *x, uint32_t pooling)
{
    x->final_norm = MOTE_NORM_NONE;
    x->pooling = pooling;
    x->normalize = pooling != MOTE_POOL_SCORE;
    x->max_tokens = 400;
    x->n_types = 2;
    x->n_labels = pooling == MOTE_POOL_SCORE ? 3 : 0;
    x->pair_joins = 1;
}

static void fill_index(mote_index *x, const tiny_opts *o)
{
    static const char strings[] = "tinytest";
    mote_layer *l = (mote_layer *)(void *)(x + 1);
    memcpy(x->magic, MOTE_MAGIC, 8);
    x->version = MOTE_FORMAT_VERSION;
    x->n_layers = o->n_layers;
    x->strings_bytes = 8;
    x->weight_type = o->type;
    x->n_vocab = o->n_vocab;
    x->hidden = o->hidden;
    x->n_ctx = o->n_ctx;
    x->final_norm = o->norm ? o->norm : MOTE_NORM_RMS;
    x->final_norm_eps = 1e-5f;
    if (o->pooling)
        set_pooling(x, o->pooling);
    x->embed_scale = x->logit_scale = 1;
    x->logit_softcap = o->logit_softcap;
    x->rope_long_from = o->rope_long_from;
    x->n_rope = (o->no_rope ? 0u : 1u) + (o->rope_long_from ? 1u : 0u);
    x->n_end_ids = 1;
    x->end_ids[0] = 2;
    x->bos_id = 1;
    x->strings[MOTE_STR_NAME] = (mote_string){0, 4};
    x->strings[MOTE_STR_FAMILY] = (mote_string){4, 4};
    for (uint32_t i = 0; i < o->n_layers; i++) {
        l[i] = (mote_layer){.attn = o->pooling   ? MOTE_ATTN_WHOLE
                                    : o->kv_rank ? MOTE_ATTN_LATENT
                                                 : MOTE_ATTN_GROUPED,
                            .n_heads = o->n_heads,
                            .n_kv_heads = o->n_kv_heads,
                            .head_dim = o->head_dim,
                            .rope = !o->no_rope,
                            .rope_dim = rope_dim(o),
                            .rope_scale = 1,
                            .qk_norm = o->qk_norm,
                            .attn_scale = 1 / sqrtf((float)o->head_dim),
                            .attn_softcap = o->attn_softcap,
                            .window = o->window,
                            .biases = o->biases,
                            .norm = o->norm ? o->norm : MOTE_NORM_RMS,
                            .norm_place = o->norm_place,
                            .norm_eps = 1e-5f,
                            .mlp = o->mlp ? o->mlp : MOTE_MLP_GATED,
                            .act = o->act ? o->act : MOTE_ACT_SILU,
                            .ff = o->ff,
                            .rope_long = o->rope_long_from ? 2 : 0,
                            .q_rank = o->q_rank,
                            .kv_rank = o->kv_rank,
                            .nope_dim = o->nope_dim,
                            .v_dim = o->v_dim};
        if (has_experts(o, i + 1))
            set_experts(&l[i], o);
    }
    memcpy((char *)x + x->strings_at, strings, 8);
}

/* Records of all tensors, in order, with their places in the data. Returns where the data ends. */
static uint64_t describe(builder *b, uint64_t *index_bytes)
{
    const tiny_opts *o = &b->o;
    add_matrix(b, 0, MOTE_W_EMBED, o->n_vocab, o->hidden);
    if (!o->pooling)
        add_vector(b, 0, MOTE_W_FINAL_NORM, o->hidden);
    if (o->untied)
        add_matrix(b, 0, MOTE_W_HEAD, o->n_vocab, o->hidden);
    if (o->norm == MOTE_NORM_LAYER && !o->pooling)
        add_vector(b, 0, MOTE_W_FINAL_NORM_BIAS, o->hidden);
    if (o->positions)
        add_matrix(b, 0, MOTE_W_POSITIONS, o->n_ctx, o->hidden);
    if (!o->no_rope)
        add_vector(b, 0, MOTE_W_ROPE, rope_dim(o) / 2);
    if (o->rope_long_from)
        add_vector(b, 0, MOTE_W_ROPE + 1, rope_dim(o) / 2);
    if (o->pooling)
        add_encoder(b);
    for (uint32_t i = 0; i < o->n_layers; i++)
        add_layer(b, i + 1);
    b->strings_at =
        sizeof(mote_index) + o->n_layers * sizeof(mote_layer) + b->n * sizeof(mote_tensor);
    uint64_t end = *index_bytes = mote_round_up(b->strings_at + 8, 64);
    for (uint32_t i = 0; i < b->n; i++) {
        b->tensors[i].offset = end;
        end += b->tensors[i].bytes;
    }
    return end;
}

static void *take(size_t bytes)
{
    void *p = aligned_alloc(64, mote_round_up(bytes, 64));
    if (!p)
        abort();
    return memset(p, 0, bytes);
}

/* Puts the JSON header in front of the data. */
static uint8_t *add_header(uint8_t *data, size_t data_bytes, size_t *bytes)
{
    mote_index *x = (mote_index *)(void *)data;
    uint64_t json = mote_round_up(8 + mote_index_json(x, NULL, 0), 64) - 8;
    uint8_t *image = take(8 + json + data_bytes);
    *bytes = 8 + json + data_bytes;
    memcpy(image, &json, 8);
    memset(image + 8, ' ', json);
    mote_index_json(x, (char *)image + 8, json);
    x->json_bytes = json;
    x->file_bytes = *bytes;
    x->json_crc = mote_crc32c(0, image + 8, json);
    memcpy(image + 8 + json, data, data_bytes);
    tiny_reseal(image);
    return image;
}

uint8_t *tiny_image(const tiny_opts *o, size_t *bytes)
{
    builder *b = take(sizeof *b);
    b->o = *o;
    uint64_t index_bytes, end = describe(b, &index_bytes);
    uint8_t *data = take(end);
    mote_index *x = (mote_index *)(void *)data;
    x->n_tensors = b->n;
    x->strings_at = (uint32_t)b->strings_at;
    x->index_bytes = (uint32_t)index_bytes;
    fill_index(x, o);
    for (uint32_t i = 0; i < b->n; i++) {
        mote_tensor *t = &b->tensors[i];
        fill(data + t->offset, t, o);
        t->crc = mote_crc32c(0, data + t->offset, t->bytes);
    }
    memcpy((mote_layer *)(void *)(x + 1) + o->n_layers, b->tensors, b->n * sizeof(mote_tensor));
    uint8_t *image = add_header(data, end, bytes);
    free(data);
    free(b);
    return image;
}

mote_index *tiny_index(uint8_t *image)
{
    uint64_t n;
    memcpy(&n, image, 8);
    return (mote_index *)(void *)(image + 8 + n);
}

mote_layer *tiny_layer(uint8_t *image, uint32_t i)
{
    return (mote_layer *)(void *)(tiny_index(image) + 1) + i;
}

mote_tensor *tiny_tensor(uint8_t *image, uint32_t i)
{
    return (mote_tensor *)(void *)tiny_layer(image, tiny_index(image)->n_layers) + i;
}

void tiny_reseal(uint8_t *image)
{
    mote_index *x = tiny_index(image);
    x->index_crc = 0;
    x->index_crc = mote_crc32c(0, x, x->index_bytes);
}

/* ---- models and sessions -------------------------------------------------------------------- */

static void report(const char *what, const mote_error *err)
{
    printf("  %s: %s %s (got %llu, wanted %llu)\n", what, err->what ? err->what : "", err->name,
           (unsigned long long)err->got, (unsigned long long)err->wanted);
}

bool tiny_open(tiny_model *t, const tiny_opts *o, const char *isa)
{
    size_t bytes, need;
    mote_error err = {0};
    mote_model_opts mo = {.isa = isa};
    memset(t, 0, sizeof *t);
    t->bytes = tiny_image(o, &bytes);
    if (!mote_image_open(&t->image, t->bytes, bytes, &err) &&
        (need = mote_model_bytes(&t->image, &err)) > 0) {
        t->memory = take(need);
        if (!mote_model_init(&t->model, t->memory, need, &t->image, &mo, &err))
            return true;
    }
    report("tiny model", &err);
    tiny_close(t);
    return false;
}

void tiny_close(tiny_model *t)
{
    free(t->memory);
    free(t->bytes);
    memset(t, 0, sizeof *t);
}

mote_session *tiny_session(const mote_model *m, const mote_session_opts *o)
{
    mote_session_plan plan;
    mote_session *s = NULL;
    mote_error err = {0};
    if (mote_session_plan_bytes(&plan, m, o, &err)) {
        report("tiny session", &err);
        return NULL;
    }
    void *mem = take(plan.total_bytes);
    if (mote_session_init(&s, mem, plan.total_bytes, m, o, &err)) {
        report("tiny session", &err);
        free(mem);
    }
    return s;
}

static uint64_t fnv(uint64_t hash, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

uint64_t tiny_hash(const mote_model *m, const mote_session_opts *o, const int32_t *ids, size_t n,
                   size_t chunk, const mote_team *team)
{
    uint64_t hash = 0xcbf29ce484222325u;
    mote_model_info info;
    mote_error err = {0};
    mote_row *rows = take(chunk * sizeof *rows);
    mote_session *s = tiny_session(m, o);
    mote_model_get_info(m, &info);
    for (size_t at = 0; s && hash && at < n; at += chunk) {
        size_t len = chunk < n - at ? chunk : n - at;
        for (size_t i = 0; i < len; i++)
            rows[i] = (mote_row){ids[at + i], (uint32_t)(at + i), s, true};
        if (mote_forward(s, rows, len, team, NULL, &err)) {
            report("forward", &err);
            hash = 0;
        }
        for (size_t i = 0; hash && i < len; i++)
            hash = fnv(hash, mote_session_logits(s, i), info.n_vocab * sizeof(float));
    }
    free(rows);
    free(s);
    return s ? hash : 0;
}
