/* mve_rows.c: what is not a product, for the Cortex-M55's vectors (Helium). Formulas and bits:
 * kernels.h, ref/rows.inc, ref/attention.inc. Subnormals: as in mve.c.
 */
#include "kernels/cortexm/cortexm.h"
#include "kernels/math.h"

#if MOTE_MVE
#include <arm_mve.h>

/* Loops that end in LETP leave out what lies behind the last number by themselves. */

/* Lanes l, folded: 8, 4, 2, 1. */
static inline float fold(float32x4_t l0, float32x4_t l1, float32x4_t l2, float32x4_t l3)
{
    float32x4_t four = vaddq_f32(vaddq_f32(l0, l2), vaddq_f32(l1, l3));
    return (four[0] + four[2]) + (four[1] + four[3]);
}

static inline float fold_array(const float lane[16])
{
    return fold(vld1q_f32(lane), vld1q_f32(lane + 4), vld1q_f32(lane + 8), vld1q_f32(lane + 12));
}

/* mote_exp (math.h) of %q[x], which is at most 88 or no number. A product with a power of two is a
 * sum of exponents here: nothing is zero, subnormal or overflows. Written down because of the
 * constants: they stay in registers. */
#define EXP4(one)                                                                                  \
    "vcmp.f32 lt, %q[x], %[least]\n\tvmul.f32 %q[t], %q[x], %[log2e]\n\t"                          \
    "vadd.f32 %q[t], %q[t], %[magic]\n\tvsub.f32 %q[n], %q[t], %[magic]\n\t"                       \
    "vfma.f32 %q[x], %q[n], %[hi]\n\tvfma.f32 %q[x], %q[n], %[lo]\n\t"                             \
    "vdup.32 %q[q], %[c5]\n\tvfmas.f32 %q[q], %q[x], %[c4]\n\t"                                    \
    "vfmas.f32 %q[q], %q[x], %[c3]\n\tvfmas.f32 %q[q], %q[x], %[c2]\n\t"                           \
    "vfmas.f32 %q[q], %q[x], %[c1]\n\t"                                                            \
    "vmul.f32 %q[n], %q[x], %q[x]\n\tvfma.f32 %q[x], %q[q], %q[n]\n\t"                             \
    "vadd.f32 %q[x], %q[x], " one "\n\tvshl.s32 %q[t], %q[t], #23\n\t"                             \
    "vadd.i32 %q[x], %q[x], %q[t]\n\tvpst\n\tvmovt.i32 %q[x], #0\n\t"
#define EXP_CONSTANTS                                                                              \
    [least] "r"(-80.0f), [log2e] "r"(0x1.715476p+0f), [magic] "r"(MOTE_RNE_MAGIC),                 \
        [hi] "r"(-0x1.62e43p-1f), [lo] "r"(0x1.05c61p-29f), [c5] "r"(0.00139505411709f),           \
        [c4] "r"(0.00836891778738f), [c3] "r"(0.041666205054f), [c2] "r"(0.166665186035f),         \
        [c1] "r"(0.500000009542f)

static inline __attribute__((always_inline)) float32x4_t exp4(float32x4_t x)
{
    float32x4_t t, n, q;
    __asm__(EXP4("%[one]")
            : [x] "+&w"(x), [t] "=&w"(t), [n] "=&w"(n), [q] "=&w"(q)
            : EXP_CONSTANTS, [one] "r"(1.0f)
            : "p0");
    return x;
}

/* ---- softmax -------------------------------------------------------------------------------- */

/* p[j] = p[j] * scale; their maximum. */
static inline float scale_scores(float *p, size_t n, float scale)
{
    float32x4_t top = vdupq_n_f32(-__builtin_inff()), s;
    __asm__ volatile("dlstp.32 lr, %[n]\n"
                     "1:\tvldrw.u32 %q[s], [%[p]]\n\tvmul.f32 %q[s], %q[s], %[scale]\n\t"
                     "vmaxnm.f32 %q[top], %q[top], %q[s]\n\tvstrw.32 %q[s], [%[p]], #16\n\t"
                     "letp lr, 1b"
                     : [p] "+&r"(p), [top] "+&w"(top), [s] "=&w"(s)
                     : [n] "r"(n), [scale] "r"(scale)
                     : "memory", "lr");
    return vmaxnmvq_f32(-__builtin_inff(), top);
}

/* p[j] = exp(p[j] - m) for four; they are added to their lanes. */
static inline float32x4_t exps(float *p, float m, float32x4_t lane)
{
    float32x4_t y = exp4(vsubq_n_f32(vld1q_f32(p), m));
    vst1q_f32(p, y);
    return vaddq_f32(lane, y);
}

/* The same of n < 16, the first of them in the first lane. */
static void exps_some(float *p, size_t n, float m, float *lane)
{
    const float32x4_t max = vdupq_n_f32(m), one = vdupq_n_f32(1.0f);
    float32x4_t x, t, u, q;
    __asm__ volatile(
        "dlstp.32 lr, %[n_p]\n"
        "1:\tvldrw.u32 %q[x], [%[p]]\n\tvsub.f32 %q[x], %q[x], %q[max]\n\t" EXP4(
            "%q[one]") "vldrw.u32 %q[t], [%[lane]]\n\tvstrw.32 %q[x], [%[p]], #16\n\t"
                       "vadd.f32 %q[t], %q[t], %q[x]\n\tvstrw.32 %q[t], [%[lane]], #16\n\tletp lr, "
                       "1b"
        : [p] "+&r"(p), [lane] "+&r"(lane), [x] "=&w"(x), [t] "=&w"(t), [n] "=&w"(u), [q] "=&w"(q)
        : EXP_CONSTANTS, [n_p] "r"(n), [max] "w"(max), [one] "w"(one)
        : "memory", "p0", "lr");
}

void mote_k_softmax_mve(float *p, size_t lo, size_t hi, float scale, float cap, float *max,
                        float *sum)
{
    float lane[16];
    if (MOTE_LAYER_KINDS && cap > 0.0f) {
        for (size_t j = lo; j < hi; j++)
            p[j] = cap * mote_tanh(p[j] * scale / cap);
        scale = 1.0f;
    }
    const float m = *max = scale_scores(p + lo, hi - lo, scale);
    for (size_t i = 0; i < 16; i += 4)
        vst1q_f32(lane + i, vdupq_n_f32(0.0f));
    for (; lo % 16 && lo < hi; lo++) /* the begin of a window */
        lane[lo % 16] += p[lo] = mote_exp(p[lo] - m);
    float32x4_t l0 = vld1q_f32(lane), l1 = vld1q_f32(lane + 4), l2 = vld1q_f32(lane + 8),
                l3 = vld1q_f32(lane + 12);
    float *at = p + lo;
    for (; lo + 16 <= hi; lo += 16, at += 16) {
        l0 = exps(at, m, l0);
        l1 = exps(at + 4, m, l1);
        l2 = exps(at + 8, m, l2);
        l3 = exps(at + 12, m, l3);
    }
    vst1q_f32(lane, l0);
    vst1q_f32(lane + 4, l1);
    vst1q_f32(lane + 8, l2);
    vst1q_f32(lane + 12, l3);
    if (lo < hi)
        exps_some(at, hi - lo, m, lane);
    *sum = fold_array(lane);
}

/* ---- the value step ------------------------------------------------------------------------- */

#define FACTORS 32 /* positions whose factors are made at once */

/* Factors of two queries, side by side: p times the values' scales, which are `groups` apart. VCVTB
 * in q0: binutils 2.40 encodes it wrongly for other registers. VST2 stores all four lanes. */
static inline void factors(float *f, const float *pa, const float *pb, const uint16_t *scales,
                           size_t groups, size_t n)
{
    const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)groups);
    __asm__ volatile("dlstp.32 lr, %[n]\n"
                     "1:\tvldrh.u32 q0, [%[scales], %q[places], uxtw #1]\n\tadd %[scales], "
                     "%[scales], %[next]\n\t"
                     "vldrw.u32 q2, [%[pa]], #16\n\tvldrw.u32 q3, [%[pb]], #16\n\t"
                     "vcvtb.f32.f16 q0, q0\n\t"
                     "vmul.f32 q2, q2, q0\n\tvmul.f32 q3, q3, q0\n\t"
                     "vst20.32 {q2, q3}, [%[f]]\n\tvst21.32 {q2, q3}, [%[f]]!\n\t"
                     "letp lr, 1b"
                     : [scales] "+&r"(scales), [pa] "+&r"(pa), [pb] "+&r"(pb), [f] "+&r"(f)
                     : [n] "r"(n), [next] "r"(8 * groups), [places] "w"(places)
                     : "memory", "lr", "q0", "q2", "q3");
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
        "ldrd %[fa], %[fb], [%[f]], #8\n\tadd %[v], %[v], %[dim]\n\t"
        "vcvt.f32.s32 %q[c0], %q[c0]\n\tvcvt.f32.s32 %q[c1], %q[c1]\n\t"
        "vfma.f32 %q[a0], %q[c0], %[fa]\n\tvfma.f32 %q[a1], %q[c1], %[fa]\n\t"
        "vfma.f32 %q[b0], %q[c0], %[fb]\n\tvfma.f32 %q[b1], %q[c1], %[fb]\n\t"
        "le lr, 1b"
        : [v] "+&l"(v), [f] "+&r"(f), [a0] "+&w"(a0), [a1] "+&w"(a1), [b0] "+&w"(b0),
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
    float f[2 * FACTORS];
    for (size_t d = 0; d < dim; d++)
        a[d] = b[d] = 0.0f;
    for (size_t j = 0, some; j < n; j += some) {
        some = n - j < FACTORS ? n - j : FACTORS;
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

/* The largest magnitude as bits, which order as the floats do, NaN on top. n > 0. */
static inline uint32_t largest(const float *x, size_t n)
{
    const uint32x4_t mask = vdupq_n_u32(0x7fffffffu);
    uint32x4_t top = vdupq_n_u32(0), t;
    __asm__ volatile("dlstp.32 lr, %[n]\n"
                     "1:\tvldrw.u32 %q[t], [%[x]], #16\n\tvand %q[t], %q[t], %q[mask]\n\t"
                     "vmax.u32 %q[top], %q[top], %q[t]\n\tletp lr, 1b"
                     : [x] "+&r"(x), [top] "+&w"(top), [t] "=&w"(t)
                     : [n] "r"(n), [mask] "w"(mask)
                     : "memory", "lr");
    return vmaxvq_u32(0, top);
}

/* A group of n numbers, 0 < n <= 32: 32 codes and the scale. */
static void quantize_group(int8_t *codes, float *scale, const float *x, size_t n)
{
    const uint32_t amax = largest(x, n);
    const bool finite = amax < 0x7f800000u, live = finite && amax >= 27u << 23; /* 2^-100 */
    if (n < 32 || !live) {
        vst1q_s8(codes, vdupq_n_s8(0));
        vst1q_s8(codes + 16, vdupq_n_s8(0));
    }
    *scale = finite ? 0.0f : bits_float(0x7fc00000u);
    if (!live)
        return;
    *scale = bits_float(amax) / 127.0f;
    float32x4_t t; /* the code is its low byte */
    __asm__ volatile(
        "dlstp.32 lr, %[n]\n"
        "1:\tvldrw.u32 %q[t], [%[x]], #16\n\tvmul.f32 %q[t], %q[t], %[factor]\n\t"
        "vadd.f32 %q[t], %q[t], %[magic]\n\tvstrb.32 %q[t], [%[codes]], #4\n\t"
        "letp lr, 1b"
        : [x] "+&r"(x), [codes] "+&l"(codes), [t] "=&w"(t)
        : [n] "r"(n), [factor] "r"(127.0f / bits_float(amax)), [magic] "r"(MOTE_RNE_MAGIC)
        : "memory", "lr");
}

void mote_k_quantize_mve(int8_t *codes, float *scales, int32_t *sums, const float *x, size_t n)
{
    for (size_t at = 0; at < n; at += 32) {
        quantize_group(codes + at, &scales[at / 32], x + at, n - at < 32 ? n - at : 32);
        if (MOTE_TYPES_GGUF) /* nobody else reads it */
            sums[at / 32] = vaddvaq_s8(vaddvq_s8(vld1q_s8(codes + at)), vld1q_s8(codes + at + 16));
    }
    n = mote_round_up(n, 32);
    if (n % 64) { /* padding */
        vst1q_s8(codes + n, vdupq_n_s8(0));
        vst1q_s8(codes + n + 16, vdupq_n_s8(0));
        scales[n / 32] = 0.0f;
        sums[n / 32] = 0;
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
    float lane[16];
    float32x4_t l0 = vdupq_n_f32(0.0f), l1 = l0, l2 = l0, l3 = l0, u, v;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        l0 = vfmaq_f32(l0, vld1q_f32(x + i), vld1q_f32(x + i));
        l1 = vfmaq_f32(l1, vld1q_f32(x + i + 4), vld1q_f32(x + i + 4));
        l2 = vfmaq_f32(l2, vld1q_f32(x + i + 8), vld1q_f32(x + i + 8));
        l3 = vfmaq_f32(l3, vld1q_f32(x + i + 12), vld1q_f32(x + i + 12));
    }
    vst1q_f32(lane, l0);
    vst1q_f32(lane + 4, l1);
    vst1q_f32(lane + 8, l2);
    vst1q_f32(lane + 12, l3);
    for (; i < n; i++)
        lane[i % 16] = mote_fma(x[i], x[i], lane[i % 16]);
    const float inv = 1.0f / mote_sqrt(fold_array(lane) / (float)n + eps);
    __asm__ volatile("dlstp.32 lr, %[n]\n"
                     "1:\tvldrw.u32 %q[u], [%[x]], #16\n\tvldrw.u32 %q[v], [%[w]], #16\n\t"
                     "vmul.f32 %q[u], %q[u], %[inv]\n\tvmul.f32 %q[u], %q[u], %q[v]\n\t"
                     "vstrw.32 %q[u], [%[y]], #16\n\tletp lr, 1b"
                     : [x] "+&r"(x), [w] "+&r"(w), [y] "+&r"(y), [u] "=&w"(u), [v] "=&w"(v)
                     : [n] "r"(n), [inv] "r"(inv)
                     : "memory", "lr");
}

void mote_k_add_mve(float *y, const float *x, size_t n)
{
    float32x4_t u, v;
    __asm__ volatile(
        "wlstp.32 lr, %[n], 2f\n"
        "1:\tvldrw.u32 %q[u], [%[x]], #16\n\tvldrw.u32 %q[v], [%[y]]\n\t"
        "vadd.f32 %q[v], %q[v], %q[u]\n\tvstrw.32 %q[v], [%[y]], #16\n\tletp lr, 1b\n2:"
        : [x] "+&r"(x), [y] "+&r"(y), [u] "=&w"(u), [v] "=&w"(v)
        : [n] "r"(n)
        : "memory", "lr");
}

void mote_k_rope_mve(float *x, const float *cos, const float *sin, size_t n)
{
    float *y = x + n;
    float32x4_t a, b, c, s;
    __asm__ volatile("wlstp.32 lr, %[n], 2f\n"
                     "1:\tvldrw.u32 %q[a], [%[x]]\n\tvldrw.u32 %q[b], [%[y]]\n\t"
                     "vldrw.u32 %q[c], [%[cos]], #16\n\tvldrw.u32 %q[s], [%[sin]], #16\n\t"
                     "vmul.f32 q0, %q[a], %q[c]\n\tvmul.f32 %q[c], %q[b], %q[c]\n\t"
                     "vfms.f32 q0, %q[b], %q[s]\n\tvfma.f32 %q[c], %q[a], %q[s]\n\t"
                     "vstrw.32 q0, [%[x]], #16\n\tvstrw.32 %q[c], [%[y]], #16\n\tletp lr, 1b\n2:"
                     : [x] "+&r"(x), [y] "+&r"(y), [cos] "+&r"(cos), [sin] "+&r"(sin), [a] "=&w"(a),
                       [b] "=&w"(b), [c] "=&w"(c), [s] "=&w"(s)
                     : [n] "r"(n)
                     : "memory", "lr", "q0");
}

bool mote_k_finite_mve(const float *x, size_t n) { return !n || largest(x, n) < 0x7f800000u; }

/* silu(x) = x / (1 + exp(-x)), times u. The vectors have no division. */
static inline float32x4_t silu_times(float32x4_t gate, float32x4_t u)
{
    register float32x4_t x __asm__("q0") = gate;
    register float32x4_t d __asm__("q1") =
        vaddq_n_f32(exp4(vminnmq_f32(vnegq_f32(gate), vdupq_n_f32(88.0f))), 1.0f);
    __asm__("vdiv.f32 s0, s0, s4\n\tvdiv.f32 s1, s1, s5\n\t"
            "vdiv.f32 s2, s2, s6\n\tvdiv.f32 s3, s3, s7"
            : "+w"(x)
            : "w"(d));
    return vmulq_f32(x, u);
}

void mote_k_silu_mul_mve(float *y, const float *gate, const float *up, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(y + i, silu_times(vld1q_f32(gate + i), vld1q_f32(up + i)));
    for (; i < n; i++)
        y[i] = mote_silu(gate[i]) * up[i];
}
#endif
