/* bench_plan.c: the lists of `mote bench`, what a test has to read and to compute, and what follows
 * from its times.
 *
 * A list is N,N,...; instead of a number there may be a range first-last, first-last+step or
 * first-last*factor, as llama-bench has them.
 */
#include <math.h>
#include <string.h>

#include "cli/bench.h"

/* ---- lists ---------------------------------------------------------------------------------- */

static int refuse(const char *flag, const char *text, int64_t max)
{
    return cli_error(EXIT_USAGE, flag,
                     "\"%s\" is no list of whole numbers to %lld (128, 1,2,4, 1-4, 64-512+64, "
                     "1-64*2), or longer than %d",
                     text, (long long)max, BENCH_MAX_LIST);
}

/* "64", "1-4", "1-9+2", "1-64*2" */
static bool add_item(bench_list *list, const char *text, size_t bytes, int64_t max)
{
    size_t first = strspn(text, "0123456789"), last = 0, step = 0;
    int64_t from, to, by = 1;
    first = first < bytes ? first : bytes;
    bool is_range = first < bytes && text[first] == '-', grows = false;
    const char *rest = text + first + is_range;
    if (is_range) {
        last = strspn(rest, "0123456789");
        grows = rest[last] == '*';
        step = bytes - first - 1 - last;
    }
    if (!cli_whole_number(text, is_range ? first : bytes, 0, max, &from))
        return false;
    to = from;
    if (is_range && !cli_whole_number(rest, last, from, max, &to))
        return false;
    if (step && ((rest[last] != '+' && !grows) ||
                 !cli_whole_number(rest + last + 1, step - 1, grows ? 2 : 1, max, &by)))
        return false;
    if (grows && !from)
        return false;
    for (int64_t at = from; at <= to; at = grows ? at * by : at + by) {
        if (list->n == BENCH_MAX_LIST)
            return false;
        list->at[list->n++] = at;
    }
    return true;
}

static int read_list(bench_list *list, const char *flag, const char *text, int64_t max)
{
    list->n = 0;
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ",");
        if (!n || !add_item(list, at, n, max))
            return refuse(flag, text, max);
        at += n;
        if (!*at)
            return 0;
    }
}

static int read_kvs(bench_plan *plan, const char *text)
{
    static const char *const known[] = {"f32", "f16", "q8"};
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ","), i = 0;
        while (i < 3 && (strlen(known[i]) != n || strncmp(at, known[i], n) != 0))
            i++;
        if (i == 3 || plan->n_kvs == BENCH_MAX_LIST)
            return cli_error(EXIT_USAGE, "--kv", "\"%s\" is no list of f32, f16, q8", text);
        plan->kvs[plan->n_kvs++] = known[i];
        at += n;
        if (!*at)
            return 0;
    }
}

/* Tests of 0 tokens are none. */
static void drop_zeros(bench_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        if (list->at[i])
            list->at[n++] = list->at[i];
    list->n = n;
}

static int64_t largest(const bench_list *list)
{
    int64_t most = 0;
    for (size_t i = 0; i < list->n; i++)
        most = list->at[i] > most ? list->at[i] : most;
    return most;
}

int bench_read_plan(bench_plan *plan, const cli_opts *o)
{
    const int64_t most = 1 << 24;
    int code = read_list(&plan->prompts, "-p", o->bench.prompts, most);
    code = code ? code : read_list(&plan->gens, "-n", o->bench.gens, most);
    code = code ? code : read_list(&plan->depths, "-d", o->bench.depths, most);
    code = code ? code : read_list(&plan->threads, "-t", o->bench.threads, 1024);
    code = code ? code : read_list(&plan->batches, "-b", o->bench.batches, 65536);
    code = code ? code : read_kvs(plan, o->bench.kvs);
    if (code)
        return code;
    drop_zeros(&plan->prompts);
    drop_zeros(&plan->gens);
    int64_t prompt = largest(&plan->prompts), gen = largest(&plan->gens);
    if (!prompt && !gen)
        return cli_error(EXIT_USAGE, NULL, "nothing to measure: -p and -n are 0");
    plan->positions = (size_t)(largest(&plan->depths) + (prompt > gen ? prompt : gen));
    plan->n_tests = (plan->prompts.n + plan->gens.n) * plan->depths.n * plan->threads.n *
                    plan->batches.n * plan->n_kvs;
    return 0;
}

/* ---- work ----------------------------------------------------------------------------------- */

/* Adds one tensor; experts: those it holds are read in part, what *experts counts. */
static void add_tensor(bench_costs *costs, const mote_tensor_info *t, double used)
{
    double products = (double)t->rows * (double)t->k * used;
    if (strncmp(t->name, "layers.", 7) != 0 || t->k < 2)
        return;
    if (cli_is_float(t->type))
        costs->float_products += products;
    else
        costs->int_products += products;
}

/* Of a mixture's experts a token reads few: the part that decode_read_bytes has of their bytes. */
static double used_experts(const bench *b, double expert_bytes, double unread)
{
    unread += (double)b->model.decode_read_bytes;
    double part = 1 - ((double)b->model.weight_bytes - unread) / expert_bytes;
    return part > 0 && part < 1 ? part : 1;
}

mote_status bench_count_costs(bench *b, mote_error *err)
{
    bench_costs *costs = &b->costs;
    mote_tensor_info t, head = {.rows = 0}, embed = {.rows = 0};
    double expert_bytes = 0;
    for (size_t i = 0; i < b->engine.info.n_tensors; i++) {
        mote_image_get_tensor(&b->engine.image, i, &t);
        if (strcmp(t.name, "head") == 0)
            head = t;
        else if (strcmp(t.name, "embed") == 0)
            embed = t;
        expert_bytes += t.n_mats > 1 ? (double)t.bytes : 0;
    }
    double unread = head.rows ? (double)embed.bytes : 0;
    double used = expert_bytes > 0 ? used_experts(b, expert_bytes, unread) : 1;
    head = head.rows ? head : embed;
    *costs = (bench_costs){.head_products = (double)head.rows * (double)head.k,
                           .head_bytes = (double)head.bytes,
                           .is_head_float = head.rows && cli_is_float(head.type)};
    costs->layer_bytes = (double)b->model.decode_read_bytes - costs->head_bytes;
    for (size_t i = 0; i < b->engine.info.n_tensors; i++) {
        mote_image_get_tensor(&b->engine.image, i, &t);
        add_tensor(costs, &t, t.n_mats > 1 ? used * t.n_mats : 1);
    }
    mote_session_opts longest = b->engine.session_opts;
    mote_session_plan plan;
    longest.n_ctx = b->engine.info.n_ctx; /* a cache grows in blocks of positions */
    mote_status s = mote_session_plan_bytes(&plan, b->engine.model, &longest, err);
    if (!s)
        costs->position_bytes = (double)plan.kv_bytes / longest.n_ctx;
    return s;
}

/* Sum over the steps of a test: every step reads the layers, and all positions so far; one that
 * wants logits the head too. */
static void count_work(const bench_costs *costs, bench_test *t)
{
    size_t n = t->n_prompt + t->n_gen, chunk = t->n_gen ? 1 : t->n_batch;
    double n_heads = t->n_gen ? (double)n : 1, bytes = n_heads * costs->head_bytes;
    for (size_t done = 0; done < n;) {
        done += n - done < chunk ? n - done : chunk;
        bytes += costs->layer_bytes + costs->position_bytes * (double)(t->depth + done);
    }
    double head = costs->head_products * n_heads / (double)n;
    t->bytes = bytes / (double)n;
    t->int_ops = 2 * (costs->int_products + (costs->is_head_float ? 0 : head));
    t->float_ops = 2 * (costs->float_products + (costs->is_head_float ? head : 0));
}

/* ---- results -------------------------------------------------------------------------------- */

void bench_count_test(const bench *b, bench_test *t)
{
    double sorted[BENCH_MAX_REPEATS], sum = 0, squares = 0;
    size_t n = (size_t)b->opts.repeats;
    memcpy(sorted, t->rates, n * sizeof *sorted);
    cli_sort(sorted, n);
    for (size_t i = 0; i < n; i++)
        sum += sorted[i];
    t->mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (sorted[i] - t->mean) * (sorted[i] - t->mean);
    t->deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
    t->median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
    t->least = sorted[0];
    t->most = sorted[n - 1];
    count_work(&b->costs, t);
}

double bench_share(const bench *b, const bench_test *t, const char **limit)
{
    const probe_peaks *peaks = &b->peaks;
    if (!peaks->n_threads)
        return 0;
    double memory = t->bytes / peaks->read_bytes, compute = 0;
    if (peaks->int_ops > 0)
        compute += t->int_ops / peaks->int_ops;
    if (peaks->float_ops > 0)
        compute += t->float_ops / peaks->float_ops;
    *limit = compute > memory ? "compute" : "memory";
    return t->median * (compute > memory ? compute : memory);
}
