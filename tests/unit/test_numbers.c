/* test_numbers.c: odd numbers in weights, odd ways of rounding: an error or the right bits, never
 * a text of nonsense. */
#include <fenv.h>

#include "loader/format.h"
#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

enum { N_IDS = 12 };

static const mote_session_opts opts = {32, MOTE_KV_F16, 8, 8, 1};

/* What a text's last row gives with the model in these bytes. */
static mote_status run(const uint8_t *bytes, size_t n, mote_error *err)
{
    mote_image image;
    mote_model *m = NULL;
    mote_model_opts mo = {.isa = NULL};
    if (mote_image_open(&image, bytes, n, err))
        return err->status;
    size_t need = mote_model_bytes(&image, err);
    void *memory = need ? aligned_alloc(MOTE_ALIGN, (need + 63) / 64 * 64) : NULL;
    mote_status status = memory ? mote_model_init(&m, memory, need, &image, &mo, err) : err->status;
    mote_session *s = status ? NULL : tiny_session(m, &opts);
    for (uint32_t i = 0; s && !status && i < N_IDS; i++) {
        mote_row row = {(int32_t)i * 5, i, s, true};
        status = mote_forward(s, &row, 1, NULL, NULL, err);
        for (size_t v = 0; !status && v < 80; v++)
            CHECK(isfinite(mote_session_logits(s, 0)[v]));
    }
    free(s);
    free(memory);
    return status;
}

/* Each matrix and vector filled with a word that is no number, infinite, huge or subnormal as f32,
 * as f16 and as bf16: refused at load, an error of the run, or finite logits. */
TEST(poisoned_weights_end_in_an_error_or_in_numbers)
{
    static const uint32_t words[] = {0x7fc00000, 0xff800000, 0x7f7fffff, 1,
                                     0x7e007e00, 0x7bff7bff, 0x7f807f80, 0x00010001};
    for (int type = 0; type < MOTE_TYPES; type++) {
        tiny_opts o = tiny_defaults();
        o.type = (enum mote_type)type;
        size_t bytes;
        uint8_t *good = tiny_image(&o, &bytes), *bad = aligned_alloc(MOTE_ALIGN, bytes);
        const mote_index *x = tiny_index(good);
        unsigned n_errors = 0;
        for (uint32_t i = 0; i < x->n_tensors; i++)
            for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
                mote_error err = {.what = NULL};
                const mote_tensor *t = tiny_tensor(good, i);
                memcpy(bad, good, bytes);
                uint8_t *data = (uint8_t *)tiny_index(bad) + t->offset;
                for (size_t at = 0; at + 4 <= t->bytes; at += 4)
                    memcpy(data + at, &words[w], 4);
                mote_status status = run(bad, bytes, &err);
                CHECK(status == MOTE_OK || status == MOTE_ERR_FILE);
                CHECK(status == MOTE_OK || err.what);
                n_errors += status == MOTE_ERR_FILE;
            }
        CHECK(n_errors > 0);
        free(bad);
        free(good);
    }
}

/* However the caller's thread rounds, the bits are the same, and it goes on as it did. */
TEST(the_callers_rounding_is_kept_and_does_not_matter)
{
    static const int ways[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST};
    tiny_opts o = tiny_defaults();
    tiny_model t;
    int32_t ids[N_IDS];
    for (int32_t i = 0; i < N_IDS; i++)
        ids[i] = i * 5;
    REQUIRE(tiny_open(&t, &o, NULL));
    uint64_t hash = tiny_hash(t.model, &opts, ids, N_IDS, 5, NULL);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        fesetround(ways[i]);
        uint64_t got = tiny_hash(t.model, &opts, ids, N_IDS, 5, NULL);
        int after = fegetround();
        fesetround(FE_TONEAREST);
        CHECK(got == hash && after == ways[i]);
    }
    tiny_close(&t);
}
