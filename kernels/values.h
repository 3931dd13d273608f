/* values.h: what the vector tiers of the value step share: the job, and their three entries. Read
 * ref/values_ref.c first. */
#ifndef MOTE_VALUES_H
#define MOTE_VALUES_H

#include <stddef.h>
#include <stdint.h>

enum { KV_F32, KV_F16, KV_Q8 };

typedef struct job {
    float *out;
    size_t out_stride;
    const float *p;
    size_t p_stride;
    const uint8_t *v;
    const uint16_t *scales;
    size_t dim, groups;
} job;

/* The entry of a tier for a KV type: mote_k_values_TYPE_TIER, by the tier's values(). */
#define VALUES_ENTRY(type, kv, tier, n_groups)                                                     \
    void mote_k_values_##type##_##tier(                                                            \
        float *out, size_t out_stride, const float *p, size_t p_stride, const uint16_t *lo,        \
        const uint16_t *hi, size_t n, const void *v, const uint16_t *v_scales, size_t dim)         \
    {                                                                                              \
        job b = {out, out_stride, p, p_stride, v, v_scales, dim, n_groups};                        \
        values(&b, lo, hi, n, kv);                                                                 \
    }
#define VALUES_ENTRIES(tier)                                                                       \
    VALUES_ENTRY(f32, KV_F32, tier, 0)                                                             \
    VALUES_ENTRY(f16, KV_F16, tier, 0)                                                             \
    VALUES_ENTRY(q8, KV_Q8, tier, (dim + 31) / 32)

#endif
