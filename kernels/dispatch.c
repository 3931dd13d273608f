/* dispatch.c: the only file that knows every kernel of every tier. `ref` fills all slots; each tier
 * whose features are there overrides the slots it improves, lowest tier first.
 */
#include <string.h>

#include "kernels/tiers.h"

static void fill_ref(mote_kernels *t)
{
    mote_k_rows_ref(t);
    t->dequant_row = mote_k_dequant_row_ref;
    t->matmul[MOTE_F32] = mote_k_matmul_f32_ref;
    t->matmul[MOTE_F16] = mote_k_matmul_f16_ref;
    t->matmul[MOTE_BF16] = mote_k_matmul_bf16_ref;
    t->matmul[MOTE_Q8] = mote_k_matmul_q8_ref;
    t->matmul[MOTE_Q4] = mote_k_matmul_q4_ref;
    t->matmul[MOTE_Q4_0] = mote_k_matmul_q4_0_ref;
    t->matmul[MOTE_Q4_1] = mote_k_matmul_q4_1_ref;
    t->values[0] = mote_k_values_f32_ref;
    t->values[1] = mote_k_values_f16_ref;
    t->values[2] = mote_k_values_q8_ref;
}

#if defined(__x86_64__)
static void fill_avx2(mote_kernels *t)
{
    mote_k_rows_avx2(t);
    t->matmul[MOTE_F32] = mote_k_matmul_f32_avx2;
    t->matmul[MOTE_F16] = mote_k_matmul_f16_avx2;
    t->matmul[MOTE_BF16] = mote_k_matmul_bf16_avx2;
    t->matmul[MOTE_Q8] = mote_k_matmul_q8_avx2;
    t->matmul[MOTE_Q4] = mote_k_matmul_q4_avx2;
    t->matmul[MOTE_Q4_0] = mote_k_matmul_q4_0_avx2;
    t->matmul[MOTE_Q4_1] = mote_k_matmul_q4_1_avx2;
    t->values[0] = mote_k_values_f32_avx2;
    t->values[1] = mote_k_values_f16_avx2;
    t->values[2] = mote_k_values_q8_avx2;
}

static void fill_avxvnni(mote_kernels *t)
{
    t->matmul[MOTE_Q8] = mote_k_matmul_q8_avxvnni;
    t->matmul[MOTE_Q4] = mote_k_matmul_q4_avxvnni;
    t->matmul[MOTE_Q4_0] = mote_k_matmul_q4_0_avxvnni;
    t->matmul[MOTE_Q4_1] = mote_k_matmul_q4_1_avxvnni;
}

static void fill_avx512vnni(mote_kernels *t)
{
    mote_k_rows_avx512vnni(t);
    t->matmul[MOTE_F32] = mote_k_matmul_f32_avx512vnni;
    t->matmul[MOTE_F16] = mote_k_matmul_f16_avx512vnni;
    t->matmul[MOTE_BF16] = mote_k_matmul_bf16_avx512vnni;
    t->matmul[MOTE_Q8] = mote_k_matmul_q8_avx512vnni;
    t->matmul[MOTE_Q4] = mote_k_matmul_q4_avx512vnni;
    t->matmul[MOTE_Q4_0] = mote_k_matmul_q4_0_avx512vnni;
    t->matmul[MOTE_Q4_1] = mote_k_matmul_q4_1_avx512vnni;
    t->values[0] = mote_k_values_f32_avx512vnni;
    t->values[1] = mote_k_values_f16_avx512vnni;
    t->values[2] = mote_k_values_q8_avx512vnni;
}
#endif

#if defined(__aarch64__)
static void fill_neon(mote_kernels *t)
{
    t->matmul[MOTE_F32] = mote_k_matmul_f32_neon;
    t->matmul[MOTE_F16] = mote_k_matmul_f16_neon;
    t->matmul[MOTE_BF16] = mote_k_matmul_bf16_neon;
    t->matmul[MOTE_Q8] = mote_k_matmul_q8_neon;
    t->matmul[MOTE_Q4] = mote_k_matmul_q4_neon;
    t->matmul[MOTE_Q4_0] = mote_k_matmul_q4_0_neon;
    t->matmul[MOTE_Q4_1] = mote_k_matmul_q4_1_neon;
    t->values[0] = mote_k_values_f32_neon;
    t->values[1] = mote_k_values_f16_neon;
    t->values[2] = mote_k_values_q8_neon;
}

static void fill_dotprod(mote_kernels *t)
{
    t->matmul[MOTE_Q8] = mote_k_matmul_q8_dotprod;
    t->matmul[MOTE_Q4] = mote_k_matmul_q4_dotprod;
    t->matmul[MOTE_Q4_0] = mote_k_matmul_q4_0_dotprod;
    t->matmul[MOTE_Q4_1] = mote_k_matmul_q4_1_dotprod;
}
#endif

/* Lowest first; a tier includes the features of those below it in its list. */
static const struct {
    const char *name;
    unsigned features;
    void (*fill)(mote_kernels *t);
} tiers[] = {
    {"ref", 0, fill_ref},
#if defined(__x86_64__)
    {"avx2", MOTE_CPU_AVX2, fill_avx2},
    {"avxvnni", MOTE_CPU_AVX2 | MOTE_CPU_AVXVNNI, fill_avxvnni},
    {"avx512vnni", MOTE_CPU_AVX2 | MOTE_CPU_AVX512VNNI, fill_avx512vnni},
#endif
#if defined(__aarch64__)
    {"neon", MOTE_CPU_NEON, fill_neon},
    {"dotprod", MOTE_CPU_NEON | MOTE_CPU_DOTPROD, fill_dotprod},
#endif
};

void mote_kernels_init(mote_kernels *table, unsigned features)
{
    memset(table, 0, sizeof *table);
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
        mote_matmul_fn *before[MOTE_TYPES];
        if ((tiers[i].features & features) != tiers[i].features)
            continue;
        memcpy(before, table->matmul, sizeof before);
        tiers[i].fill(table);
        table->tier = tiers[i].name;
        for (size_t type = 0; type < MOTE_TYPES; type++)
            if (table->matmul[type] != before[type])
                table->matmul_tier[type] = tiers[i].name;
    }
}

bool mote_kernels_blas(mote_kernels *table)
{
#if defined(MOTE_BLAS) && MOTE_BLAS
    mote_k_blas(table);
    return true;
#else
    (void)table;
    return false;
#endif
}

static bool equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

bool mote_tier_features(const char *name, unsigned *features)
{
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++)
        if (equal(name, tiers[i].name)) {
            *features = tiers[i].features;
            return true;
        }
    return false;
}

const char *mote_tier_name(size_t i)
{
    return i < sizeof tiers / sizeof *tiers ? tiers[i].name : NULL;
}
