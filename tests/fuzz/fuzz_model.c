/* fuzz_model.c: numbers from callers: the sampler's options and logits, and calls in any order. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tiny.h"

static const mote_model *model(uint32_t *n_vocab)
{
    static tiny_model made;
    tiny_opts o = tiny_defaults();
    o.n_ctx = 16;
    o.rope_long_from = 6;
    *n_vocab = o.n_vocab;
    if (!made.model)
        FUZZ_EXPECT(tiny_open(&made, &o, NULL));
    return made.model;
}

/* ---- the sampler ---------------------------------------------------------------------------- */

static mote_sampler_opts read_options(fuzz_in *in, mote_logit_bias *biases)
{
    mote_sampler_opts o;
    unsigned set = fuzz_u8(in);
    mote_sampler_defaults(&o);
    o.temperature = set & 1 ? fuzz_float(in) : o.temperature;
    o.top_k = set & 2 ? (int32_t)fuzz_u32(in) : fuzz_u8(in) - 1;
    o.top_p = set & 4 ? fuzz_float(in) : o.top_p;
    o.min_p = set & 8 ? fuzz_float(in) : o.min_p;
    o.repeat_penalty = set & 16 ? fuzz_float(in) : o.repeat_penalty;
    o.presence_penalty = set & 32 ? fuzz_float(in) : o.presence_penalty;
    o.frequency_penalty = set & 32 ? fuzz_float(in) : o.frequency_penalty;
    o.repeat_last_n = set & 64 ? fuzz_u32(in) % 70000 : fuzz_u8(in);
    o.seed = fuzz_u16(in);
    o.n_bias = set & 128 ? fuzz_u8(in) % 4 : 0;
    o.bias = biases;
    for (size_t i = 0; i < o.n_bias; i++)
        biases[i] = (mote_logit_bias){(int8_t)fuzz_u8(in), fuzz_float(in)};
    return o;
}

FUZZ(sampler)
{
    mote_logit_bias biases[4];
    uint32_t n_vocab;
    const mote_model *m = model(&n_vocab);
    mote_sampler_opts o = read_options(&in, biases);
    mote_sampler *s[2] = {NULL, NULL};
    mote_error err;
    size_t need = mote_sampler_bytes(n_vocab, &o, &err);
    FUZZ_EXPECT(need || err.status == MOTE_ERR_LIMIT);
    if (!need)
        return;
    void *memory[2] = {fuzz_alloc(need), fuzz_alloc(need)};
    for (int i = 0; i < 2; i++)
        FUZZ_EXPECT(!mote_sampler_init(&s[i], memory[i], need, m, &o, &err));
    float *logits = fuzz_alloc(n_vocab * sizeof *logits);
    for (int round = 0; round < 4; round++) {
        unsigned kind = fuzz_u8(&in);
        for (uint32_t i = 0; i < n_vocab; i++)
            logits[i] = kind & 1 ? fuzz_float(&in) : (float)(int8_t)fuzz_u8(&in);
        int32_t id = mote_sampler_choose(s[0], logits);
        FUZZ_EXPECT(id >= 0 && (uint32_t)id < n_vocab);
        FUZZ_EXPECT(mote_sampler_choose(s[1], logits) == id);
        for (int i = 0; i < 2; i++)
            mote_sampler_accept(s[i], kind & 2 ? id : (int32_t)(kind / 4 * 0x9e3779u));
    }
    free(logits);
    free(memory[0]);
    free(memory[1]);
}

/* ---- calls in any order --------------------------------------------------------------------- */

/* Two sessions and what must be true of them. */
typedef struct player {
    mote_session *session;
    void *memory;
    mote_session_opts opts;
    uint32_t length;
} player;

static bool open_player(player *p, const mote_model *m, fuzz_in *in)
{
    mote_session_plan plan;
    mote_error err;
    mote_session_opts o = {fuzz_u8(in) % 18, (mote_kv)(fuzz_u8(in) & 3), fuzz_u8(in) % 5,
                           fuzz_u8(in) % 5, fuzz_u8(in) % 3};
    mote_status s = mote_session_plan_bytes(&plan, m, &o, &err);
    FUZZ_EXPECT(fuzz_is(s, FUZZ_STATUS(MOTE_OK) | FUZZ_STATUS(MOTE_ERR_LIMIT)));
    if (s)
        return false;
    *p = (player){.memory = fuzz_alloc(plan.total_bytes), .opts = o};
    FUZZ_EXPECT(mote_session_init(&p->session, p->memory, plan.total_bytes - 1, m, &o, &err) ==
                MOTE_ERR_MEMORY);
    FUZZ_EXPECT(!mote_session_init(&p->session, p->memory, plan.total_bytes, m, &o, &err));
    FUZZ_EXPECT(mote_session_capacity(p->session) == o.n_ctx);
    return true;
}

/* Feeds rows to both, right or wrong; those that must be refused are known. */
static void feed(player *p, player *lead, fuzz_in *in, uint32_t n_vocab)
{
    mote_row rows[6];
    mote_error err;
    size_t n = fuzz_u8(in) % 6, n_logits = 0;
    bool good = n > 0 && n <= lead->opts.n_batch;
    uint32_t fed[2] = {0, 0};
    int last = -1;
    for (size_t i = 0; i < n; i++) {
        unsigned odd = fuzz_u8(in);
        int who = odd < 128 ? 0 : 1;
        uint32_t pos = p[who].length + fed[who];
        good &= who == last || !fed[who];
        good &= p[who].opts.n_ctx <= lead->opts.n_ctx && p[who].opts.kv == lead->opts.kv;
        good &= pos < p[who].opts.n_ctx;
        rows[i] =
            (mote_row){(int32_t)(odd % 83), odd == 255 ? pos + 1 : pos, p[who].session, odd & 1};
        good &= odd != 255 && (uint32_t)rows[i].token < n_vocab;
        n_logits += rows[i].want_logits;
        fed[who]++;
        last = who;
    }
    good &= n_logits <= lead->opts.n_logits;
    mote_status s = mote_forward(lead->session, rows, n, NULL, NULL, &err);
    FUZZ_EXPECT(s == (good ? MOTE_OK : MOTE_ERR_LIMIT));
    for (int i = 0; i < 2 && !s; i++)
        p[i].length += fed[i];
    for (size_t i = 0; !s && i < n_logits; i++) {
        int32_t best = mote_argmax(mote_session_logits(lead->session, i), n_vocab);
        FUZZ_EXPECT(best >= 0 && (uint32_t)best < n_vocab);
    }
}

FUZZ(calls)
{
    player p[2];
    uint32_t n_vocab;
    const mote_model *m = model(&n_vocab);
    bool open[2] = {open_player(&p[0], m, &in), false};
    open[1] = open[0] && open_player(&p[1], m, &in);
    for (int i = 0; open[1] && in.n && i < 24; i++) {
        unsigned call = fuzz_u8(&in);
        player *who = &p[call >> 7], *lead = &p[call >> 6 & 1];
        switch (call & 7) {
        case 0:
            who->length = who->length ? fuzz_u8(&in) % who->length : 0;
            mote_session_rewind(who->session, who->length);
            break;
        case 1:
            mote_session_announce(who->session, fuzz_u8(&in) % 20);
            FUZZ_EXPECT(mote_session_length(who->session) <= who->length);
            who->length = mote_session_length(who->session);
            break;
        default: feed(p, lead, &in, n_vocab);
        }
        for (int k = 0; k < 2; k++)
            FUZZ_EXPECT(mote_session_length(p[k].session) == p[k].length);
    }
    for (int i = 0; i < 2; i++)
        if (open[i])
            free(p[i].memory);
}
