/* gguf_source.c: a GGUF file in the words of the hub: tensor names, configuration, vocabulary,
 * texts. Read source.h and gguf.h first. What this does not know is refused by name, as a GGUF file
 * has no tensors or options that may be left out.
 */
#include "tools/convert/gguf.h"

#include <stdio.h>
#include <string.h>

#include "loader/image.h"

#define MAX_TEMPLATE (1u << 20)

/* Values are looked up as "ARCH.name". */
const gguf_value *gguf_find_arch(const gguf *g, const char *name)
{
    char key[160];
    const gguf_value *arch = gguf_find(g, "general.architecture");
    snprintf(key, sizeof key, "%s.%s", arch->text.ptr, name);
    return gguf_find(g, key);
}

static bool is_number(const gguf_value *v)
{
    return v && v->type != GGUF_STRING && v->type != GGUF_ARRAY && v->type != GGUF_BOOL;
}

static bool is_real(const gguf_value *v) { return v->type == GGUF_F32 || v->type == GGUF_F64; }

static mote_status fail_value(const gguf *g, const gguf_value *v, const char *what)
{
    return convert_fail(g->s->err, MOTE_ERR_UNSUPPORTED, "%s: %s %s", g->f->name, v->key, what);
}

/* ---- configuration -------------------------------------------------------------------------- */

static mote_status no_memory(const gguf *g)
{
    return convert_fail(g->s->err, MOTE_ERR_MEMORY, "%s: no memory", g->f->name);
}

static mote_status set_number(const gguf *g, cJSON *object, const char *key, double n)
{
    return cJSON_AddNumberToObject(object, key, n) ? MOTE_OK : no_memory(g);
}

static mote_status set_flag(const gguf *g, const char *key, bool flag)
{
    return cJSON_AddBoolToObject(g->s->config, key, flag) ? MOTE_OK : no_memory(g);
}

/* Copies what the table names; 0 for a window is none. */
static mote_status copy_numbers(const gguf *g, const gguf_number *names)
{
    mote_status status = MOTE_OK;
    for (; names && names->name && !status; names++) {
        const gguf_value *v = gguf_find_arch(g, names->name);
        bool is_window = strcmp(names->key, "sliding_window") == 0;
        if (v && v->type == GGUF_ARRAY)
            status = fail_value(g, v, "differs between layers, which is not supported");
        else if (v && (!is_number(v) || is_real(v) != names->is_real))
            status = convert_fail(g->s->err, MOTE_ERR_FILE, "%s: %s is no %snumber", g->f->name,
                                  v->key, names->is_real ? "" : "whole ");
        else if (v && (!is_window || v->number > 0))
            status = set_number(g, g->s->config, names->key, v->number);
    }
    return status;
}

static const gguf_number common_numbers[] = {
    {"block_count", "num_hidden_layers", false},
    {"embedding_length", "hidden_size", false},
    {"feed_forward_length", "intermediate_size", false},
    {"attention.head_count", "num_attention_heads", false},
    {"attention.head_count_kv", "num_key_value_heads", false},
    {"attention.key_length", "head_dim", false},
    {"context_length", "max_position_embeddings", false},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", true},
    {"rope.freq_base", "rope_theta", true},
    {0}};

static bool reads(const gguf_arch *arch, const char *name)
{
    for (const gguf_number *n = arch->numbers; n && n->name; n++)
        if (strcmp(n->name, name) == 0)
            return true;
    if (arch->encoder &&
        (strcmp(name, "pooling_type") == 0 || strcmp(name, "attention.causal") == 0))
        return true;
    return arch->partial && strcmp(name, "rope.scaling.attn_factor") == 0;
}

/* Options that change the result unless they have this value. */
static mote_status refuse_options(const gguf *g, const gguf_arch *arch)
{
    const gguf_value *experts = gguf_find_arch(g, "expert_count");
    static const struct {
        const char *name;
        double neutral;
    } options[] = {
        {"attention.scale", 0},
        {"logit_scale", 1},
        {"residual_scale", 1},
        {"embedding_scale", 1},
        {"attn_logit_softcapping", 0},
        {"final_logit_softcapping", 0},
        {"rope.scaling.attn_factor", 1},
        {"attention.causal", 1},
        {"attention.sliding_window", 0},
        {"pooling_type", 0},
        {"rope.scaling.yarn_ext_factor", 0},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const gguf_value *v = gguf_find_arch(g, options[i].name);
        if (v && !reads(arch, options[i].name) &&
            (v->type == GGUF_STRING || v->type == GGUF_ARRAY || v->number < options[i].neutral ||
             v->number > options[i].neutral))
            return fail_value(g, v, "is not supported");
    }
    if (experts && !gguf_has_experts(arch->model_type) &&
        (!is_number(experts) || experts->number > 0))
        return fail_value(g, experts, "is not supported");
    return MOTE_OK;
}

/* The parts of a head must have one size, and all of it turns unless the architecture allows less.
 */
static mote_status check_head(const gguf *g, const gguf_arch *arch)
{
    static const char *const names[] = {"attention.value_length", "rope.dimension_count"};
    const cJSON *heads = json_get(g->s->config, "num_attention_heads");
    const cJSON *hidden = json_get(g->s->config, "hidden_size");
    const cJSON *dim = json_get(g->s->config, "head_dim");
    if (!dim && heads && hidden && heads->valuedouble >= 1) {
        double quotient = hidden->valuedouble / heads->valuedouble;
        if (set_number(g, g->s->config, "head_dim", quotient))
            return g->s->err->status;
        dim = json_get(g->s->config, "head_dim");
    }
    for (size_t i = 0; i < (arch->partial ? 1 : 2) && dim;
         i++) { /* without: the family finds out */
        const gguf_value *v = gguf_find_arch(g, names[i]);
        if (v && (!is_number(v) || v->number < dim->valuedouble || v->number > dim->valuedouble))
            return fail_value(g, v, "is not the size of a head, which is not supported");
    }
    return MOTE_OK;
}

static mote_status set_scaling(const gguf *g)
{
    const gguf_value *type = gguf_find_arch(g, "rope.scaling.type");
    const gguf_value *factor = gguf_find_arch(g, "rope.scaling.factor");
    if (!factor)
        factor = gguf_find_arch(g, "rope.scale_linear");
    if (type && type->type != GGUF_STRING)
        return fail_value(g, type, "is not a text");
    if (factor && !is_number(factor))
        return fail_value(g, factor, "is not a number");
    bool scales = factor && (factor->number < 1 || factor->number > 1) &&
                  (factor->number < 0 || factor->number > 0);
    const char *name = type ? type->text.ptr : "linear";
    if (strcmp(name, "none") == 0 || (strcmp(name, "linear") == 0 && !scales))
        return MOTE_OK;
    cJSON *scaling = cJSON_AddObjectToObject(g->s->config, "rope_scaling");
    if (!scaling || !cJSON_AddStringToObject(scaling, "rope_type", name))
        return no_memory(g);
    const gguf_value *old = gguf_find_arch(g, "rope.scaling.original_context_length");
    if (old && !is_number(old))
        return fail_value(g, old, "is not a number");
    mote_status status = factor ? set_number(g, scaling, "factor", factor->number) : MOTE_OK;
    return status || !old ? status
                          : set_number(g, scaling, "original_max_position_embeddings", old->number);
}

static bool has_tensor(const gguf *g, const char *name)
{
    for (size_t i = 0; i < g->n_tensors; i++)
        if (strcmp(g->tensors[i].label, name) == 0)
            return true;
    return false;
}

static mote_status make_config(const gguf *g, const gguf_arch *arch)
{
    source *s = g->s;
    uint64_t n_vocab = 0;
    for (size_t i = 0; i < g->n_tensors; i++)
        if (strcmp(g->tensors[i].label, "token_embd.weight") == 0)
            n_vocab = g->tensors[i].shape[0];
    s->config = cJSON_CreateObject();
    if (!s->config || !cJSON_AddStringToObject(s->config, "model_type", arch->model_type))
        return no_memory(g);
    mote_status status = arch->own_words ? MOTE_OK : copy_numbers(g, common_numbers);
    if (!status)
        status = copy_numbers(g, arch->numbers);
    if (!status)
        status = set_number(g, s->config, "vocab_size", (double)n_vocab);
    if (!status && !arch->own_words && strcmp(arch->model_type, "deepseek_v2") != 0)
        status = check_head(g, arch);
    if (!status)
        status = set_scaling(g);
    if (!status)
        status = set_flag(g, "tie_word_embeddings", !has_tensor(g, "output.weight"));
    if (!status && arch->attn_bias)
        status = set_flag(g, "attention_bias", has_tensor(g, "blk.0.attn_q.bias"));
    if (!status && arch->mlp_bias && !gguf_has_experts(arch->model_type))
        status = set_flag(g, "mlp_bias", has_tensor(g, "blk.0.ffn_gate.bias"));
    if (!status && arch->configure)
        status = arch->configure(g);
    if (!status)
        status = gguf_put_experts(g, arch->model_type);
    return status ? status : refuse_options(g, arch);
}

/* ---- tensor names --------------------------------------------------------------------------- */

static const gguf_name layer_names[] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},       {0},
};

static const gguf_name file_names[] = {
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
    {"rope_freqs.weight", "rope_freqs.weight"},
    {0},
};

static const char *find_name(const gguf_name *names, const char *name)
{
    while (names && names->gguf && strcmp(names->gguf, name) != 0)
        names++;
    return names ? names->hub : NULL;
}

/* "blk.N.PART.weight" or ".bias"; false: no name of that kind. */
static bool split_layer_name(const char *name, unsigned long *layer, char part[32],
                             const char **end)
{
    unsigned long n = 0;
    size_t digits = 0;
    if (strncmp(name, "blk.", 4) != 0)
        return false;
    for (name += 4; *name >= '0' && *name <= '9' && digits < 5; name++, digits++)
        n = n * 10 + (unsigned long)(*name - '0');
    const char *dot = *name == '.' ? strchr(name + 1, '.') : NULL;
    size_t length = dot ? (size_t)(dot - name - 1) : 0;
    if (!digits || !dot || length >= 32)
        return false;
    memcpy(part, name + 1, length);
    part[length] = 0;
    *layer = n;
    *end = dot;
    return strcmp(dot, ".weight") == 0 || strcmp(dot, ".bias") == 0;
}

static mote_status rename_tensor(const gguf *g, const gguf_arch *arch, src_tensor *t)
{
    unsigned long layer = 0;
    char part[32], name[128] = "";
    const char *end = "", *hub = find_name(arch->files, t->label);
    hub = hub ? hub : find_name(file_names, t->label);
    if (hub) {
        snprintf(name, sizeof name, "%s", hub);
    } else if (split_layer_name(t->label, &layer, part, &end)) {
        hub = gguf_expert_part(arch->model_type, part);
        hub = hub ? hub : find_name(arch->layers, part);
        hub = hub || arch->own_words ? hub : find_name(layer_names, part);
        if (hub)
            snprintf(name, sizeof name, "%s%lu.%s%s", arch->prefix, layer, hub, end);
        if (hub && strcmp(part, "ffn_gate_inp_shexp") == 0 && t->rank == 1) {
            t->rank = 2; /* a matrix of one row in the hub's files */
            t->shape[1] = t->shape[0];
            t->shape[0] = 1;
        }
    }
    if (!*name)
        return convert_fail(g->s->err, MOTE_ERR_UNSUPPORTED, "%s: tensor %s is not supported",
                            g->f->name, t->label);
    t->name = pool_copy(&g->s->pool, name, strlen(name), g->s->err);
    return t->name ? MOTE_OK : g->s->err->status;
}

/* ---- vocabulary ----------------------------------------------------------------------------- */

/* An array of the tokenizer with n items (0: any); *ok turns false when it is something else. */
static const gguf_value *find_items(const gguf *g, const char *key, enum gguf_type item, uint64_t n,
                                    bool *ok)
{
    const gguf_value *v = gguf_find(g, key);
    if (v && (v->type != GGUF_ARRAY || v->item != item || (n && v->n != n)))
        *ok = false;
    return v && *ok ? v : NULL;
}

/* A token id, -1: there is none. */
static int32_t find_id(const gguf *g, const char *key, uint64_t n_vocab, bool *ok)
{
    const gguf_value *v = gguf_find(g, key);
    if (!v || (is_number(v) && v->number == -1))
        return -1;
    if (!is_number(v) || is_real(v) || !(v->number >= 0 && v->number < (double)n_vocab))
        *ok = false;
    return *ok ? (int32_t)v->number : -1;
}

static bool find_flag(const gguf *g, const char *key, bool fallback)
{
    const gguf_value *v = gguf_find(g, key);
    return v && v->type == GGUF_BOOL ? v->number > 0 : fallback;
}

static const char *find_text(const gguf *g, const char *key)
{
    const gguf_value *v = gguf_find(g, key);
    return v && v->type == GGUF_STRING ? v->text.ptr : NULL;
}

/* What SentencePiece's and BERT's models have beside the entries. */
static bool read_preparation(const gguf *g, tok_vocab *v)
{
    const gguf_value *map = gguf_find(g, "tokenizer.ggml.precompiled_charsmap");
    if (map && (map->type != GGUF_ARRAY || (map->item != GGUF_U8 && map->item != GGUF_I8)))
        return false;
    v->charsmap = map && map->n ? map->data : NULL;
    v->charsmap_bytes = map ? (size_t)map->n : 0;
    v->trims = find_flag(g, "tokenizer.ggml.remove_extra_whitespaces", v->trims);
    v->lower = find_flag(g, "tokenizer.ggml.normalizer.lowercase", v->lower);
    v->strip_marks = find_flag(g, "tokenizer.ggml.normalizer.strip_accents", v->lower);
    return true;
}

static void read_additions(const gguf *g, tok_vocab *v, int32_t cls)
{
    v->bos = cls >= 0 ? cls : v->bos; /* what stands before a text, under its other name */
    tok_vocab_defaults(v);
    v->add_bos = find_flag(g, "tokenizer.ggml.add_bos_token", v->add_bos);
    v->add_eos = find_flag(g, "tokenizer.ggml.add_eos_token", v->add_eos);
    v->add_sep = find_flag(g, "tokenizer.ggml.add_sep_token", v->add_sep);
    v->add_space_prefix = find_flag(g, "tokenizer.ggml.add_space_prefix", v->add_space_prefix);
}

static mote_status read_vocab(const gguf *g, tok_vocab *v)
{
    bool ok = true;
    const gguf_value *pieces = find_items(g, "tokenizer.ggml.tokens", GGUF_STRING, 0, &ok);
    uint64_t n = pieces ? pieces->n : 0;
    const gguf_value *scores = find_items(g, "tokenizer.ggml.scores", GGUF_F32, n, &ok);
    const gguf_value *types = find_items(g, "tokenizer.ggml.token_type", GGUF_I32, n, &ok);
    const gguf_value *merges = find_items(g, "tokenizer.ggml.merges", GGUF_STRING, 0, &ok);
    *v = (tok_vocab){.n = (size_t)n,
                     .model = find_text(g, "tokenizer.ggml.model"),
                     .pre = find_text(g, "tokenizer.ggml.pre"),
                     .bos = find_id(g, "tokenizer.ggml.bos_token_id", n, &ok),
                     .eos = find_id(g, "tokenizer.ggml.eos_token_id", n, &ok),
                     .unk = find_id(g, "tokenizer.ggml.unknown_token_id", n, &ok),
                     .sep = find_id(g, "tokenizer.ggml.seperator_token_id", n, &ok)};
    int32_t cls = find_id(g, "tokenizer.ggml.cls_token_id", n, &ok);
    if (!ok || !pieces || !n || !v->model || !read_preparation(g, v))
        return convert_fail(g->s->err, MOTE_ERR_FILE,
                            "%s: the tokenizer is missing, or its arrays do not fit each other",
                            g->f->name);
    v->pieces = pieces->data;
    v->scores = scores ? scores->data : NULL;
    v->types = types ? types->data : NULL;
    v->merges = merges ? merges->data : NULL;
    v->n_merges = merges ? (size_t)merges->n : 0;
    read_additions(g, v, cls);
    return MOTE_OK;
}

/* ---- texts ---------------------------------------------------------------------------------- */

static mote_status set_token_text(const gguf *g, const tok_vocab *v, int which, int32_t id)
{
    return id < 0 ? MOTE_OK : source_set_text(g->s, which, v->pieces[id].ptr, v->pieces[id].bytes);
}

static mote_status set_ends(const gguf *g, const tok_vocab *v)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    mote_status status = MOTE_OK;
    bool ok = true;
    for (size_t i = 0; i < 3 && !status; i++) {
        int32_t id = find_id(g, keys[i], v->n, &ok);
        if (id >= 0)
            status = source_add_end_id(g->s, g->f->name, (uint32_t)id);
        else if (!ok)
            status =
                convert_fail(g->s->err, MOTE_ERR_FILE, "%s: %s is no token", g->f->name, keys[i]);
    }
    g->s->bos_id = v->bos;
    return status ? status : source_add_turn_ends(g->s);
}

static mote_status set_header_text(const gguf *g, int which, const char *key)
{
    const gguf_value *v = gguf_find(g, key);
    if (!v || v->type != GGUF_STRING || !v->text.bytes)
        return MOTE_OK;
    if (v->text.bytes > MAX_TEMPLATE || !mote_utf8_valid(v->text.ptr, v->text.bytes))
        return convert_fail(g->s->err, MOTE_ERR_FILE, "%s: %s is too long or not valid UTF-8",
                            g->f->name, key);
    return source_set_text(g->s, which, v->text.ptr, v->text.bytes);
}

static mote_status set_texts(const gguf *g, const tok_vocab *v)
{
    char text[300];
    bool ok = true;
    int n = snprintf(text, sizeof text, "gguf %s", g->f->name);
    mote_status status = source_set_text(g->s, MOTE_STR_SOURCE, text, (size_t)n);
    if (!status)
        status = set_header_text(g, MOTE_STR_NAME, "general.name");
    if (!status)
        status = set_header_text(g, MOTE_STR_LICENCE, "general.license");
    if (!status)
        status = set_header_text(g, MOTE_STR_CHAT_TEMPLATE, "tokenizer.chat_template");
    if (!status)
        status = set_token_text(g, v, MOTE_STR_BOS, v->bos);
    if (!status)
        status = set_token_text(g, v, MOTE_STR_EOS, v->eos);
    if (!status)
        status = set_token_text(g, v, MOTE_STR_UNK, v->unk);
    if (!status)
        status = set_token_text(g, v, MOTE_STR_PAD,
                                find_id(g, "tokenizer.ggml.padding_token_id", v->n, &ok));
    return status ? status : set_ends(g, v);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static mote_status read_graph(gguf *g)
{
    const gguf_value *v = gguf_find(g, "general.architecture");
    const char *name = v && v->type == GGUF_STRING ? v->text.ptr : NULL;
    const gguf_arch *arch = name ? gguf_arch_find(name) : NULL;
    if (!name)
        return convert_fail(g->s->err, MOTE_ERR_FILE, "%s: general.architecture is missing",
                            g->f->name);
    if (!arch)
        return convert_fail(g->s->err, MOTE_ERR_UNSUPPORTED, "%s: architecture %s is not supported",
                            g->f->name, name);
    gguf_arch own = *arch;
    own.model_type = gguf_model_type(g, arch);
    /* "llama" with experts is Mixtral, which has no biases */
    own.attn_bias = arch->attn_bias && strcmp(own.model_type, "mixtral") != 0;
    g->s->paired_rows = arch->paired;
    mote_status status = make_config(g, &own);
    for (size_t i = 0; i < g->n_tensors && !status; i++)
        status = rename_tensor(g, &own, &g->tensors[i]);
    return status;
}

mote_status gguf_open(source *s)
{
    gguf g;
    tok_vocab v;
    s->config_file = s->files[0].name;
    s->keeps_types = s->is_gguf = true;
    mote_status status = gguf_read(&g, s);
    if (!status && !s->opts->tokenizer_only)
        status = read_graph(&g);
    if (!status)
        status = read_vocab(&g, &v);
    if (!status)
        status = tok_from_vocab(&s->tok, g.f->name, &v, s->err);
    return status ? status : set_texts(&g, &v);
}
