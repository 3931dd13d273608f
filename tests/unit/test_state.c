/* test_state.c: saved sessions: they go on with the same bits, and bad ones are refused. */
#include "include/mote_host.h"
#include "loader/image.h"
#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

enum { N_CTX = 96, N_BEFORE = 37, N_AFTER = 9 };

static int32_t id_at(uint32_t pos) { return (int32_t)((pos * 31 + 7) % 80); }

static mote_session *fresh(const tiny_model *t, mote_kv kv, uint32_t n_ctx)
{
    mote_session_opts so = {n_ctx, kv, 16, 1, 1};
    return tiny_session(t->model, &so);
}

static void feed(mote_session *s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t pos = mote_session_length(s);
        mote_row row = {id_at(pos), pos, s, true};
        if (mote_forward(s, &row, 1, NULL, NULL, NULL))
            abort();
    }
}

/* The state after N_BEFORE positions; free() it. */
static uint8_t *state_of(const tiny_model *t, mote_kv kv, size_t *bytes)
{
    int32_t ids[N_BEFORE];
    mote_error err;
    mote_session *s = fresh(t, kv, N_CTX);
    for (uint32_t i = 0; i < N_BEFORE; i++)
        ids[i] = id_at(i);
    feed(s, N_BEFORE);
    *bytes = mote_session_state_bytes(s);
    uint8_t *state = malloc(*bytes);
    CHECK(mote_session_save(s, ids, state, *bytes - 1, &err) == MOTE_ERR_MEMORY);
    CHECK(mote_session_save(s, ids, state, *bytes, &err) == MOTE_OK);
    free(s);
    return state;
}

static void check_continues(const tiny_opts *to)
{
    tiny_model t;
    mote_error err;
    mote_pool *pool = mote_pool_new(3, &err);
    REQUIRE(pool);
    REQUIRE(tiny_open(&t, to, NULL));
    for (int kv = MOTE_KV_F32; kv <= MOTE_KV_Q8; kv++) {
        size_t bytes;
        int32_t ids[N_CTX] = {0};
        uint8_t *state = state_of(&t, (mote_kv)kv, &bytes);
        mote_session *straight = fresh(&t, (mote_kv)kv, N_CTX);
        mote_session *restored = fresh(&t, (mote_kv)kv, N_CTX - 16); /* another context size */
        feed(straight, N_BEFORE + N_AFTER);
        feed(restored, 5); /* what it held before does not matter */
        CHECK(mote_session_restore(restored, ids, state, bytes,
                                   kv == MOTE_KV_F32 ? NULL : mote_pool_team(pool),
                                   &err) == MOTE_OK);
        CHECK(mote_session_length(restored) == N_BEFORE &&
              ids[N_BEFORE - 1] == id_at(N_BEFORE - 1));
        feed(restored, N_AFTER);
        CHECK(memcmp(mote_session_logits(straight, 0), mote_session_logits(restored, 0),
                     80 * sizeof(float)) == 0);
        free(straight);
        free(restored);
        free(state);
    }
    mote_pool_free(pool);
    tiny_close(&t);
}

TEST(restored_sessions_go_on_with_the_same_bits)
{
    tiny_opts dense = tiny_defaults(), latent = tiny_latent();
    check_continues(&dense);
    check_continues(&latent);
}

TEST(bad_states_are_refused)
{
    tiny_opts to = tiny_defaults(), others = tiny_defaults();
    tiny_model t, other;
    mote_error err;
    size_t bytes;
    int32_t ids[N_CTX];
    others.seed++;
    REQUIRE(tiny_open(&t, &to, NULL) && tiny_open(&other, &others, NULL));
    uint8_t *state = state_of(&t, MOTE_KV_F16, &bytes);
    mote_session *s = fresh(&t, MOTE_KV_F16, N_CTX), *small = fresh(&t, MOTE_KV_F16, N_BEFORE - 1);
    mote_session *q8 = fresh(&t, MOTE_KV_Q8, N_CTX), *foreign = fresh(&other, MOTE_KV_F16, N_CTX);
    CHECK(mote_session_restore(small, ids, state, bytes, NULL, &err) == MOTE_ERR_LIMIT);
    CHECK(mote_session_restore(q8, ids, state, bytes, NULL, &err) == MOTE_ERR_UNSUPPORTED);
    CHECK(mote_session_restore(foreign, ids, state, bytes, NULL, &err) == MOTE_ERR_UNSUPPORTED);
    for (size_t cut = 0; cut < bytes; cut += cut < 80 ? 1 : 997)
        CHECK(mote_session_restore(s, ids, state, cut, NULL, &err) == MOTE_ERR_FILE);
    for (size_t at = 0; at < bytes; at += at < 400 ? 1 : 331) {
        state[at] ^= 0x10;
        mote_status got = mote_session_restore(s, ids, state, bytes, NULL, &err);
        CHECK(got == MOTE_ERR_FILE || got == MOTE_ERR_UNSUPPORTED || got == MOTE_ERR_LIMIT);
        state[at] ^= 0x10;
    }
    CHECK(mote_session_length(s) == 0);
    CHECK(mote_session_restore(s, ids, state, bytes, NULL, &err) == MOTE_OK);
    free(s), free(small), free(q8), free(foreign), free(state);
    tiny_close(&t);
    tiny_close(&other);
}

/* Every word of the header changed and the checksum right again, so that the fields themselves are
 * looked at; those of the ids too. */
TEST(sealed_states_with_odd_fields_are_refused)
{
    static const uint32_t odd[] = {0, 1, 2, 36, 38, 79, 80, 97, 0x7fffffff, 0x80000000, 0xffffffff};
    enum { CRC_AT = 16, WORDS = 64 / 4 };
    tiny_opts to = tiny_defaults();
    tiny_model t;
    mote_error err;
    size_t bytes;
    int32_t ids[N_CTX];
    REQUIRE(tiny_open(&t, &to, NULL));
    uint8_t *state = state_of(&t, MOTE_KV_F16, &bytes), *bad = malloc(bytes);
    mote_session *s = fresh(&t, MOTE_KV_F16, N_CTX);
    for (size_t at = 0; at < WORDS + N_BEFORE; at++)
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
            uint32_t zero = 0;
            memcpy(bad, state, bytes);
            memcpy(bad + 4 * at, &odd[i], 4);
            memcpy(bad + CRC_AT, &zero, 4);
            bool same = memcmp(bad + 4 * at, state + 4 * at, 4) == 0;
            bool good_id = at >= WORDS && odd[i] < 80;
            uint32_t crc = mote_crc32c(0, bad, bytes);
            memcpy(bad + CRC_AT, &crc, 4);
            mote_status got = mote_session_restore(s, ids, bad, bytes, NULL, &err);
            if (at == CRC_AT / 4 || same || good_id)
                CHECK(got == MOTE_OK);
            else
                CHECK(got == MOTE_ERR_FILE || got == MOTE_ERR_UNSUPPORTED || got == MOTE_ERR_LIMIT);
        }
    CHECK(mote_session_restore(s, ids, state, bytes, NULL, &err) == MOTE_OK);
    free(s), free(bad), free(state);
    tiny_close(&t);
}
