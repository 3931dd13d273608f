/* test_products.c: what pieces a product is cut into does not matter, where a matrix has many; and
 * the norm over all heads is the norm of a head where there is one. */
#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

enum { N_IDS = 24 };

static uint64_t hash_of(const tiny_opts *o, uint32_t chunk)
{
    int32_t ids[N_IDS];
    tiny_model t;
    mote_session_opts so = {.n_ctx = 64, .n_batch = chunk, .n_logits = chunk, .n_threads = 1};
    for (size_t i = 0; i < N_IDS; i++)
        ids[i] = (int32_t)(i * 7 % o->n_vocab);
    if (!tiny_open(&t, o, NULL))
        return 0;
    uint64_t hash = tiny_hash(t.model, &so, ids, N_IDS, chunk, NULL);
    tiny_close(&t);
    return hash;
}

TEST(products_of_many_pieces_are_those_of_few)
{
    tiny_opts o = tiny_defaults();
    o.n_layers = 1;
    o.ff = 2000;
    o.head_dim = 128; /* a unit of heads is more than a piece */
    uint64_t want = hash_of(&o, N_IDS);
    CHECK(want && hash_of(&o, 1) == want && hash_of(&o, 5) == want);
    o.type = MOTE_Q8;
    o.ff = 2048;
    want = hash_of(&o, N_IDS);
    CHECK(want && hash_of(&o, 1) == want && hash_of(&o, 5) == want);
}

TEST(the_norm_over_one_head_is_that_of_the_head)
{
    tiny_opts o = tiny_defaults();
    o.n_heads = o.n_kv_heads = 1;
    o.qk_norm = MOTE_QK_NORM_HEAD;
    uint64_t want = hash_of(&o, 8);
    o.qk_norm = MOTE_QK_NORM_WHOLE;
    CHECK(want && hash_of(&o, 8) == want);
    CHECK(hash_of(&o, 1) == want);
}
