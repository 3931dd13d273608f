/* test_experts.c: layers of experts and of latents: records that do not fit are refused, ties go to
 * the lower expert, and a NaN does no harm. test_contract.c has the same bits everywhere. */
#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

typedef struct damage {
    size_t at, bytes; /* of the layer record */
    uint32_t value;
    mote_status status;
} damage;

#define FIELD(name, value, status)                                                                 \
    {                                                                                              \
        offsetof(mote_layer, name), sizeof((mote_layer){0}.name), value, MOTE_ERR_##status         \
    }

/* Layer 1 with one field changed. */
static void try_damage(const tiny_opts *o, const damage *d, size_t number)
{
    size_t bytes;
    uint8_t *file = tiny_image(o, &bytes);
    mote_image image;
    mote_error err = {0};
    memcpy((uint8_t *)tiny_layer(file, 1) + d->at, &d->value, d->bytes);
    tiny_reseal(file);
    mote_status opened = mote_image_open(&image, file, bytes, &err);
    if (!opened && mote_model_bytes(&image, &err) > 0)
        err.status = MOTE_OK;
    if (!CHECK(err.status == d->status))
        printf("  damage %zu: status %d, not %d (%s)\n", number, (int)err.status, (int)d->status,
               err.what ? err.what : "");
    free(file);
}

TEST(bad_records_of_experts_are_refused)
{
    static const damage all[] = {
        FIELD(n_experts, 0, FILE),
        FIELD(n_experts, 5, FILE),
        FIELD(n_experts, 7, FILE),
        FIELD(n_experts, 65535, FILE),
        FIELD(n_experts_used, 0, FILE),
        FIELD(n_experts_used, 7, FILE),
        FIELD(n_groups, 0, FILE),
        FIELD(n_groups, 4, FILE),
        FIELD(n_groups, 65535, FILE),
        FIELD(n_groups_used, 0, FILE),
        FIELD(n_groups_used, 2, FILE),
        FIELD(shared_ff, 0, FILE),
        FIELD(shared_ff, 81, FILE),
        FIELD(shared_ff, UINT32_MAX, FILE),
        FIELD(router, 4, UNSUPPORTED),
        FIELD(router, 1, FILE), /* a mix is left over */
        FIELD(router_scale, 0x7f800000, FILE),
        FIELD(ff, 97, FILE),
        FIELD(mlp, MOTE_MLP_GATED, FILE),
        FIELD(mlp, 99, UNSUPPORTED),
        FIELD(biases, MOTE_BIAS_UP, UNSUPPORTED),
        FIELD(q_rank, 1, FILE),
        FIELD(kv_rank, 1, FILE),
    };
    tiny_opts o = tiny_experts();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        try_damage(&o, &all[i], i);
}

TEST(bad_records_of_latents_are_refused)
{
    static const damage all[] = {
        FIELD(kv_rank, 0, FILE),
        FIELD(kv_rank, 31, FILE),
        FIELD(kv_rank, 65535, FILE),
        FIELD(nope_dim, 0, FILE),
        FIELD(nope_dim, 25, FILE),
        FIELD(nope_dim, 65535, FILE),
        FIELD(v_dim, 0, FILE),
        FIELD(v_dim, 21, FILE),
        FIELD(v_dim, 65535, FILE),
        FIELD(q_rank, 0, FILE),
        FIELD(q_rank, 49, FILE),
        FIELD(n_kv_heads, 2, FILE),
        FIELD(head_dim, 42, FILE),
        FIELD(rope, 0, FILE),
        FIELD(rope_dim, 10, FILE),
        FIELD(rope_dim, 0, FILE),
        FIELD(n_heads, 5, FILE),
        FIELD(n_heads, 1u << 20, FILE),
        FIELD(qk_norm, 1, UNSUPPORTED),
        FIELD(biases, MOTE_BIAS_Q, UNSUPPORTED),
        FIELD(attn, MOTE_ATTN_GROUPED, FILE),
        FIELD(attn, 3, UNSUPPORTED),
        FIELD(n_experts, 1, FILE),
        FIELD(router_scale, 0x3f800000, FILE),
    };
    tiny_opts o = tiny_latent();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        try_damage(&o, &all[i], i);
}

static mote_tensor *find_tensor(uint8_t *file, uint32_t place, uint32_t kind)
{
    uint32_t i = 0;
    while (tiny_tensor(file, i)->place != place || tiny_tensor(file, i)->kind != kind)
        i++;
    return tiny_tensor(file, i);
}

static uint8_t *bytes_of(uint8_t *file, const mote_tensor *t)
{
    return (uint8_t *)tiny_index(file) + t->offset;
}

/* Logits of one token, or the status of the failure. */
static mote_status run(uint8_t *file, size_t bytes, float *logits, size_t n)
{
    mote_image image;
    mote_error err = {0};
    mote_model *m = NULL;
    mote_session_opts so = {.n_ctx = 8, .n_batch = 1, .n_logits = 1, .n_threads = 1};
    if (mote_image_open(&image, file, bytes, &err))
        return err.status;
    size_t need = mote_model_bytes(&image, &err);
    void *memory = aligned_alloc(64, mote_round_up(need, 64));
    mote_status s = mote_model_init(&m, memory, need, &image, NULL, &err);
    mote_session *session = s ? NULL : tiny_session(m, &so);
    mote_row row = {3, 0, session, true};
    if (session)
        s = mote_forward(session, &row, 1, NULL, NULL, &err);
    if (session && !s)
        memcpy(logits, mote_session_logits(session, 0), n * sizeof *logits);
    free(session);
    free(memory);
    return s;
}

/* With a router of zeros all experts are as good: the first two are taken, so the others may hold
 * anything, and the first two may not. */
TEST(ties_go_to_the_lower_expert)
{
    static const uint32_t kinds[] = {MOTE_L_GATE, MOTE_L_UP, MOTE_L_DOWN};
    tiny_opts o = tiny_experts();
    float want[80], got[80];
    size_t bytes;
    uint8_t *file = tiny_image(&o, &bytes);
    mote_tensor *router = find_tensor(file, 2, MOTE_L_ROUTER);
    memset(bytes_of(file, router), 0, router->bytes);
    REQUIRE(run(file, bytes, want, 80) == MOTE_OK);
    for (size_t e = o.n_experts; e-- > 0;) {
        for (size_t i = 0; i < 3; i++) {
            mote_tensor *t = find_tensor(file, 2, kinds[i]);
            memset(bytes_of(file, t) + e * (t->bytes / t->n_mats), 0, t->bytes / t->n_mats);
        }
        REQUIRE(run(file, bytes, got, 80) == MOTE_OK);
        CHECK((memcmp(want, got, sizeof want) == 0) == (e >= o.n_experts_used));
    }
    free(file);
}

TEST(router_that_is_not_finite_ends_in_an_error)
{
    tiny_opts o = tiny_experts();
    float logits[80];
    size_t bytes;
    uint8_t *file = tiny_image(&o, &bytes);
    mote_tensor *router = find_tensor(file, 2, MOTE_L_ROUTER);
    memset(bytes_of(file, router), 0xff, router->bytes);
    CHECK(run(file, bytes, logits, 80) == MOTE_ERR_FILE);
    free(file);
}
