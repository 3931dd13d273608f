/* report.c: what can be said of a file without running it, gathered in one place, and two files
 * side by side. Read report.h first.
 */
#include "cli/report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/encoder.h"
#include "cli/json.h"

#define MAX_CARD 65536

/* ---- gathering ------------------------------------------------------------------------------ */

bool cli_read_card(const cli_engine *e, mote_value *card, void **memory)
{
    mote_text text = mote_image_text(&e->image, MOTE_IMAGE_CARD);
    size_t bytes = 64 * (text.bytes + 1);
    mote_error err;
    *memory = text.bytes && text.bytes <= MAX_CARD ? malloc(bytes) : NULL;
    bool read = *memory && !cli_json_parse(card, text.ptr, text.bytes, *memory, bytes, &err) &&
                card->kind == MOTE_VALUE_DICT;
    if (!read)
        *card = (mote_value){.kind = MOTE_VALUE_NONE};
    return read;
}

static int plan(cli_report *r)
{
    cli_engine *e = r->engine;
    cli_encoder_memory encoder;
    cli_memory memory;
    mote_session_opts so;
    int code;
    if (!e->model)
        return 0;
    mote_model_get_info(e->model, &r->model);
    mote_model_get_encoder(e->model, &r->encoder);
    if (r->encoder.pooling) {
        code = e->tokenizer ? cli_encoder_plan(e, &encoder) : 0;
        r->run_bytes = e->tokenizer && !code ? encoder.total : 0;
        return code;
    }
    code = cli_session_options(e, cli_default_context(e), 512, false, &so);
    if (!code)
        code = cli_engine_plan(e, &so, true, &memory);
    r->n_ctx = code ? 0 : so.n_ctx;
    r->run_bytes = code ? 0 : memory.total;
    return code;
}

int cli_report_open(cli_report *r, cli_engine *e, const cli_speed *speed)
{
    char name[200];
    *r = (cli_report){.engine = e};
    int code = cli_registry_open(&r->registry);
    if (!code)
        code = plan(r);
    if (code) {
        cli_report_close(r);
        return code;
    }
    mote_text text = mote_image_text(&e->image, MOTE_IMAGE_NAME);
    snprintf(name, sizeof name, "%.*s", (int)text.bytes, text.ptr);
    r->known = cli_registry_find(&r->registry, name);
    r->tokens_per_second = speed && e->model ? cli_predict_engine(speed, e) : 0;
    r->has_card = cli_read_card(e, &r->card, &r->card_memory);
    return 0;
}

void cli_report_close(cli_report *r)
{
    cli_registry_close(&r->registry);
    free(r->card_memory);
    *r = (cli_report){0};
}

double cli_card_number(const mote_value *card, const char *key)
{
    const mote_value *v = cli_get(card, key);
    if (v && v->kind == MOTE_VALUE_INT)
        return (double)v->as.integer;
    return v && v->kind == MOTE_VALUE_FLOAT ? v->as.number : (double)NAN;
}

/* ---- side by side --------------------------------------------------------------------------- */

typedef struct cell {
    char text[80];
} cell;

static void put(cell *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(cell *c, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(c->text, sizeof c->text, format, list);
    va_end(list);
}

static void put_safe(cell *c, mote_text text) { cli_escape(c->text, 40, text.ptr, text.bytes); }

static const char *const labels[] = {
    "name",        "family",        "type",     "parameters", "layers",
    "hidden, MLP", "heads, KV",     "context",  "tokens",     "file",
    "run takes",   "a token reads", "tokens/s", "mean KL",    "same best token",
    "perplexity"};

enum { N_LABELS = sizeof labels / sizeof *labels };

static void fill_shape(cell *c, const cli_report *r)
{
    const mote_model_info *m = &r->model;
    char size[32];
    put_safe(&c[0], mote_image_text(&r->engine->image, MOTE_IMAGE_NAME));
    put_safe(&c[1], mote_image_text(&r->engine->image, MOTE_IMAGE_FAMILY));
    put(&c[2], "%s", r->engine->info.weight_type ? r->engine->info.weight_type : "-");
    put(&c[3], "%.1f million", (double)m->n_parameters / 1e6);
    put(&c[4], "%u", m->n_layers);
    put(&c[5], "%u, %u", m->hidden, m->max_ff);
    put(&c[6], "%u, %u of %u", m->max_heads, m->max_kv_heads, m->max_head_dim);
    put(&c[7], "%u", m->n_ctx_train);
    put(&c[8], "%u", m->n_vocab);
    put(&c[9], "%s", cli_size(size, r->engine->file.bytes));
    put(&c[10], "%s", cli_size(size, r->run_bytes + r->engine->file.bytes));
    put(&c[11], "%s", cli_size(size, m->decode_read_bytes));
}

static void fill_quality(cell *c, const cli_report *r)
{
    double kl = cli_card_number(&r->card, "mean_kl"), top = cli_card_number(&r->card, "same_top_1");
    double ppl = cli_card_number(&r->card, "ppl");
    for (size_t i = 12; i < N_LABELS; i++)
        put(&c[i], "-");
    if (r->tokens_per_second > 0)
        put(&c[12], "about %.0f", r->tokens_per_second);
    if (!isnan(kl))
        put(&c[13], "%.4f", kl);
    if (!isnan(top))
        put(&c[14], "%.2f %%", 100 * top);
    if (!isnan(ppl))
        put(&c[15], "%.4f", ppl);
}

static void print_people(cli_out *out, const cli_report r[2])
{
    cell cells[2][N_LABELS] = {{{{0}}}};
    for (size_t i = 0; i < 2; i++) {
        fill_shape(cells[i], &r[i]);
        fill_quality(cells[i], &r[i]);
    }
    for (size_t i = 0; i < N_LABELS; i++)
        cli_printf(out, "%-16s %-36s %s\n", labels[i], cells[0][i].text, cells[1][i].text);
}

static void json_number(cli_out *out, const char *key, double x)
{
    if (x > 0)
        cli_json_real(out, key, x);
    else
        cli_json_text(out, key, NULL);
}

static void json_name(cli_out *out, const cli_engine *e, const char *key, mote_image_string which)
{
    mote_text text = mote_image_text(&e->image, which);
    cli_json_key(out, key);
    cli_json_string(out, text.ptr, text.bytes);
}

static void print_model(cli_out *out, const cli_report *r)
{
    static const char *const card[] = {"mean_kl", "same_top_1", "ppl"};
    const mote_model_info *m = &r->model;
    cli_json_open(out, '{');
    cli_json_text(out, "file", r->engine->o->model);
    json_name(out, r->engine, "name", MOTE_IMAGE_NAME);
    json_name(out, r->engine, "family", MOTE_IMAGE_FAMILY);
    cli_json_text(out, "weight_type", r->engine->info.weight_type);
    cli_json_uint(out, "n_parameters", m->n_parameters);
    cli_json_uint(out, "n_layers", m->n_layers);
    cli_json_uint(out, "hidden", m->hidden);
    cli_json_uint(out, "ff", m->max_ff);
    cli_json_uint(out, "n_heads", m->max_heads);
    cli_json_uint(out, "n_kv_heads", m->max_kv_heads);
    cli_json_uint(out, "head_dim", m->max_head_dim);
    cli_json_uint(out, "n_ctx", m->n_ctx_train);
    cli_json_uint(out, "n_vocab", m->n_vocab);
    cli_json_uint(out, "file_bytes", r->engine->file.bytes);
    cli_json_uint(out, "run_bytes", r->run_bytes);
    cli_json_uint(out, "decode_read_bytes", m->decode_read_bytes);
    json_number(out, "tokens_per_second", r->tokens_per_second);
    for (size_t i = 0; i < sizeof card / sizeof *card; i++)
        json_number(out, card[i], cli_card_number(&r->card, card[i]));
    cli_json_close(out, '}');
}

int cli_compare_shapes(cli_engine *first, cli_engine *second)
{
    cli_report r[2] = {{0}};
    cli_out out = {.n = 0};
    cli_speed speed;
    int code = cli_speed_get(&speed, (uint32_t)first->o->threads);
    if (!code)
        code = cli_report_open(&r[0], first, &speed);
    if (!code)
        code = cli_report_open(&r[1], second, &speed);
    if (!code && first->o->json) {
        cli_json_open(&out, '{');
        cli_json_key(&out, "models");
        cli_json_open(&out, '[');
        print_model(&out, &r[0]);
        print_model(&out, &r[1]);
        cli_json_close(&out, ']');
        cli_json_close(&out, '}');
        cli_json_end_line(&out);
    } else if (!code) {
        print_people(&out, r);
    }
    cli_report_close(&r[0]);
    cli_report_close(&r[1]);
    return cli_out_close(&out, code);
}
