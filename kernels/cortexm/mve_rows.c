/* mve_rows.c: what is not a product, for the Cortex-M55's vectors (Helium). Formulas and bits:
 * kernels.h, ref/rows.inc, ref/attention.inc. Subnormals: as in mve.c.
 */
#include "kernels/cortexm/cortexm.h"
#include "kernels/math.h"

#if MOTE_MVE
#include <arm_mve.h>

/* Four of n numbers from i on; zeros behind them. */
static inline float32x4_t load_some(const float *x, size_t i, size_t n)
{
    if (i + 4 <= n)
        return vld1q_f32(x + i);
    return vldrwq_z_f32(x + i, vctp32q(i < n ? (uint32_t)(n - i) : 0));
}

static inline void store_some(float *y, size_t i, size_t n, float32x4_t v)
{
    if (i + 4 <= n)
        vst1q_f32(y + i, v);
    else
        vstrwq_p_f32(y + i, v, vctp32q((uint32_t)(n - i)));
}

/* The lanes that l holds, folded: 8, 4, 2, 1. */
static inline float fold(const float32x4_t l[4])
{
    float32x4_t four = vaddq_f32(vaddq_f32(l[0], l[2]), vaddq_f32(l[1], l[3]));
    return (four[0] + four[2]) + (four[1] + four[3]);
}

/* mote_exp (math.h) where -80 <= x <= 88 or x is no number. Multiplying by a power of two is adding
 * to the exponent: no number here is zero, subnormal or overflows. Written down because of the
 * constants: all of them fit into registers. */
static inline __attribute__((always_inline)) float32x4_t exp4(float32x4_t x)
{
    float32x4_t t, n, q;
    __asm__("vmul.f32 %q[t], %q[x], %[log2e]\n\tvadd.f32 %q[t], %q[t], %[magic]\n\t"
            "vsub.f32 %q[n], %q[t], %[magic]\n\t"
            "vfma.f32 %q[x], %q[n], %[hi]\n\tvfma.f32 %q[x], %q[n], %[lo]\n\t"
            "vdup.32 %q[q], %[c5]\n\tvfmas.f32 %q[q], %q[x], %[c4]\n\t"
            "vfmas.f32 %q[q], %q[x], %[c3]\n\tvfmas.f32 %q[q], %q[x], %[c2]\n\t"
            "vfmas.f32 %q[q], %q[x], %[c1]\n\t"
            "vmul.f32 %q[n], %q[x], %q[x]\n\tvfma.f32 %q[x], %q[q], %q[n]\n\t"
            "vadd.f32 %q[x], %q[x], %[one]\n\tvshl.s32 %q[t], %q[t], #23\n\t"
            "vadd.i32 %q[x], %q[x], %q[t]"
            : [x] "+&w"(x), [t] "=&w"(t), [n] "=&w"(n), [q] "=&w"(q)
            : [log2e] "r"(0x1.715476p+0f), [magic] "r"(MOTE_RNE_MAGIC), [hi] "r"(-0x1.62e43p-1f),
              [lo] "r"(0x1.05c61p-29f), [c5] "r"(0.00139505411709f), [c4] "r"(0.00836891778738f),
              [c3] "r"(0.041666205054f), [c2] "r"(0.166665186035f), [c1] "r"(0.500000009542f),
              [one] "r"(1.0f));
    return x;
}

/* ---- softmax -------------------------------------------------------------------------------- */

/* p[j] = p[j] * scale, their maximum and minimum. */
static inline void scale_scores(float *p, size_t n, float scale, float *max, float *min)
{
    float32x4_t top = vdupq_n_f32(-__builtin_inff()), low = vdupq_n_f32(__builtin_inff());
    size_t j = 0;
    for (; j + 4 <= n; j += 4) {
        float32x4_t s = vmulq_n_f32(vld1q_f32(p + j), scale);
        vst1q_f32(p + j, s);
        top = vmaxnmq_f32(top, s);
        low = vminnmq_f32(low, s);
    }
    if (j < n) {
        mve_pred16_t some = vctp32q((uint32_t)(n - j));
        float32x4_t s = vmulq_n_f32(vldrwq_z_f32(p + j, some), scale);
        vstrwq_p_f32(p + j, s, some);
        top = vmaxnmq_m_f32(top, top, s, some);
        low = vminnmq_m_f32(low, low, s, some);
    }
    *max = vmaxnmvq_f32(-__builtin_inff(), top);
    *min = vminnmvq_f32(__builtin_inff(), low);
}

/* p[j] = exp(p[j] - m) for four; they are added to their lanes. */
static inline float32x4_t exps(float *p, float m, float32x4_t lane)
{
    float32x4_t y = exp4(vsubq_n_f32(vld1q_f32(p), m));
    vst1q_f32(p, y);
    return vaddq_f32(lane, y);
}

static inline float32x4_t exps_some(float *p, size_t n, float m, float32x4_t lane)
{
    mve_pred16_t some = vctp32q((uint32_t)n);
    float32x4_t y = exp4(vsubq_n_f32(vldrwq_z_f32(p, some), m));
    vstrwq_p_f32(p, y, some);
    return vaddq_m_f32(lane, lane, y, some);
}

/* The same with any number in any lane. */
static float exps_any(float *p, size_t lo, size_t hi, float m)
{
    float lane[16] = {0.0f};
    for (size_t j = lo; j < hi; j++)
        lane[j % 16] += p[j] = mote_exp(p[j] - m);
    const float32x4_t l[4] = {vld1q_f32(lane), vld1q_f32(lane + 4), vld1q_f32(lane + 8),
                              vld1q_f32(lane + 12)};
    return fold(l);
}

void mote_k_softmax_mve(float *p, size_t lo, size_t hi, float scale, float cap, float *max,
                        float *sum)
{
    float m, min;
    if (MOTE_LAYER_KINDS && cap > 0.0f) {
        for (size_t j = lo; j < hi; j++)
            p[j] = cap * mote_tanh(p[j] * scale / cap);
        scale = 1.0f;
    }
    scale_scores(p + lo, hi - lo, scale, &m, &min);
    *max = m;
    if (lo % 16 || !(min - m >= -80.0f)) { /* a window; scores far apart */
        *sum = exps_any(p, lo, hi, m);
        return;
    }
    float32x4_t l[4] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)};
    size_t j = lo;
    for (; j + 16 <= hi; j += 16) {
        l[0] = exps(p + j, m, l[0]);
        l[1] = exps(p + j + 4, m, l[1]);
        l[2] = exps(p + j + 8, m, l[2]);
        l[3] = exps(p + j + 12, m, l[3]);
    }
    if (j < hi)
        l[0] = exps_some(p + j, hi - j, m, l[0]);
    if (j + 4 < hi)
        l[1] = exps_some(p + j + 4, hi - j - 4, m, l[1]);
    if (j + 8 < hi)
        l[2] = exps_some(p + j + 8, hi - j - 8, m, l[2]);
    if (j + 12 < hi)
        l[3] = exps_some(p + j + 12, hi - j - 12, m, l[3]);
    *sum = fold(l);
}

/* ---- the value step ------------------------------------------------------------------------- */

#define SOME 32 /* positions whose factors are made at once */

/* Factors of two queries, side by side: p times the values' scales, which are `groups` apart. */
static void factors(float *f, const float *pa, const float *pb, const uint16_t *scales,
                    size_t groups, size_t n)
{
    const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)groups);
    for (size_t j = 0; j < n; j += 4, f += 8, scales += 4 * groups) {
        mve_pred16_t some = vctp32q((uint32_t)(n - j));
        /* VCVTB in q0: binutils 2.40 encodes it wrongly for other registers. */
        register uint32x4_t s __asm__("q0") =
            vldrhq_gather_shifted_offset_z_u32(scales, places, some);
        __asm__("vcvtb.f32.f16 q0, q0" : "+w"(s));
        float32x4_t scale = vreinterpretq_f32_u32(s);
        float32x4x2_t both = {{vmulq_f32(vldrwq_z_f32(pa + j, some), scale),
                               vmulq_f32(vldrwq_z_f32(pb + j, some), scale)}};
        vst2q_f32(f, both);
    }
}

/* Eight dimensions of two queries: n more positions. */
static inline void values_8(float *a, float *b, const float *f, const int8_t *v, size_t dim,
                            size_t n)
{
    float32x4_t a0 = vld1q_f32(a), a1 = vld1q_f32(a + 4), b0 = vld1q_f32(b), b1 = vld1q_f32(b + 4);
    float32x4_t c0, c1;
    float fa, fb;
    __asm__ volatile(
        "dls lr, %[n]\n"
        "1:\tvldrb.s32 %q[c0], [%[v]]\n\tvldrb.s32 %q[c1], [%[v], #4]\n\t"
        "ldrd %[fa], %[fb], [%[f]], #8\n\tadd %[v], %[dim]\n\t"
        "vcvt.f32.s32 %q[c0], %q[c0]\n\tvcvt.f32.s32 %q[c1], %q[c1]\n\t"
        "vfma.f32 %q[a0], %q[c0], %[fa]\n\tvfma.f32 %q[a1], %q[c1], %[fa]\n\t"
        "vfma.f32 %q[b0], %q[c0], %[fb]\n\tvfma.f32 %q[b1], %q[c1], %[fb]\n\t"
        "le lr, 1b"
        : [v] "+&r"(v), [f] "+&r"(f), [a0] "+&w"(a0), [a1] "+&w"(a1), [b0] "+&w"(b0),
          [b1] "+&w"(b1), [c0] "=&w"(c0), [c1] "=&w"(c1), [fa] "=&r"(fa), [fb] "=&r"(fb)
        : [n] "r"(n), [dim] "r"(dim)
        : "memory", "lr");
    vst1q_f32(a, a0);
    vst1q_f32(a + 4, a1);
    vst1q_f32(b, b0);
    vst1q_f32(b + 4, b1);
}

/* Of two queries that see the same positions; a single one counts as two. */
static void values_two(float *a, float *b, const float *pa, const float *pb, size_t n,
                       const int8_t *v, const uint16_t *scales, size_t dim)
{
    const size_t groups = (dim + 31) / 32;
    float f[2 * SOME];
    for (size_t d = 0; d < dim; d++)
        a[d] = b[d] = 0.0f;
    for (size_t j = 0, some; j < n; j += some) {
        some = n - j < SOME ? n - j : SOME;
        for (size_t d = 0; d + 8 <= dim; d += 8) {
            if (d % 32 == 0)
                factors(f, pa + j, pb + j, scales + j * groups + d / 32, groups, some);
            values_8(a + d, b + d, f, v + j * dim + d, dim, some);
        }
    }
    for (size_t d = dim & ~(size_t)7; d < dim; d++) /* what eight leave over */
        for (size_t j = 0; j < n; j++) {
            const float s = mote_f16_to_f32(scales[j * groups + d / 32]);
            a[d] = mote_fma(pa[j] * s, (float)v[j * dim + d], a[d]);
            if (b != a)
                b[d] = mote_fma(pb[j] * s, (float)v[j * dim + d], b[d]);
        }
}

void mote_k_values_q8_mve(float *out, size_t out_stride, const float *p, size_t p_stride,
                          const uint16_t *lo, const uint16_t *hi, size_t n, const void *v,
                          const uint16_t *v_scales, size_t dim)
{
    const size_t groups = (dim + 31) / 32;
    for (size_t i = 0, two; i < n; i += 1 + two, out += (1 + two) * out_stride) {
        two = i + 1 < n && lo[i] == lo[i + 1] && hi[i] == hi[i + 1];
        const float *pa = p + i * p_stride + lo[i];
        values_two(out, out + two * out_stride, pa, pa + two * p_stride, hi[i] - lo[i],
                   (const int8_t *)v + lo[i] * dim, v_scales + lo[i] * groups, dim);
    }
}

/* ---- activations ---------------------------------------------------------------------------- */

/* A group of n <= 32 numbers: 32 codes, their sum. */
static inline __attribute__((always_inline)) int32_t group_of(int8_t *codes, float *scale,
                                                              const float *x, size_t n)
{
    uint32x4_t top = vdupq_n_u32(0), mask = vdupq_n_u32(0x7fffffffu);
    int32_t sum = 0;
    for (size_t i = 0; i < n; i += 4)
        top = vmaxq_u32(top, vandq_u32(vreinterpretq_u32_f32(load_some(x, i, n)), mask));
    const uint32_t amax = vmaxvq_u32(0, top);
    const bool finite = amax < 0x7f800000u, live = finite && bits_float(amax) >= 0x1p-100f;
    if (n < 32 || !live) {
        vst1q_s8(codes, vdupq_n_s8(0));
        vst1q_s8(codes + 16, vdupq_n_s8(0));
    }
    if (!live) {
        *scale = finite ? 0.0f : bits_float(0x7fc00000u);
        return 0;
    }
    const float factor = 127.0f / bits_float(amax);
    *scale = bits_float(amax) / 127.0f;
    for (size_t i = 0; i < n; i += 4) {
        float32x4_t t = vaddq_n_f32(vmulq_n_f32(load_some(x, i, n), factor), MOTE_RNE_MAGIC);
        int32x4_t code = vreinterpretq_s32_f32(t); /* its low byte */
        vstrbq_s32(codes + i, code);
        if (MOTE_TYPES_GGUF) /* nobody else reads it */
            sum = vaddvaq_s32(sum, vsubq_n_s32(code, (int32_t)0x4b400000));
    }
    return sum;
}

static int32_t quantize_group(int8_t *codes, float *scale, const float *x, size_t n)
{
    return n < 32 ? group_of(codes, scale, x, n) : group_of(codes, scale, x, 32);
}

void mote_k_quantize_mve(int8_t *codes, float *scales, int32_t *sums, const float *x, size_t n)
{
    const size_t n_codes = mote_round_up(n, 64);
    for (size_t at = 0; at < n_codes; at += 32) {
        size_t left = at < n ? n - at : 0;
        sums[at / 32] = quantize_group(codes + at, &scales[at / 32], x + at, left < 32 ? left : 32);
    }
}

void mote_k_store_key_q8_mve(uint8_t *tile, size_t lane, const float *x, size_t dim)
{
    const uint32x4_t lines = vmulq_n_u32(vidupq_n_u32(0, 1), MOTE_LINE);
    const size_t k = mote_round_up(dim, 4);
    uint16_t *scale = (uint16_t *)(void *)tile + lane;
    uint8_t *line = tile + mote_tile_scale_bytes(MOTE_Q8, 32, k) + 4 * lane;
    for (size_t at = 0; at < dim; at += 32, scale += MOTE_TILE_ROWS) {
        int8_t codes[32] __attribute__((aligned(8)));
        float s;
        quantize_group(codes, &s, x + at, dim - at < 32 ? dim - at : 32);
        *scale = mote_f32_to_f16(s);
        for (size_t d = 0; d < 32 && at + d < k; d += 16, line += 4 * MOTE_LINE)
            vstrwq_scatter_offset_p_u32((uint32_t *)(void *)line, lines,
                                        vld1q_u32((const uint32_t *)(const void *)(codes + d)),
                                        vctp32q((uint32_t)(k - at - d) / 4));
    }
}

void mote_k_store_value_q8_mve(void *v, uint16_t *scales, size_t row, const float *x, size_t dim)
{
    int8_t *to = (int8_t *)v + row * dim;
    scales += row * ((dim + 31) / 32);
    for (size_t at = 0; at < dim; at += 32) {
        int8_t codes[32] __attribute__((aligned(8)));
        float s;
        quantize_group(codes, &s, x + at, dim - at < 32 ? dim - at : 32);
        *scales++ = mote_f32_to_f16(s);
        for (size_t d = 0; d < 32 && at + d < dim; d += 16)
            vstrbq_p_s8(to + at + d, vld1q_s8(codes + d), vctp8q((uint32_t)(dim - at - d)));
    }
}

/* ---- along a row ---------------------------------------------------------------------------- */

void mote_k_rmsnorm_mve(float *y, const float *x, const float *w, size_t n, float eps)
{
    float32x4_t l[4] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)};
    for (size_t i = 0; i < n; i += 16)
        for (size_t q = 0; q < 4; q++) {
            float32x4_t v = load_some(x, i + 4 * q, n);
            l[q] = vfmaq_f32(l[q], v, v);
        }
    const float inv = 1.0f / mote_sqrt(fold(l) / (float)n + eps);
    for (size_t i = 0; i < n; i += 4)
        store_some(y, i, n, vmulq_f32(vmulq_n_f32(load_some(x, i, n), inv), load_some(w, i, n)));
}

void mote_k_add_mve(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 4)
        store_some(y, i, n, vaddq_f32(load_some(y, i, n), load_some(x, i, n)));
}

void mote_k_rope_mve(float *x, const float *cos, const float *sin, size_t n)
{
    for (size_t i = 0; i < n; i += 4) {
        float32x4_t a = load_some(x, i, n), b = load_some(x + n, i, n);
        float32x4_t c = load_some(cos, i, n), s = load_some(sin, i, n);
        store_some(x, i, n, vfmsq_f32(vmulq_f32(a, c), b, s));
        store_some(x + n, i, n, vfmaq_f32(vmulq_f32(b, c), a, s));
    }
}

bool mote_k_finite_mve(const float *x, size_t n)
{
    const uint32x4_t mask = vdupq_n_u32(0x7fffffffu);
    uint32x4_t top = vdupq_n_u32(0);
    for (size_t i = 0; i < n; i += 4)
        top = vmaxq_u32(top, vandq_u32(vreinterpretq_u32_f32(load_some(x, i, n)), mask));
    return vmaxvq_u32(0, top) < 0x7f800000u;
}

/* silu(x) = x / (1 + exp(-x)): the vectors have no division. Below -80 exp is 0 and above it is lost
 * in the sum alike. */
void mote_k_silu_mul_mve(float *y, const float *gate, const float *up, size_t n)
{
    const float32x4_t most = vdupq_n_f32(88.0f), least = vdupq_n_f32(-80.0f);
    for (size_t i = 0; i < n; i += 4) {
        register float32x4_t x __asm__("q0") = load_some(gate, i, n);
        register float32x4_t d __asm__("q1") =
            vaddq_n_f32(exp4(vmaxnmq_f32(vminnmq_f32(vnegq_f32(x), most), least)), 1.0f);
        __asm__("vdiv.f32 s0, s0, s4\n\tvdiv.f32 s1, s1, s5\n\t"
                "vdiv.f32 s2, s2, s6\n\tvdiv.f32 s3, s3, s7"
                : "+w"(x)
                : "w"(d));
        store_some(y, i, n, vmulq_f32(x, load_some(up, i, n)));
    }
}
#endif
