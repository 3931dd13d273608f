/* test_convert_vocab.c: vocabularies that only name what is done with them (tok_vocab.c): which of
 * their entries are found in texts, and bytes that are no entries. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/test_convert_small.h"
#include "tests/unit/test.h"
#include "tokenizer/tables.h"
#include "tools/convert/tok_draft.h"

enum { N_BYTES = 256, N = N_BYTES + 3 };

typedef struct entries {
    char letters[N_BYTES][4];
    mote_text pieces[N];
    int32_t types[N];
    tok_vocab v;
} entries;

/* The bytes, "ab", "[u]" of the user and "[c]" of control. */
static void make_entries(entries *e)
{
    static const mote_text merge = {"a b", 3};
    for (unsigned b = 0; b < N_BYTES; b++) {
        unsigned c = draft_byte_letter(b);
        char *p = e->letters[b];
        p[0] = (char)(c < 0x80 ? c : 0xc0 | c >> 6);
        p[1] = (char)(0x80 | (c & 0x3f));
        e->pieces[b] = (mote_text){p, c < 0x80 ? 1 : 2};
    }
    e->pieces[N_BYTES] = (mote_text){"ab", 2};
    e->pieces[N_BYTES + 1] = (mote_text){"[u]", 3};
    e->pieces[N_BYTES + 2] = (mote_text){"[c]", 3};
    for (size_t i = 0; i < N; i++)
        e->types[i] = TOK_TYPE_NORMAL;
    e->types[N_BYTES + 1] = TOK_TYPE_USER;
    e->types[N_BYTES + 2] = TOK_TYPE_CONTROL;
    e->v = (tok_vocab){.n = N,
                       .pieces = e->pieces,
                       .types = e->types,
                       .merges = &merge,
                       .n_merges = 1,
                       .model = "gpt2",
                       .pre = "gpt-2",
                       .bos = -1,
                       .eos = -1,
                       .unk = -1,
                       .sep = -1};
}

/* One of TOK_TABLE_...; NULL: there is none. */
static const void *table(const tok_tables *t, uint32_t kind)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->tables[i].kind == MOTE_T_TOKENIZER + kind)
            return t->tables[i].data;
    return NULL;
}

TEST(entries_of_users_are_found_in_texts_and_are_plain)
{
    entries e;
    tok_tables t;
    mote_convert_error err;
    make_entries(&e);
    REQUIRE(tok_from_vocab(&t, "v", &e.v, &err) == MOTE_OK);
    const tok_header *h = table(&t, TOK_TABLE_HEADER);
    const uint8_t *flags = table(&t, TOK_TABLE_FLAGS);
    REQUIRE(h && flags);
    CHECK(h->n_vocab == N && h->n_added == 2 && h->unk == -1);
    CHECK(!(flags[N_BYTES] & (TOK_ADDED | TOK_SPECIAL)));
    CHECK(flags[N_BYTES + 1] & TOK_ADDED && !(flags[N_BYTES + 1] & TOK_SPECIAL));
    CHECK(flags[N_BYTES + 2] & TOK_ADDED && flags[N_BYTES + 2] & TOK_SPECIAL);
    tok_free(&t);
    e.v.user_entries = true;
    REQUIRE(tok_from_vocab(&t, "v", &e.v, &err) == MOTE_OK);
    h = table(&t, TOK_TABLE_HEADER);
    flags = table(&t, TOK_TABLE_FLAGS);
    CHECK(h->n_added == 1 && !(flags[N_BYTES + 1] & TOK_ADDED));
    tok_free(&t);
}

/* Among bytes that are no UTF-8 an id beyond the vocabulary is nothing, whatever lies there. */
TEST(ids_beyond_the_vocabulary_are_no_bytes)
{
    static char json[1 << 13];
    size_t n = (size_t)snprintf(
        json, sizeof json,
        "{\"normalizer\":null,\"pre_tokenizer\":null,\"post_processor\":null,\"added_tokens\":[],"
        "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":"
        "\"Fuse\"}]},\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"fuse_unk\":true,"
        "\"unk_token\":\"<unk>\",\"merges\":[],\"vocab\":{\"<unk>\":0,\"a\":1");
    for (unsigned b = 0; b < N_BYTES; b++)
        n += (size_t)snprintf(json + n, sizeof json - n, ",\"<0x%02X>\":%u", b, 2 + b);
    snprintf(json + n, sizeof json - n, "}}}");
    small s;
    REQUIRE(small_open(&s, json));
    tok_header *h = (void *)(uintptr_t)mote_image_table(&s.image, TOK_TABLE_HEADER).ptr;
    const int32_t ids[] = {1, 2 + 0x80, 2 + 0xff, 1};
    char out[64];
    CHECK(mote_decode(s.t, ids, 4, false, out, sizeof out) == 8);
    h->n_vocab--; /* the last is no entry any more, though the tables have it */
    CHECK(mote_decode(s.t, ids, 4, false, out, sizeof out) == 5);
    CHECK(memcmp(out, "a\xef\xbf\xbd\x61", 5) == 0);
    free(s.data);
}

/* What is added to texts when a file does not say so. */
TEST(models_have_their_own_additions_to_texts)
{
    static const struct {
        const char *model, *pre;
        bool bos, eos, sep, prefix;
    } rows[] = {
        {"gpt2", "gpt-2", false, false, false, false},
        {"gpt2", "no such", false, false, false, false},
        {"gpt2", NULL, false, false, false, false},
        {"gpt2", "llama-bpe", true, false, false, false},
        {"gpt2", "tekken", true, false, false, false},
        {"gpt2", "roberta-bpe", false, false, true, false},
        {"gpt2", "qwen2", false, false, false, false},
        {"llama", NULL, true, false, false, true},
        {"llama", "roberta-bpe", true, false, false, true},
        {"t5", NULL, false, true, false, false},
        {"t5", "llama-bpe", false, true, false, false},
        {"bert", NULL, true, false, true, false},
        {"bert", "gpt-2", true, false, true, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        tok_vocab v = {.model = rows[i].model, .pre = rows[i].pre};
        tok_vocab_defaults(&v);
        CHECK(v.add_bos == rows[i].bos && v.add_eos == rows[i].eos && v.add_sep == rows[i].sep);
        CHECK(v.add_space_prefix == rows[i].prefix && v.lower && v.strip_marks);
    }
}
