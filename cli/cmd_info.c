/* cmd_info.c: what is in a file, for people and as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/report.h"

#define MAX_TYPES 16

/* Tensors of one type together. */
typedef struct type_sum {
    const char *type;
    uint32_t group;
    uint64_t n_tensors, n_weights, bytes;
} type_sum;

typedef struct file_sums {
    type_sum types[MAX_TYPES];
    size_t n_types;
    uint64_t tokenizer_bytes, matrix_weights, matrix_bytes;
} file_sums;

static void add(file_sums *f, const mote_tensor_info *t)
{
    size_t i = 0;
    if (t->is_tokenizer) {
        f->tokenizer_bytes += t->bytes;
        return;
    }
    while (i < f->n_types && (strcmp(f->types[i].type, t->type) || f->types[i].group != t->group))
        i++;
    if (i == MAX_TYPES)
        return;
    if (i == f->n_types)
        f->types[f->n_types++] = (type_sum){.type = t->type, .group = t->group};
    uint64_t n = t->rows * t->k * t->n_mats;
    f->types[i].n_tensors++;
    f->types[i].n_weights += n;
    f->types[i].bytes += t->bytes;
    f->matrix_weights += n;
    f->matrix_bytes += t->bytes;
}

static file_sums sum_up(const cli_engine *e)
{
    file_sums f = {.n_types = 0};
    mote_tensor_info t;
    for (size_t i = 0; i < e->info.n_tensors; i++) {
        mote_image_get_tensor(&e->image, i, &t);
        add(&f, &t);
    }
    return f;
}

static double bits(uint64_t bytes, uint64_t n) { return n ? 8.0 * (double)bytes / (double)n : 0; }

/* ---- JSON ----------------------------------------------------------------------------------- */

static void json_texts(cli_out *out, const cli_engine *e)
{
    static const struct {
        const char *key;
        mote_image_string which;
    } texts[] = {{"name", MOTE_IMAGE_NAME},           {"family", MOTE_IMAGE_FAMILY},
                 {"source", MOTE_IMAGE_SOURCE},       {"licence", MOTE_IMAGE_LICENCE},
                 {"converter", MOTE_IMAGE_CONVERTER}, {"bos_token", MOTE_IMAGE_BOS},
                 {"eos_token", MOTE_IMAGE_EOS},       {"unk_token", MOTE_IMAGE_UNK},
                 {"pad_token", MOTE_IMAGE_PAD},       {"chat_template", MOTE_IMAGE_CHAT_TEMPLATE}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        mote_text t = mote_image_text(&e->image, texts[i].which);
        cli_json_key(out, texts[i].key);
        if (t.bytes) {
            cli_json_string(out, t.ptr, t.bytes);
        } else {
            cli_puts(out, "null");
            out->comma = true;
        }
    }
}

static void json_card(cli_out *out, const cli_report *r)
{
    mote_text text = mote_image_text(&r->engine->image, MOTE_IMAGE_CARD);
    while (text.bytes && text.ptr[text.bytes - 1] == ' ')
        text.bytes--;
    cli_json_key(out, "quality_card");
    if (r->has_card)
        cli_put(out, text.ptr, text.bytes);
    else if (text.bytes)
        cli_json_string(out, text.ptr, text.bytes);
    else
        cli_puts(out, "null");
    out->comma = true;
}

static void json_types(cli_out *out, const file_sums *f)
{
    cli_json_key(out, "types");
    cli_json_open(out, '[');
    for (size_t i = 0; i < f->n_types; i++) {
        const type_sum *t = &f->types[i];
        cli_json_open(out, '{');
        cli_json_text(out, "type", t->type);
        cli_json_uint(out, "group", t->group);
        cli_json_uint(out, "tensors", t->n_tensors);
        cli_json_uint(out, "weights", t->n_weights);
        cli_json_uint(out, "bytes", t->bytes);
        cli_json_real(out, "bits_per_weight", bits(t->bytes, t->n_weights));
        cli_json_close(out, '}');
    }
    cli_json_close(out, ']');
}

static void json_tensors(cli_out *out, const cli_engine *e)
{
    mote_tensor_info t;
    cli_json_key(out, "tensors");
    cli_json_open(out, '[');
    for (size_t i = 0; i < e->info.n_tensors; i++) {
        mote_image_get_tensor(&e->image, i, &t);
        cli_json_open(out, '{');
        cli_json_text(out, "name", t.name);
        cli_json_text(out, "type", t.type);
        cli_json_uint(out, "rows", t.rows);
        cli_json_uint(out, "k", t.k);
        cli_json_uint(out, "bytes", t.bytes);
        cli_json_close(out, '}');
    }
    cli_json_close(out, ']');
}

static const char *pooling_name(const mote_encoder_info *x)
{
    static const char *const names[] = {"none", "mean", "cls", "score"};
    return names[x->pooling];
}

static void json_encoder(cli_out *out, const cli_engine *e)
{
    mote_encoder_info x;
    mote_model_get_encoder(e->model, &x);
    if (x.pooling == MOTE_POOL_NONE)
        return;
    cli_json_key(out, "encoder");
    cli_json_open(out, '{');
    cli_json_text(out, "pooling", pooling_name(&x));
    cli_json_bool(out, "normalize", x.normalize);
    cli_json_uint(out, "n_out", x.n_out);
    cli_json_uint(out, "max_tokens", x.max_tokens);
    cli_json_uint(out, "n_types", x.n_types);
    cli_json_close(out, '}');
}

static void json_model(cli_out *out, const cli_engine *e)
{
    mote_model_info m;
    mote_model_get_info(e->model, &m);
    cli_json_uint(out, "n_layers", m.n_layers);
    cli_json_uint(out, "n_vocab", m.n_vocab);
    cli_json_uint(out, "n_ctx", m.n_ctx_train);
    cli_json_uint(out, "hidden", m.hidden);
    cli_json_uint(out, "n_heads", m.max_heads);
    cli_json_uint(out, "n_kv_heads", m.max_kv_heads);
    cli_json_uint(out, "head_dim", m.max_head_dim);
    cli_json_uint(out, "ff", m.max_ff);
    cli_json_uint(out, "n_experts", m.max_experts);
    cli_json_uint(out, "n_experts_used", m.max_experts_used);
    cli_json_uint(out, "n_parameters", m.n_parameters);
    cli_json_uint(out, "weight_bytes", m.weight_bytes);
    cli_json_uint(out, "decode_read_bytes", m.decode_read_bytes);
    json_encoder(out, e);
}

static void json_run(cli_out *out, const cli_report *r)
{
    char can[120];
    cli_capabilities(r->known, can);
    cli_json_text(out, "known_as", r->known ? r->known->label : NULL);
    cli_json_text(out, "capabilities", r->known ? can : NULL);
    cli_json_uint(out, "run_n_ctx", r->n_ctx);
    cli_json_uint(out, "run_bytes", r->run_bytes);
    if (r->tokens_per_second > 0)
        cli_json_real(out, "tokens_per_second", r->tokens_per_second);
}

static void print_json(cli_out *out, const cli_report *r, const file_sums *f)
{
    const cli_engine *e = r->engine;
    const int32_t *ends;
    char id[16];
    size_t n_ends = mote_end_ids(&e->image, &ends);
    snprintf(id, sizeof id, "%08x", e->info.id);
    cli_json_open(out, '{');
    cli_json_uint(out, "format_version", e->info.version);
    cli_json_text(out, "id", id);
    cli_json_uint(out, "file_bytes", e->file.bytes);
    cli_json_text(out, "weight_type", e->info.weight_type);
    json_texts(out, e);
    json_card(out, r);
    if (e->model)
        json_model(out, e);
    cli_json_real(out, "bits_per_weight", bits(f->matrix_bytes, f->matrix_weights));
    cli_json_uint(out, "tokenizer_bytes", f->tokenizer_bytes);
    if (e->tokenizer)
        cli_json_uint(out, "tokenizer_vocab", mote_tokenizer_vocab_size(e->tokenizer));
    cli_json_int(out, "bos_id", e->info.bos_id);
    cli_json_ids(out, "end_ids", ends, n_ends);
    json_run(out, r);
    json_types(out, f);
    json_tensors(out, e);
    cli_json_close(out, '}');
    cli_json_end_line(out);
}

/* ---- for people ----------------------------------------------------------------------------- */

static void line(cli_out *out, const char *label, mote_text text)
{
    char safe[600];
    if (!text.bytes)
        return;
    cli_escape(safe, sizeof safe, text.ptr, text.bytes);
    cli_printf(out, "%-14s", label);
    cli_puts(out, safe);
    cli_puts(out, "\n");
}

static void print_encoder(cli_out *out, const cli_engine *e)
{
    mote_encoder_info x;
    mote_model_get_encoder(e->model, &x);
    if (x.pooling == MOTE_POOL_SCORE)
        cli_printf(out, "encoder       scores of pairs, %u of them; pairs of at most %u tokens\n",
                   x.n_out, x.max_tokens);
    else if (x.pooling)
        cli_printf(out,
                   "encoder       embeddings of %u numbers, pooling %s%s; texts of at most %u "
                   "tokens\n",
                   x.n_out, pooling_name(&x), x.normalize ? ", normalised" : "", x.max_tokens);
}

static void print_model(cli_out *out, const cli_engine *e)
{
    mote_model_info m;
    char size[32];
    mote_model_get_info(e->model, &m);
    cli_printf(out, "parameters    %.2f million\n", (double)m.n_parameters / 1e6);
    cli_printf(out, "layers        %u, hidden size %u, MLP %u\n", m.n_layers, m.hidden, m.max_ff);
    cli_printf(out, "heads         %u of %u, %u for keys and values\n", m.max_heads, m.max_head_dim,
               m.max_kv_heads);
    if (m.max_experts)
        cli_printf(out, "experts       %u a layer, %u of them for a token\n", m.max_experts,
                   m.max_experts_used);
    cli_printf(out, "vocabulary    %u\n", m.n_vocab);
    cli_printf(out, "context       %u positions\n", m.n_ctx_train);
    cli_printf(out, "read a token  %s\n", cli_size(size, m.decode_read_bytes));
    print_encoder(out, e);
}

static void print_tokens(cli_out *out, const cli_engine *e)
{
    const int32_t *ends;
    size_t n = mote_end_ids(&e->image, &ends);
    cli_puts(out, "end tokens    ");
    for (size_t i = 0; i < n; i++) {
        char safe[100];
        mote_text piece =
            e->tokenizer ? mote_token_piece(e->tokenizer, ends[i]) : (mote_text){"", 0};
        cli_escape(safe, sizeof safe, piece.ptr, piece.bytes);
        cli_printf(out, "%s%d%s%s", i ? ", " : "", ends[i], piece.bytes ? " " : "", safe);
    }
    cli_puts(out, n ? "\n" : "none\n");
    cli_printf(out, "chat template %s\n", mote_chat_template(&e->image).bytes ? "yes" : "no");
}

static void print_types(cli_out *out, const file_sums *f)
{
    char size[32], group[24];
    for (size_t i = 0; i < f->n_types; i++) {
        const type_sum *t = &f->types[i];
        snprintf(group, sizeof group, " (group %u)", t->group);
        cli_printf(out, "  %s%-*s %5" PRIu64 " tensors %10s %6.2f bits a weight\n", t->type,
                   (int)(18 - strlen(t->type)), t->group ? group : "", t->n_tensors,
                   cli_size(size, t->bytes), bits(t->bytes, t->n_weights));
    }
}

/* What convert --card measured. */
static void print_card(cli_out *out, const cli_report *r)
{
    if (!r->has_card)
        return;
    const mote_value *blas = cli_get(&r->card, "blas"), *by = cli_get(&r->card, "calibration");
    const mote_value *n = by && by->kind == MOTE_VALUE_DICT ? cli_get(by, "tokens") : NULL;
    cli_printf(out, "quality       KL divergence from float: mean %.4f, 99.9 %% %.3f\n",
               cli_card_number(&r->card, "mean_kl"), cli_card_number(&r->card, "kl_99_9"));
    cli_printf(out, "              same best token %.2f %%, perplexity %.4f (float %.4f)\n",
               100 * cli_card_number(&r->card, "same_top_1"), cli_card_number(&r->card, "ppl"),
               cli_card_number(&r->card, "float_ppl"));
    cli_printf(out, "              measured on %.0f tokens, ", cli_card_number(&r->card, "tokens"));
    if (n && n->kind == MOTE_VALUE_INT)
        cli_printf(out, "calibrated on %lld", (long long)n->as.integer);
    else
        cli_puts(out, "not calibrated");
    cli_puts(out,
             blas && blas->kind == MOTE_VALUE_BOOL && blas->as.boolean ? ", with BLAS\n" : "\n");
}

/* What running it would take, as far as that is known. */
static void print_run(cli_out *out, const cli_report *r)
{
    char size[2][32], can[120];
    if (r->known) {
        cli_capabilities(r->known, can);
        cli_printf(out, "known as      %s: %s\n", r->known->label, can);
    }
    if (r->n_ctx)
        cli_printf(out, "run           %s at a context of %u, and the file: %s\n",
                   cli_size(size[0], r->run_bytes), r->n_ctx,
                   cli_size(size[1], r->run_bytes + r->engine->file.bytes));
    else if (r->run_bytes)
        cli_printf(out, "run           %s, and the file: %s\n", cli_size(size[0], r->run_bytes),
                   cli_size(size[1], r->run_bytes + r->engine->file.bytes));
    if (r->tokens_per_second > 0)
        cli_printf(out, "speed         about %.0f tokens/s here\n", r->tokens_per_second);
}

static void print_people(cli_out *out, const cli_report *r, const file_sums *f)
{
    const cli_engine *e = r->engine;
    char size[32];
    line(out, "name", mote_image_text(&e->image, MOTE_IMAGE_NAME));
    line(out, "family", mote_image_text(&e->image, MOTE_IMAGE_FAMILY));
    line(out, "source", mote_image_text(&e->image, MOTE_IMAGE_SOURCE));
    line(out, "licence", mote_image_text(&e->image, MOTE_IMAGE_LICENCE));
    line(out, "converter", mote_image_text(&e->image, MOTE_IMAGE_CONVERTER));
    cli_printf(out, "file          %s, format %u, id %08x\n", cli_size(size, e->file.bytes),
               e->info.version, e->info.id);
    if (e->model)
        print_model(out, e);
    if (e->tokenizer)
        cli_printf(out, "tokenizer     %u tokens, %s\n", mote_tokenizer_vocab_size(e->tokenizer),
                   cli_size(size, f->tokenizer_bytes));
    else
        cli_puts(out, "tokenizer     none\n");
    print_tokens(out, e);
    if (f->n_types)
        cli_printf(out, "weights       %s, %.2f bits a weight\n", cli_size(size, f->matrix_bytes),
                   bits(f->matrix_bytes, f->matrix_weights));
    print_types(out, f);
    print_run(out, r);
    print_card(out, r);
}

int cmd_info(const cli_opts *o)
{
    cli_engine e;
    cli_out out = {.n = 0};
    cli_report r;
    cli_speed speed;
    if (cli_is_source(o->model))
        return cli_plan_source(o, o->model, (mote_text){0});
    int code = cli_engine_open(&e, o, WANT_MODEL | WANT_TOKENIZER);
    if (code)
        return code;
    code = cli_report_open(&r, &e, cli_speed_read(&speed, 0) ? &speed : NULL);
    file_sums f = sum_up(&e);
    if (!code && o->json)
        print_json(&out, &r, &f);
    else if (!code)
        print_people(&out, &r, &f);
    cli_report_close(&r);
    cli_engine_close(&e);
    return cli_out_close(&out, code);
}
