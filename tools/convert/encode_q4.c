/* encode_q4.c: the search for q4's codes and scales. Read kernels/quant.h first.
 *
 * A weight is book[code] * step * row: step is a signed byte per 32 weights, row one float per row.
 * The book is not symmetric, so the sign of a step matters. Per group of 32 values x:
 *
 *   1. For 12 scales of either sign around the one that maps the largest value to the book's ends:
 *      take the nearest levels l; then the best scale for these levels is s = (x . l) / (l . l),
 *      and the squared error falls short of x . x by the gain (x . l)^2 / (l . l). Keep the best of
 *      each sign.
 *   2. The row's factor is the largest |s| / 127.
 *   3. Round s to whole steps; try its neighbours, each with its own nearest levels and the exact
 *      error; then the best scale for the levels found, once more.
 *
 * Loops over 32 values are vector code; lanes are summed in a fixed order, so the result does not
 * depend on the instruction set.
 */
#include <string.h>

#include "kernels/math.h"
#include "tools/convert/encode.h"

#define GROUP 32
#define N_FACTORS 12
#define LANES 8

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

static const int8_t book[16] = MOTE_BOOK_LEVELS;

typedef struct match {
    float dot;   /* x . l */
    float power; /* l . l */
} match;

/* The level nearest to y is nearest[2 * y + 70], rounded down, as all middles between levels are
 * multiples of 1/2. */
static const float nearest[] = {
    [0 ... 8] = -34,   [9 ... 21] = -27,   [22 ... 32] = -21,  [33 ... 41] = -16,
    [42 ... 48] = -12, [49 ... 54] = -9,   [55 ... 60] = -6,   [61 ... 66] = -3,
    [67 ... 72] = 0,   [73 ... 78] = 3,    [79 ... 84] = 6,    [85 ... 91] = 9,
    [92 ... 99] = 13,  [100 ... 108] = 17, [109 ... 119] = 22, [120 ... 126] = 28,
};

/* A match is made in three steps, which are kept apart: woven together, compilers turn the look-ups
 * into slow vector code. */

/* Where nearest[] has the level of each x * scale / 2. */
__attribute__((noinline)) static void find_places(const float *x, float scale, int *place)
{
    for (int i = 0; i < GROUP; i++) {
        float y = x[i] * scale + 70.0f;
        y = y > 0.0f ? y : 0.0f;
        place[i] = (int)(y < 126.0f ? y : 126.0f);
    }
}

__attribute__((noinline)) static void look_up(const int *place, float *level)
{
    for (int i = 0; i < GROUP; i++)
        level[i] = nearest[place[i]];
}

static float fold(const lanes *v)
{
    const lanes x = *v;
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

__attribute__((noinline)) static match sum_up(const float *x, const float *level)
{
    lanes dot = {0}, power = {0}, a, l;
    for (int i = 0; i < GROUP; i += LANES) {
        memcpy(&a, x + i, sizeof a);
        memcpy(&l, level + i, sizeof l);
        dot += a * l;
        power += l * l;
    }
    return (match){fold(&dot), fold(&power)};
}

/* Level nearest to each x * inverse; a tie goes up. */
static match match_levels(const float *x, float inverse, float *level)
{
    int place[GROUP];
    find_places(x, 2.0f * inverse, place);
    look_up(place, level);
    return sum_up(x, level);
}

/* Step 1: the best scale of one sign. amax > 0. */
static float search_scale(const float *x, float amax, float *gain)
{
    float level[GROUP], best = 0;
    *gain = -1;
    for (int f = 0; f < N_FACTORS; f++) {
        float target = 23.0f + 1.5f * (float)f; /* the level that amax maps to, signed */
        match m = match_levels(x, target / amax, level);
        float g = m.dot * m.dot;
        if (m.power > 0 && g > *gain * m.power) {
            *gain = g / m.power;
            best = m.dot / m.power;
        }
    }
    return best;
}

typedef struct candidate {
    int step;
    float error; /* without the constant x . x */
    match match;
} candidate;

static void try_step(const float *x, float row, int step, candidate *best)
{
    float level[GROUP], s = (float)step * row;
    if (!step || step < -127 || step > 127)
        return;
    match m = match_levels(x, 1.0f / s, level);
    float error = s * (s * m.power - 2.0f * m.dot);
    if (error < best->error)
        *best = (candidate){step, error, m};
}

static int to_step(float s, float row)
{
    float q = mote_rne(s / row);
    return (int)(q > 127 ? 127 : q < -127 ? -127 : q);
}

/* Step 3. scale: the best of each sign. Returns the step; 0: the group is all but zero. */
static int choose_step(const float *x, float row, const float scale[2])
{
    candidate best = {0, 0, {0, 0}};
    for (int i = 0; i < 2; i++) {
        int step = to_step(scale[i], row);
        for (int near = -2; near <= 2; near++)
            try_step(x, row, step + near, &best);
    }
    if (best.match.power > 0)
        try_step(x, row, to_step(best.match.dot / best.match.power, row), &best);
    return best.step;
}

static uint8_t code_of(float level)
{
    uint8_t c = 0;
    while (c < 15 && (float)book[c] < level)
        c++;
    return c;
}

static void write_codes(const float *x, float row, int step, uint8_t *codes)
{
    float level[GROUP];
    memset(codes, MOTE_BOOK_ZERO, GROUP);
    if (!step)
        return;
    match_levels(x, 1.0f / ((float)step * row), level);
    for (int i = 0; i < GROUP; i++)
        codes[i] = code_of(level[i]);
}

static float largest(const float *x, size_t n)
{
    float m = 0;
    for (size_t i = 0; i < n; i++)
        m = mote_fmax(m, mote_fabs(x[i]));
    return m;
}

/* Brings the largest value of the row near 1 by a power of two, so that squares neither overflow
 * nor vanish. Returns the power that undoes it. */
static float normalise(float *x, size_t k)
{
    uint32_t exponent = float_bits(largest(x, k)) >> 23; /* 1 .. 253: both powers are normal */
    exponent = exponent < 1 ? 1 : exponent > 253 ? 253 : exponent;
    float down = bits_float((254 - exponent) << 23);
    for (size_t i = 0; i < k; i++)
        x[i] *= down;
    return bits_float(exponent << 23);
}

void quantize_q4_row(float *x, size_t k, uint8_t *codes, int8_t *steps, float *row, float *scratch)
{
    float *scale = scratch, gain[2], power = normalise(x, k); /* two scales a group */
    for (size_t g = 0; g < k / GROUP; g++) {
        float amax = largest(x + g * GROUP, GROUP);
        scale[2 * g] = scale[2 * g + 1] = 0;
        if (amax < 0x1p-50f) /* its square would vanish; beside a value near 1 it is nothing */
            continue;
        scale[2 * g] = search_scale(x + g * GROUP, amax, &gain[0]);
        scale[2 * g + 1] = search_scale(x + g * GROUP, -amax, &gain[1]);
        if (gain[1] > gain[0]) {
            float s = scale[2 * g];
            scale[2 * g] = scale[2 * g + 1];
            scale[2 * g + 1] = s;
        }
    }
    *row = 0;
    for (size_t g = 0; g < k / GROUP; g++)
        *row = mote_fmax(*row, mote_fabs(scale[2 * g]));
    *row /= 127.0f;
    for (size_t g = 0; g < k / GROUP; g++) {
        steps[g] = *row > 0 ? (int8_t)choose_step(x + g * GROUP, *row, scale + 2 * g) : 0;
        write_codes(x + g * GROUP, *row, steps[g], codes + g * GROUP);
    }
    *row *= power;
}
