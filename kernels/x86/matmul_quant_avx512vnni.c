/* matmul_quant_avx512vnni.c: products with quantised weights (q8, q4, q4_0, q4_1; keys stored as
 * int8) for AVX-512 with VNNI: Ice Lake 2019+, Zen 4 2022+. Read ref/matmul_quant_ref.c first; the
 * bits are the same.
 *
 * One line against one token: 16 rows x 4 codes in a register, 4 activations in every lane, one
 * dpbusd (unsigned x signed, exact in int32). A line of 4-bit codes gives two: low nibbles are
 * k..k+3, high ones k+4..k+7. Weights are made unsigned by an offset z (q8: 128, as code xor 0x80;
 * q4's levels: 34; q4_0: 8), so a group's sum starts at -z * (sum of its activation codes).
 *
 * Two tiles against 12 tokens share what is loaded of either: 24 sums, 4 registers of weights,
 * mask, book and one for activations leave one of the 32 registers, so there the float
 * accumulators, which are needed once a group, live in memory.
 */
#include "kernels/x86/avx512.h"

enum { TOKENS = 12, CHUNK = 16 };

/* What 16 groups need of the tokens besides codes, side by side: no registers for pointers. */
typedef struct chunk {
    float scale[TOKENS][CHUNK];
    int32_t start[TOKENS][CHUNK]; /* of a group's sum: -z * (sum of its codes) */
    float sum[TOKENS][CHUNK];     /* of the codes; q4_1 only */
} chunk;

/* Codes of token 3i + j at base[i] + j * stride: four pointers and an index instead of twelve. */
typedef struct tokens {
    const int8_t *base[4];
    size_t stride;
} tokens;

ALWAYS __m512i codes_at(const tokens *x, size_t t, size_t at)
{
    return spread_codes(x->base[t / 3] + t % 3 * x->stride + at);
}

/* Groups g .. g+n-1 (n <= 16) of T rows of activations from row `at` on. */
ALWAYS void gather(chunk *c, const mote_acts *x, size_t at, size_t g, size_t n, const size_t T,
                   const enum mote_type type)
{
    const __m512i offset = _mm512_set1_epi32(type == MOTE_Q8 ? -128 : type == MOTE_Q4 ? -34 : -8);
    const __mmask16 used = first_lanes(n);
    for (size_t t = 0; t < T; t++) {
        size_t first = (at + t) * x->group_stride + g;
        __m512i sum = _mm512_maskz_loadu_epi32(used, x->sums + first);
        _mm512_storeu_ps(c->scale[t], _mm512_maskz_loadu_ps(used, x->scales + first));
        if (type == MOTE_Q4_1)
            _mm512_storeu_ps(c->sum[t], _mm512_cvtepi32_ps(sum));
        else
            _mm512_storeu_si512(c->start[t], _mm512_mullo_epi32(sum, offset));
    }
}

/* Adds n_lines lines of N tiles to the int32 sums. With S = 2 sums every other step has its own,
 * which halves the chain of additions. */
ALWAYS void sum_q8(__m512i *sum, const uint8_t *lines, size_t tile_bytes, const tokens *x,
                   size_t at, const size_t n_lines, const size_t T, const size_t N, const size_t S)
{
    const __m512i top = _mm512_set1_epi8((char)0x80);
#pragma GCC unroll 8
    for (size_t j = 0; j < n_lines; j++) {
        __m512i w[2];
        for (size_t i = 0; i < N; i++)
            w[i] = _mm512_xor_si512(load_line(lines + i * tile_bytes + j * MOTE_LINE), top);
        for (size_t t = 0; t < T; t++) {
            __m512i a = codes_at(x, t, at + 4 * j);
            for (size_t i = 0; i < N; i++)
                sum[(i * S + j % S) * T + t] =
                    _mm512_dpbusd_epi32(sum[(i * S + j % S) * T + t], w[i], a);
        }
    }
}

ALWAYS void sum_q4(__m512i *sum, const uint8_t *lines, size_t tile_bytes, const tokens *x,
                   const size_t T, const size_t N, const size_t S, const enum mote_type type)
{
    const __m512i low = _mm512_set1_epi8(15);
    const __m512i levels = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 7, 13, 18, 22, 25, 28, 31, 34, 37, 40, 43, 47, 51, 56, 62));
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) {
        __m512i lo[2], hi[2];
        for (size_t i = 0; i < N; i++) {
            __m512i v = load_line(lines + i * tile_bytes + j * MOTE_LINE);
            lo[i] = _mm512_and_si512(v, low);
            hi[i] = _mm512_and_si512(_mm512_srli_epi16(v, 4), low);
            if (type == MOTE_Q4) {
                lo[i] = _mm512_shuffle_epi8(levels, lo[i]);
                hi[i] = _mm512_shuffle_epi8(levels, hi[i]);
            }
        }
        for (size_t t = 0; t < T; t++) {
            __m512i a = codes_at(x, t, 8 * j), b = codes_at(x, t, 8 * j + 4);
            for (size_t i = 0; i < N; i++) {
                size_t first = i * S * T + t, second = first + (S - 1) * T;
                sum[first] = _mm512_dpbusd_epi32(sum[first], lo[i], a);
                sum[second] = _mm512_dpbusd_epi32(sum[second], hi[i], b);
            }
        }
    }
}

/* Scales of 16 rows for group g; group_shift: log2 of the groups of 32 that share one. */
ALWAYS __m512 scale_at(const uint8_t *tile, size_t g, unsigned group_shift,
                       const enum mote_type type)
{
    if (type == MOTE_Q4) {
        __m128i steps = _mm_loadu_si128((const __m128i *)(const void *)(tile + MOTE_LINE + 16 * g));
        return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(steps));
    }
    if (type == MOTE_Q8)
        return load_half(tile + 32 * (g >> group_shift));
    return load_half(tile + (type == MOTE_Q4_1 ? 64 : 32) * g);
}

/* acc = fma(sum, weight scale * activation scale, acc); q4_1: the minimum likewise. */
ALWAYS void add_group(__m512 *acc, __m512i *sum, const chunk *c, const uint8_t *tile, size_t g,
                      unsigned group_shift, size_t i, const size_t T, const size_t S,
                      const enum mote_type type)
{
    __m512 ws = scale_at(tile, g, group_shift, type), minimum;
    if (type == MOTE_Q4_1)
        minimum = load_half(tile + 64 * g + 32);
    for (size_t t = 0; t < T; t++) {
        __m512 as = _mm512_set1_ps(c->scale[t][g % CHUNK]);
        __m512i s = sum[i * S * T + t];
        if (S == 2)
            s = _mm512_add_epi32(s, sum[(i * S + 1) * T + t]);
        acc[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), _mm512_mul_ps(ws, as), acc[t]);
        if (type == MOTE_Q4_1)
            acc[t] = _mm512_fmadd_ps(_mm512_set1_ps(c->sum[t][g % CHUNK]),
                                     _mm512_mul_ps(minimum, as), acc[t]);
    }
}

/* Group g of N tiles (1, 2) against T tokens; `whole`: it has all 32 columns. */
ALWAYS void multiply_group(__m512 *acc, const chunk *c, const tokens *x, const mote_mat *w,
                           const uint8_t *tile, const uint8_t *lines, size_t g, const size_t T,
                           const size_t N, const enum mote_type type, const bool whole)
{
    const size_t S = T <= 3 ? 2 : 1, n_lines = type == MOTE_Q8 ? 8 : 4;
    __m512i sum[2 * TOKENS];
    for (size_t i = 0; i < N; i++)
        for (size_t t = 0; t < T; t++) {
            __m512i zero = _mm512_setzero_si512();
            sum[(i * S + S - 1) * T + t] = zero;
            sum[i * S * T + t] =
                type == MOTE_Q4_1 ? zero : _mm512_set1_epi32(c->start[t][g % CHUNK]);
        }
    for (size_t j = 0; j < N * n_lines; j++)
        ahead(lines + j / n_lines * w->tile_bytes + j % n_lines * MOTE_LINE);
    if (type != MOTE_Q8)
        sum_q4(sum, lines, w->tile_bytes, x, T, N, S, type);
    else if (whole)
        sum_q8(sum, lines, w->tile_bytes, x, 0, 8, T, N, S);
    else
        for (size_t j = 0; j < w->k % 32 / 4; j++)
            sum_q8(sum, lines + j * MOTE_LINE, w->tile_bytes, x, 4 * j, 1, T, N, S);
    for (size_t i = 0; i < N; i++)
        add_group(acc + i * T, sum, c, tile + i * w->tile_bytes, g, w->group == 64, i, T, S, type);
}

/* N tiles against T tokens, rows `at` .. of the activations, over all columns. */
ALWAYS void block(float *out, size_t out_stride, const mote_acts *acts, size_t at,
                  const mote_mat *w, const uint8_t *tile, const size_t T, const size_t N,
                  const enum mote_type type)
{
    const size_t n_groups = w->k / 32, group_bytes = type == MOTE_Q8 ? 512 : 256;
    const uint8_t *lines = tile + mote_tile_scale_bytes(type, w->group, w->k);
    tokens x = {{0}, acts->code_stride};
    chunk c;
    __m512 acc[2 * TOKENS];
    for (size_t t = 0; t < T; t += 3)
        x.base[t / 3] = acts->codes + (at + t) * x.stride;
    for (size_t i = 0; i < N * T; i++)
        acc[i] = _mm512_setzero_ps();
    for (size_t g = 0; g < n_groups; g++) {
        if (g % CHUNK == 0)
            gather(&c, acts, at, g, n_groups - g < CHUNK ? n_groups - g : CHUNK, T, type);
        multiply_group(acc, &c, &x, w, tile, lines, g, T, N, type, true);
        if (N * T > TOKENS)
            keep_in_memory(acc);
        lines += group_bytes;
        for (size_t t = 0; t < T; t += 3)
            x.base[t / 3] += 32;
    }
    if (type == MOTE_Q8 && w->k % 32) { /* heads of a size that is no multiple of 32 */
        gather(&c, acts, at, n_groups / CHUNK * CHUNK, n_groups % CHUNK + 1, T, type);
        multiply_group(acc, &c, &x, w, tile, lines, n_groups, T, N, type, false);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t t = 0; t < T; t++) {
            __m512 sum = acc[i * T + t];
            if (type == MOTE_Q4)
                sum = _mm512_mul_ps(sum, _mm512_loadu_ps(tile + i * w->tile_bytes));
            _mm512_storeu_ps(out + t * out_stride + 16 * i, sum);
        }
}

/* Tokens the next block takes of those left: blocks as few as possible and nearly equal, of the
 * sizes there are. */
static size_t choose_tokens(size_t left)
{
    size_t n_blocks = (left + TOKENS - 1) / TOKENS, size = (left + n_blocks - 1) / n_blocks;
    if (size <= 6 || size % 2 == 0)
        return size;
    return size < left ? size + 1 : (size + 1) / 2;
}

ALWAYS void two_tiles(float *out, size_t out_stride, const mote_acts *x, size_t n,
                      const mote_mat *w, const uint8_t *tile, const enum mote_type type)
{
    for (size_t t = 0, take; t < n; t += take) {
        float *o = out + t * out_stride;
        take = choose_tokens(n - t);
        switch (take) {
        case 1: block(o, out_stride, x, t, w, tile, 1, 2, type); break;
        case 2: block(o, out_stride, x, t, w, tile, 2, 2, type); break;
        case 3: block(o, out_stride, x, t, w, tile, 3, 2, type); break;
        case 4: block(o, out_stride, x, t, w, tile, 4, 2, type); break;
        case 5: block(o, out_stride, x, t, w, tile, 5, 2, type); break;
        case 6: block(o, out_stride, x, t, w, tile, 6, 2, type); break;
        case 8: block(o, out_stride, x, t, w, tile, 8, 2, type); break;
        case 10: block(o, out_stride, x, t, w, tile, 10, 2, type); break;
        default: block(o, out_stride, x, t, w, tile, 12, 2, type); break;
        }
    }
}

/* The last of an odd number of tiles. */
ALWAYS void one_tile(float *out, size_t out_stride, const mote_acts *x, size_t n, const mote_mat *w,
                     const uint8_t *tile, const enum mote_type type)
{
    for (size_t t = 0, take; t < n; t += take) {
        float *o = out + t * out_stride;
        take = n - t >= 8 ? 8 : n - t >= 4 ? 4 : n - t >= 2 ? 2 : 1;
        if (take == 8)
            block(o, out_stride, x, t, w, tile, 8, 1, type);
        else if (take == 4)
            block(o, out_stride, x, t, w, tile, 4, 1, type);
        else if (take == 2)
            block(o, out_stride, x, t, w, tile, 2, 1, type);
        else
            block(o, out_stride, x, t, w, tile, 1, 1, type);
    }
}

ALWAYS void product(float *out, size_t out_stride, const mote_acts *x, size_t n, const mote_mat *w,
                    size_t begin, size_t end, const enum mote_type type)
{
    size_t i = begin;
    for (; i + 2 <= end; i += 2, out += 32)
        two_tiles(out, out_stride, x, n, w, w->data + i * w->tile_bytes, type);
    if (i < end)
        one_tile(out, out_stride, x, n, w, w->data + i * w->tile_bytes, type);
}

void mote_k_matmul_q8_avx512vnni(float *out, size_t out_stride, const mote_acts *x, size_t n,
                                 const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q8);
}

void mote_k_matmul_q4_avx512vnni(float *out, size_t out_stride, const mote_acts *x, size_t n,
                                 const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q4);
}

void mote_k_matmul_q4_0_avx512vnni(float *out, size_t out_stride, const mote_acts *x, size_t n,
                                   const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q4_0);
}

void mote_k_matmul_q4_1_avx512vnni(float *out, size_t out_stride, const mote_acts *x, size_t n,
                                   const mote_mat *w, size_t begin, size_t end)
{
    product(out, out_stride, x, n, w, begin, end, MOTE_Q4_1);
}
