/* test_self_test.c: what `mote doctor` tells of the kernels. */
#include "include/mote_host.h"
#include "tests/unit/test.h"

TEST(self_test_of_every_tier_passes)
{
    size_t bytes = mote_self_test_bytes();
    void *mem = mote_host_alloc(bytes);
    mote_self_test t;
    mote_error err;
    REQUIRE(mem != NULL);
    for (size_t i = 0; mote_usable_tier(i); i++) {
        CHECK(mote_run_self_test(&t, i, mem, bytes, &err) == MOTE_OK);
        CHECK(t.tier == mote_usable_tier(i) && t.n_kernels > 40);
        if (!CHECK(t.n_wrong == 0))
            printf("  %s: %u wrong, first %s, hash 0x%llx\n", t.tier, t.n_wrong, t.wrong,
                   (unsigned long long)t.hash);
    }
    CHECK(mote_run_self_test(&t, 99, mem, bytes, &err) == MOTE_ERR_UNSUPPORTED);
    CHECK(mote_run_self_test(&t, 0, mem, bytes - 1, &err) == MOTE_ERR_MEMORY);
    mote_host_free(mem);
}
