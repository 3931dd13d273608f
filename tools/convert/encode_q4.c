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
 * A guide (calibrate.h) says what errors do to the matrix's results on real inputs: each square
 * gets a weight in all of these sums; and an error, once made, moves the columns to its right so
 * that they make up for it. There step 3 and the codes go group by group, from left to right, and
 * the scales of step 1 are searched anew in the moved values:
 *
 *   x'[j] = x[j] + sum over i < j of (x[i] - what i became) * feedback[i][j]
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
#define HEADROOM 1.05f /* of the row's factor: moved values may be larger */

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

/* w: weights of the squares. */
__attribute__((noinline)) static match sum_up(const float *x, const float *w, const float *level)
{
    lanes dot = {0}, power = {0}, a, l, by;
    for (int i = 0; i < GROUP; i += LANES) {
        memcpy(&a, x + i, sizeof a);
        memcpy(&l, level + i, sizeof l);
        memcpy(&by, w + i, sizeof by);
        by *= l;
        dot += a * by;
        power += l * by;
    }
    return (match){fold(&dot), fold(&power)};
}

/* A group and the weights of its squares. */
typedef struct group {
    const float *x, *w;
} group;

/* Level nearest to each x * inverse; a tie goes up. */
static match match_levels(group g, float inverse, float *level)
{
    int place[GROUP];
    find_places(g.x, 2.0f * inverse, place);
    look_up(place, level);
    return sum_up(g.x, g.w, level);
}

/* Step 1: the best scale of one sign. amax > 0. */
static float search_scale(group at, float amax, float *gain)
{
    float level[GROUP], best = 0;
    *gain = -1;
    for (int f = 0; f < N_FACTORS; f++) {
        float target = 23.0f + 1.5f * (float)f; /* the level that amax maps to, signed */
        match m = match_levels(at, target / amax, level);
        float g = m.dot * m.dot;
        if (m.power > 0 && g > *gain * m.power) {
            *gain = g / m.power;
            best = m.dot / m.power;
        }
    }
    return best;
}

static float largest(const float *x, size_t n)
{
    float m = 0;
    for (size_t i = 0; i < n; i++)
        m = mote_fmax(m, mote_fabs(x[i]));
    return m;
}

/* Step 1: the best of each sign, the better one first. */
static void search_scales(group g, float scale[2])
{
    float amax = largest(g.x, GROUP), gain[2];
    scale[0] = scale[1] = 0;
    if (amax < 0x1p-50f) /* its square would vanish; beside a value near 1 it is nothing */
        return;
    float plus = search_scale(g, amax, &gain[0]), minus = search_scale(g, -amax, &gain[1]);
    scale[0] = gain[1] > gain[0] ? minus : plus;
    scale[1] = gain[1] > gain[0] ? plus : minus;
}

typedef struct candidate {
    int step;
    float error; /* without the constant x . x */
    match match;
} candidate;

static void try_step(group g, float row, int step, candidate *best)
{
    float level[GROUP], s = (float)step * row;
    if (!step || step < -127 || step > 127)
        return;
    match m = match_levels(g, 1.0f / s, level);
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
static int choose_step(group g, float row, const float scale[2])
{
    candidate best = {0, 0, {0, 0}};
    if (!(row > 0))
        return 0;
    for (int i = 0; i < 2; i++) {
        int step = to_step(scale[i], row);
        for (int near = -2; near <= 2; near++)
            try_step(g, row, step + near, &best);
    }
    if (best.match.power > 0)
        try_step(g, row, to_step(best.match.dot / best.match.power, row), &best);
    return best.step;
}

static uint8_t code_of(float level)
{
    uint8_t c = 0;
    while (c < 15 && (float)book[c] < level)
        c++;
    return c;
}

static void write_codes(group g, float s, uint8_t *codes)
{
    float level[GROUP];
    memset(codes, MOTE_BOOK_ZERO, GROUP);
    if (s == 0.0f)
        return;
    match_levels(g, 1.0f / s, level);
    for (int i = 0; i < GROUP; i++)
        codes[i] = code_of(level[i]);
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

/* ---- without feedback: each row for itself --------------------------------------------------- */

static const float ones[GROUP] = {[0 ... GROUP - 1] = 1.0f};

static group group_at(const float *x, const q4_guide *guide, size_t at)
{
    return (group){x + at, guide ? guide->weights + at : ones};
}

/* Steps 1 and 2. scales: two a group. */
static float plan_row(const float *x, size_t k, const q4_guide *guide, float *scales)
{
    float row = 0;
    for (size_t g = 0; g < k / GROUP; g++) {
        search_scales(group_at(x, guide, g * GROUP), scales + 2 * g);
        row = mote_fmax(row, mote_fabs(scales[2 * g]));
    }
    return row / 127.0f;
}

void quantize_q4_row(float *x, size_t k, uint8_t *codes, int8_t *steps, float *row, float *scratch)
{
    float power = normalise(x, k);
    *row = plan_row(x, k, NULL, scratch);
    for (size_t i = 0; i < k / GROUP; i++) {
        group g = group_at(x, NULL, i * GROUP);
        steps[i] = (int8_t)choose_step(g, *row, scratch + 2 * i);
        write_codes(g, (float)steps[i] * *row, codes + i * GROUP);
    }
    *row *= power;
}

/* ---- with feedback: 16 rows side by side, so that feedback is read once for all -------------- */

/* Codes of a group from left to right, each error moving the columns behind it at once. moved: the
 * row's x'; error[32]: what is left for the columns behind the group. */
static void feed_group(const float *x, float *moved, float s, size_t at, const q4_guide *guide,
                       uint8_t *codes, float *error)
{
    for (size_t i = at; i < at + GROUP; i++) {
        float level = 0;
        if (s != 0.0f) {
            float y = moved[i] * (2.0f / s) + 70.0f;
            y = y > 0.0f ? y : 0.0f;
            level = nearest[(int)(y < 126.0f ? y : 126.0f)];
        }
        codes[i] = code_of(level);
        error[i - at] = x[i] - level * s;
        const float *feedback = guide->feedback + i * guide->k;
        for (size_t j = i + 1; j < at + GROUP; j++)
            moved[j] += error[i - at] * feedback[j];
    }
}

/* moved += errors of the group at `at` times their feedback, for the columns behind the group; in
 * strips that stay in the cache. */
static void feed_on(float *moved, size_t n_rows, size_t at, const q4_guide *guide,
                    const float *errors)
{
    enum { STRIP = 128 };
    const size_t k = guide->k;
    for (size_t c = at + GROUP; c < k; c += STRIP) {
        size_t n = k - c < STRIP ? k - c : STRIP;
        for (size_t r = 0; r < n_rows; r++) {
            float *to = moved + r * k + c;
            for (size_t i = 0; i < GROUP; i += 4) {
                const float *e = errors + r * GROUP + i;
                const float *f = guide->feedback + (at + i) * k + c;
                for (size_t j = 0; j < n; j++)
                    to[j] += (e[0] * f[j] + e[1] * f[k + j]) +
                             (e[2] * f[2 * k + j] + e[3] * f[3 * k + j]);
            }
        }
    }
}

void quantize_q4_guided(float *x, size_t n_rows, const q4_guide *guide, uint8_t *codes,
                        int8_t *steps, float *rows, float *scratch)
{
    const size_t k = guide->k;
    float *moved = scratch, *errors = moved + n_rows * k, *scales = errors + n_rows * GROUP;
    float power[MOTE_TILE_ROWS];
    for (size_t r = 0; r < n_rows; r++) {
        power[r] = normalise(x + r * k, k);
        rows[r] = plan_row(x + r * k, k, guide, scales) * HEADROOM;
    }
    memcpy(moved, x, n_rows * k * sizeof *x);
    for (size_t at = 0; at < k; at += GROUP) {
        for (size_t r = 0; r < n_rows; r++) {
            group g = group_at(moved + r * k, guide, at);
            search_scales(g, scales);
            int step = choose_step(g, rows[r], scales);
            steps[r * (k / GROUP) + at / GROUP] = (int8_t)step;
            feed_group(x + r * k, moved + r * k, (float)step * rows[r], at, guide, codes + r * k,
                       errors + r * GROUP);
        }
        feed_on(moved, n_rows, at, guide, errors);
    }
    for (size_t r = 0; r < n_rows; r++)
        rows[r] *= power[r];
}
