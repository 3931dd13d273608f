/* matmul_q8_avx2.c: products with int8 weights, and with keys stored as int8, for AVX2.
 * Read ref/matmul_quant_ref.c first; the bits are the same.
 *
 * One step, 8 rows (half a line) x 4 columns against one token:  |w| unsigned times sign(w)*a
 * signed by maddubs -> int16 pairs (at most 2 x 128 x 127) -> int32 by madd with ones.  Codes of
 * -128 in imported weights are right that way: |−128| is 128 unsigned, and activations are never
 * -128.
 */
#include "kernels/x86/avx2.h"

typedef struct token {
    const int8_t *codes;
    const float *scales;
} token;

/* int32 sums of n_lines lines (4 columns each) from `at` bytes into the tile on: half lines half ..
 * half+H-1, T tokens. */
ALWAYS void sum_lines(__m256i sum[4][4], const tiles *w, size_t at, size_t n_lines, const token *x,
                      size_t k, const size_t T, const size_t H)
{
    const __m256i ones = _mm256_set1_epi16(1);
    for (size_t t = 0; t < T; t++)
        for (size_t h = 0; h < H; h++)
            sum[t][h] = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (size_t j = 0; j < n_lines; j++)
        for (size_t h = 0; h < H; h++) {
            const uint8_t *line = w->first + at + j * MOTE_LINE + half_at(h, 32, w->far_bytes);
            if (T == 1 && h % 2 == 0)
                ahead(line, w->bytes);
            __m256i v = load_si(line);
            __m256i size = _mm256_abs_epi8(v);
            for (size_t t = 0; t < T; t++) {
                __m256i a = _mm256_sign_epi8(spread_codes(x[t].codes + k + 4 * j), v);
                __m256i m = _mm256_madd_epi16(_mm256_maddubs_epi16(size, a), ones);
                sum[t][h] = _mm256_add_epi32(sum[t][h], m);
                keep_si(&sum[t][h]);
            }
        }
}

ALWAYS void add_group(__m256 acc[4][4], __m256i sum[4][4], const tiles *w, size_t at,
                      const token *x, size_t g, const size_t T, const size_t H)
{
    for (size_t h = 0; h < H; h++) {
        __m256 ws = load_half(w->first + at + half_at(h, 16, w->far_bytes));
        for (size_t t = 0; t < T; t++) {
            __m256 scale = _mm256_mul_ps(ws, _mm256_broadcast_ss(x[t].scales + g));
            acc[t][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[t][h]), scale, acc[t][h]);
        }
    }
}

/* Half lines half .. half+H-1 of tile i (H of 4: and of tile i + far) against T tokens, over all
 * columns. */
ALWAYS void block(float *out, size_t out_stride, const token *x, const mote_mat *m, size_t i,
                  size_t far, size_t half, const size_t T, const size_t H)
{
    const size_t scale_bytes = mote_tile_scale_bytes(MOTE_Q8, m->group, m->k);
    const size_t lines = scale_bytes + 32 * half, scales = 16 * half;
    const tiles w = {m->data + i * m->tile_bytes, m->tile_bytes, far * m->tile_bytes};
    size_t per_scale = m->group / 32, n_groups = m->k / 32;
    __m256 acc[4][4];
    __m256i sum[4][4];
    for (size_t t = 0; t < T; t++)
        for (size_t h = 0; h < H; h++)
            acc[t][h] = _mm256_setzero_ps();
    if (T == 1)
        ahead_scales(&w, scale_bytes, H);
    for (size_t g = 0; g < n_groups; g++) {
        sum_lines(sum, &w, lines + 8 * g * MOTE_LINE, 8, x, 32 * g, T, H);
        add_group(acc, sum, &w, scales + g / per_scale * 32, x, g, T, H);
    }
    if (m->k % 32) { /* heads of a size that is no multiple of 32 */
        sum_lines(sum, &w, lines + 8 * n_groups * MOTE_LINE, m->k % 32 / 4, x, 32 * n_groups, T, H);
        add_group(acc, sum, &w, scales + n_groups / per_scale * 32, x, n_groups, T, H);
    }
    for (size_t t = 0; t < T; t++)
        for (size_t h = 0; h < H; h++)
            _mm256_storeu_ps(out + t * out_stride + half_at(h, 8, 16 * far) + 8 * half, acc[t][h]);
}

void mote_k_matmul_q8_avx2(float *out, size_t out_stride, const mote_acts *x, size_t n,
                           const mote_mat *w, size_t begin, size_t end)
{
    size_t far = n == 1 ? (end - begin) / 2 : 0;
    for (size_t i = begin; i < end; i++) {
        if (i == begin + far)
            i += far; /* the second half came with the first */
        for (size_t t = 0; i < end && t < n; t += 4) {
            float *o = out + t * out_stride + 16 * (i - begin);
            token toks[4];
            for (size_t j = 0; j < 4; j++) {
                size_t row = t + j < n ? t + j : t;
                toks[j] =
                    (token){x->codes + row * x->code_stride, x->scales + row * x->group_stride};
            }
            if (n - t == 1 && i < begin + far)
                block(o, out_stride, toks, w, i, far, 0, 1, 4);
            else if (n - t == 1)
                block(o, out_stride, toks, w, i, 0, 0, 1, 2);
            else if (n - t == 2)
                block(o, out_stride, toks, w, i, 0, 0, 2, 2);
            else
                for (size_t half = 0; half < 2; half++) {
                    if (n - t == 3)
                        block(o, out_stride, toks, w, i, 0, half, 3, 1);
                    else
                        block(o, out_stride, toks, w, i, 0, half, 4, 1);
                }
        }
    }
}
