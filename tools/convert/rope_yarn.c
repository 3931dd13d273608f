/* rope_yarn.c: rotary positions of type yarn: waves that turn often within the original context are
 * kept, those that turn less than once are slowed by `factor`, the ones between blended; and all
 * scores are multiplied, as more positions make a flatter softmax. Read rope.c first.
 *
 *   m(x) = 0.1 x ln(factor) + 1
 *   cos and sin  * m(mscale) / m(mscale_all_dim), or m(1) unless both are given
 *   scores       * m(mscale_all_dim)^2 (DeepSeek only)
 */
#include "tools/convert/graph.h"

#include <math.h>
#include <string.h>

bool rope_is_yarn_member(const char *key)
{
    static const char *const members[] = {"beta_fast",      "beta_slow", "mscale",
                                          "mscale_all_dim", "truncate",  "attention_factor",
                                          "finetuned"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (strcmp(members[i], key) == 0)
            return true;
    return false;
}

/* The options, NULL when their type is not yarn. */
static const cJSON *yarn_options(graph *g)
{
    const cJSON *options = rope_options(g);
    return strcmp(rope_type(g, options), "yarn") == 0 ? options : NULL;
}

static double read_factor(graph *g, const cJSON *options)
{
    double factor = config_number_or(g, options, "factor", 0, 1e6, -1);
    if (factor < 0)
        graph_fail(g, MOTE_ERR_FILE, "%s: the rope parameters have no factor", g->src->config_file);
    return factor;
}

static double grown(double factor, double mscale)
{
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

double rope_yarn_turn_scale(graph *g)
{
    const cJSON *options = yarn_options(g);
    if (!options)
        return 1;
    double factor = read_factor(g, options);
    double mscale = config_number_or(g, options, "mscale", -1, 1e3, 0);
    double all = config_number_or(g, options, "mscale_all_dim", -1, 1e3, 0);
    double given = config_number_or(g, options, "attention_factor", 0, 1e3, 0);
    if (given > 0)
        return given;
    return mscale > 0 && all > 0 ? grown(factor, mscale) / grown(factor, all) : grown(factor, 1);
}

double rope_yarn_attn_scale(graph *g)
{
    const cJSON *options = yarn_options(g);
    double all = config_number_or(g, options, "mscale_all_dim", -1, 1e3, 0);
    if (!options || !(all > 0))
        return 1;
    double m = grown(read_factor(g, options), all);
    return m * m;
}

/* The pair that turns `turns` times within `old` positions, as a real number. */
static double find_pair(double turns, uint32_t dim, double theta, double old)
{
    const double two_pi = 2 * 3.14159265358979323846;
    return dim * log(old / (turns * two_pi)) / (2 * log(theta));
}

/* As the reference does it, operation by operation in f32. */
void rope_scale_yarn(graph *g, const cJSON *options, double theta, float *f, uint32_t dim)
{
    const float factor = (float)read_factor(g, options);
    const double fast = config_number_or(g, options, "beta_fast", 0, 1e6, 32);
    const double slow = config_number_or(g, options, "beta_slow", 0, 1e6, 1);
    const cJSON *truncate = json_get(options, "truncate");
    double old = config_number_or(g, options, "original_max_position_embeddings", 0,
                                  MOTE_MAX_CONTEXT, g->index.n_ctx);
    double low = floor(find_pair(fast, dim, theta, old));
    double high = ceil(find_pair(slow, dim, theta, old));
    if (cJSON_IsFalse(truncate))
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: rope option truncate is not supported when false",
                   g->src->config_file);
    if (!(theta > 1))
        graph_fail(g, MOTE_ERR_UNSUPPORTED, "%s: rope type yarn with rope_theta %g",
                   g->src->config_file, theta);
    low = low < 0 ? 0 : low;
    high = high > dim - 1 ? dim - 1 : high;
    high = low < high || low > high ? high : high + 0.001;
    for (uint32_t i = 0; i < dim / 2 && !g->status; i++) {
        float power = (float)pow(theta, (double)((float)(2 * i) / (float)dim));
        float ramp = ((float)i - (float)low) / (float)(high - low);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        float kept = 1.0f - ramp;
        f[i] = 1.0f / (factor * power) * (1.0f - kept) + 1.0f / power * kept;
    }
}
