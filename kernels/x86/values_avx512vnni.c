/* values_avx512vnni.c: the value step of attention for AVX-512. Read ref/values_ref.c first; the
 * bits are the same.
 *
 * As values_avx2.c, with registers of 16 dimensions: Q queries share every value that is loaded, D
 * registers at a time; a range of positions runs in three parts, ascending (each query's own
 * beginning, what all Q see, each query's own end), and sums wait in `out` between the parts.
 * Dimensions that do not fill a register are masked.
 */
#include "kernels/values.h"
#include "kernels/x86/avx512.h"

enum { QUERIES = 6, REGISTERS = 4 };

/* Dimensions d .. d+15 of position j, those in the mask. */
ALWAYS __m512 load_values(const job *b, size_t j, size_t d, __mmask16 used, const int kv)
{
    size_t at = j * b->dim + d;
    if (kv == KV_F32)
        return _mm512_maskz_loadu_ps(used, b->v + 4 * at);
    if (kv == KV_F16)
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(used, b->v + 2 * at));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(used, b->v + at)));
}

/* Scale of position j for the group of dimension d, in every lane. */
ALWAYS __m512 load_scale(const job *b, size_t j, size_t d)
{
    short half;
    memcpy(&half, b->scales + j * b->groups + d / 32, sizeof half);
    return _mm512_cvtph_ps(_mm256_set1_epi16(half));
}

/* Adds positions [j, end) to queries q .. q+Q-1, dimensions d .. d+16D-1; of the last 16 those in
 * the mask. For q8, d is a multiple of 32 unless D is 1. */
ALWAYS void add_positions(const job *b, size_t q, size_t d, size_t j, size_t end, __mmask16 last,
                          const size_t Q, const size_t D, const int kv)
{
    const __mmask16 all = 0xffff;
    const size_t bytes = kv == KV_F32 ? 4 : kv == KV_F16 ? 2 : 1;
    __m512 acc[QUERIES * REGISTERS];
    for (size_t i = 0; i < Q; i++)
        for (size_t r = 0; r < D; r++)
            acc[i * D + r] = _mm512_maskz_loadu_ps(r == D - 1 ? last : all,
                                                   b->out + (q + i) * b->out_stride + d + 16 * r);
    for (; j < end; j++) {
        __m512 scale = _mm512_setzero_ps();
        for (size_t r = 0; r < D; r++) {
            __m512 v = load_values(b, j, d + 16 * r, r == D - 1 ? last : all, kv);
            if (Q <= 3 && r % 2 == 0) /* one token's queries read as fast as memory gives */
                ahead(b->v + (j * b->dim + d + 16 * r) * bytes);
            if (kv == KV_Q8 && r % 2 == 0)
                scale = load_scale(b, j, d + 16 * r);
            for (size_t i = 0; i < Q; i++) {
                __m512 f = _mm512_set1_ps(b->p[(q + i) * b->p_stride + j]);
                if (kv == KV_Q8)
                    f = _mm512_mul_ps(f, scale);
                acc[i * D + r] = _mm512_fmadd_ps(f, v, acc[i * D + r]);
            }
        }
    }
    for (size_t i = 0; i < Q; i++)
        for (size_t r = 0; r < D; r++)
            _mm512_mask_storeu_ps(b->out + (q + i) * b->out_stride + d + 16 * r,
                                  r == D - 1 ? last : all, acc[i * D + r]);
}

/* One range for Q queries over all dimensions; D registers at a time. */
ALWAYS void add_range(const job *b, size_t q, size_t j, size_t end, const size_t Q, const size_t D,
                      const int kv)
{
    size_t d = 0;
    if (j >= end)
        return;
    for (; d + 16 * D <= b->dim; d += 16 * D)
        add_positions(b, q, d, j, end, 0xffff, Q, D, kv);
    for (size_t left; d < b->dim; d += left) {
        left = b->dim - d < 16 ? b->dim - d : 16;
        add_positions(b, q, d, j, end, first_lanes(left), Q, 1, kv);
    }
}

ALWAYS void values(const job *b, const uint16_t *lo, const uint16_t *hi, size_t n, const int kv)
{
    for (size_t q = 0, take; q < n; q += take) {
        size_t from = lo[q], to = hi[q], left = n - q;
        take = left >= QUERIES ? QUERIES : left == 5 ? 3 : left;
        for (size_t i = 0; i < take; i++) {
            from = lo[q + i] > from ? lo[q + i] : from;
            to = hi[q + i] < to ? hi[q + i] : to;
            memset(b->out + (q + i) * b->out_stride, 0, b->dim * sizeof(float));
        }
        if (from >= to) /* nothing in common: one query at a time */
            take = 1, from = lo[q], to = hi[q];
        for (size_t i = 0; i < take; i++)
            add_range(b, q + i, lo[q + i], from, 1, 4, kv);
        if (take == 1)
            add_range(b, q, from, to, 1, 4, kv);
        else if (take == 2)
            add_range(b, q, from, to, 2, 4, kv);
        else if (take == 3)
            add_range(b, q, from, to, 3, 4, kv);
        else if (take == 4)
            add_range(b, q, from, to, 4, 4, kv);
        else
            add_range(b, q, from, to, QUERIES, kv == KV_Q8 ? 2 : 4, kv);
        for (size_t i = 0; i < take; i++)
            add_range(b, q + i, to, hi[q + i], 1, 4, kv);
    }
}

VALUES_ENTRIES(avx512vnni)
