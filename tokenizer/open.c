/* open.c: a tokenizer as it lies in a file: sizes checked once, every look-up bounded later. Read
 * tables.h first. */
#include <string.h>

#include "include/mote_error.h"
#include "tokenizer/tokenizer.h"

#if !MOTE_FAST_TEXT && UINTPTR_MAX == UINT32_MAX
_Static_assert(sizeof(mote_tokenizer) == 104, "mote_device.h tells another size");
#endif

static const char *const damaged = "the tokenizer's tables do not fit together";

static bool holds(mote_text table, uint64_t n, size_t size) { return table.bytes / size >= n; }

/* The steps together make no more of a text than the header says. */
static bool growth_is_sound(const tok_header *h)
{
    uint64_t growth = 1;
    if (!MOTE_TEXT_STEPS)
        return true;
    for (uint32_t i = 0; i < h->n_norms; i++) {
        growth *= mote_tok_norm_growth(&h->norms[i]);
        if (growth == 0 || growth > h->growth)
            return false;
    }
    return true;
}

static bool header_is_sound(const tok_header *h)
{
    bool ok = h->model >= TOK_BPE && h->model <= TOK_UNIGRAM && h->n_vocab > 0 &&
              h->n_vocab <= TOK_MAX_VOCAB;
    ok = ok && h->rank_probe <= TOK_MAX_PROBE && h->n_steps <= TOK_MAX_STEPS;
    ok = ok && h->n_before <= TOK_MAX_AFFIX && h->n_after <= TOK_MAX_AFFIX;
    ok = ok && h->n_norms <= TOK_MAX_STEPS && h->growth <= TOK_MAX_GROWTH;
    ok = ok && h->prefix_bytes <= TOK_MAX_PREFIX && growth_is_sound(h);
    return ok && h->max_piece <= TOK_MAX_PIECE && h->prefix <= TOK_PREFIX_FIRST;
}

/* Does this build do all that the tokenizer asks for? */
static bool is_supported(const tok_header *h)
{
    bool steps = h->n_norms || h->flags & (TOK_NFC | TOK_SPLIT_BLANKS);
    for (uint32_t i = 0; i < h->n_steps && i < TOK_MAX_STEPS; i++)
        steps |= h->steps[i].kind != TOK_STEP_WORDS;
    bool bpe = h->model == TOK_BPE && !(h->flags & (TOK_JOIN_SPACE | TOK_WORDS | TOK_STRIP_FIRST));
    return (MOTE_TEXT_STEPS || !steps) && (MOTE_TEXT_TRIES || bpe);
}

static bool needs_classes(const tok_header *h)
{
    bool needs = false;
    for (uint32_t i = 0; i < h->n_steps; i++)
        needs |= h->steps[i].kind != TOK_STEP_WORDS && h->steps[i].kind != TOK_STEP_SPACES;
    for (uint32_t i = 0; i < h->n_norms; i++)
        needs |= h->norms[i].kind >= TOK_NORM_CLEAN && h->norms[i].kind <= TOK_NORM_STRIP_MARKS;
    return needs;
}

/* All 0x1100 block numbers of a two-stage table lie inside it. */
static bool blocks_fit(const uint8_t *blocks, size_t bytes, size_t block_bytes)
{
    unsigned most = 0;
    if (bytes < TOK_CLASS_BLOCKS + block_bytes)
        return false;
    for (size_t i = 0; i < TOK_CLASS_BLOCKS; i++)
        most = blocks[i] > most ? blocks[i] : most;
    return most < (bytes - TOK_CLASS_BLOCKS) / block_bytes;
}

static bool open_nfc(mote_tokenizer *t, mote_text table)
{
    const uint8_t *p = (const uint8_t *)table.ptr;
    const tok_nfc_header *h = (const void *)p;
    if (table.bytes < sizeof *h)
        return false;
    uint64_t blocks = TOK_CLASS_BLOCKS + (uint64_t)h->n_blocks * 256, size = sizeof *h + blocks;
    size += (uint64_t)h->n_decompositions * sizeof *t->decompositions;
    size += (uint64_t)h->n_texts * sizeof *t->nfc_text;
    size += (uint64_t)h->n_compositions * sizeof *t->compositions;
    if (size > table.bytes || !blocks_fit(p + sizeof *h, (size_t)blocks, 256))
        return false;
    t->nfc = h;
    t->nfc_blocks = p + sizeof *h;
    t->decompositions = (const void *)(t->nfc_blocks + blocks);
    t->nfc_text = (const void *)(t->decompositions + h->n_decompositions);
    t->compositions = (const void *)(t->nfc_text + h->n_texts);
    return true;
}

static bool needs_nfc(const tok_header *h)
{
    bool needs = h->flags & TOK_NFC;
    for (uint32_t i = 0; i < h->n_norms; i++)
        needs |= h->norms[i].kind == TOK_NORM_COMPOSE;
    return needs;
}

static bool open_model(mote_tokenizer *t, const mote_text *table)
{
    t->trie = (const void *)table[TOK_TABLE_TRIE].ptr;
    t->n_trie = table[TOK_TABLE_TRIE].bytes / sizeof *t->trie;
    if (MOTE_TEXT_TRIES)
        t->scores = (const void *)table[TOK_TABLE_SCORES].ptr;
    t->splits = (const void *)table[TOK_TABLE_SPLITS].ptr;
    t->ranks = (const void *)table[TOK_TABLE_RANKS].ptr;
    if (t->n_trie == 0)
        return false;
    if (t->h->model == TOK_BPE)
        return t->h->n_rank_slots > 0 &&
               holds(table[TOK_TABLE_SPLITS], t->h->n_vocab, sizeof *t->splits) &&
               holds(table[TOK_TABLE_RANKS], t->h->n_rank_slots, sizeof *t->ranks);
    return !MOTE_TEXT_TRIES || t->h->model != TOK_UNIGRAM ||
           holds(table[TOK_TABLE_SCORES], (uint64_t)t->h->n_vocab + 1, sizeof *t->scores);
}

/* What the normalising steps look things up in. */
static bool open_norms(mote_tokenizer *t, const mote_text *table)
{
    mote_text map = table[TOK_TABLE_CHARSMAP], bounds = table[TOK_TABLE_BOUNDS];
    t->lower = (const void *)table[TOK_TABLE_LOWER].ptr;
    t->n_lower = table[TOK_TABLE_LOWER].bytes / sizeof *t->lower;
    bool needs = false;
    for (uint32_t i = 0; i < t->h->n_norms; i++)
        needs |= t->h->norms[i].kind == TOK_NORM_CHARSMAP;
    if (!needs)
        return true;
    uint32_t bytes = 0;
    if (map.bytes > 8)
        memcpy(&bytes, map.ptr, 4);
    if (bytes < 4 || bytes % 4 || bytes > map.bytes - 4)
        return false;
    t->map_units = (const void *)(map.ptr + 4);
    t->n_map_units = bytes / 4;
    t->map_texts = map.ptr + 4 + bytes;
    t->map_texts_bytes = map.bytes - 4 - bytes;
    t->bounds = (const uint8_t *)bounds.ptr;
    return blocks_fit(t->bounds, bounds.bytes, TOK_CLASS_BLOCK_BYTES);
}

static void open_ascii(mote_tokenizer *t)
{
#if MOTE_FAST_TEXT
    const uint8_t *pairs =
        t->classes + TOK_CLASS_BLOCKS + (size_t)t->classes[0] * TOK_CLASS_BLOCK_BYTES;
    for (size_t c = 0; c < sizeof t->ascii; c++)
        t->ascii[c] = pairs[c >> 1] >> (c & 1) * 4 & 15;
#else
    (void)t;
#endif
}

static bool open_tables(mote_tokenizer *t, const mote_image *image)
{
    mote_text table[TOK_N_TABLES];
    for (uint32_t i = 0; i < TOK_N_TABLES; i++)
        table[i] = mote_image_table(image, i);
    const tok_header *h = t->h;
    bool ok = holds(table[TOK_TABLE_PIECE_ENDS], h->n_vocab, 4) &&
              holds(table[TOK_TABLE_FLAGS], h->n_vocab, 1) &&
              holds(table[TOK_TABLE_ADDED], h->n_added, sizeof *t->added);
    t->pieces = (const uint8_t *)table[TOK_TABLE_PIECES].ptr;
    t->pieces_bytes = table[TOK_TABLE_PIECES].bytes;
    t->piece_ends = (const void *)table[TOK_TABLE_PIECE_ENDS].ptr;
    t->flags = (const uint8_t *)table[TOK_TABLE_FLAGS].ptr;
    t->added = (const void *)table[TOK_TABLE_ADDED].ptr;
    t->added_text = table[TOK_TABLE_ADDED_TEXT].ptr;
    t->added_text_bytes = table[TOK_TABLE_ADDED_TEXT].bytes;
    if (MOTE_TEXT_STEPS && table[TOK_TABLE_CLASSES].bytes) {
        t->classes = (const uint8_t *)table[TOK_TABLE_CLASSES].ptr;
        if (!blocks_fit(t->classes, table[TOK_TABLE_CLASSES].bytes, TOK_CLASS_BLOCK_BYTES))
            return false;
        open_ascii(t);
    }
    ok = ok && (!MOTE_TEXT_STEPS || t->classes || !needs_classes(h));
    if (MOTE_TEXT_STEPS)
        ok = ok && (!needs_nfc(h) || open_nfc(t, table[TOK_TABLE_NFC])) && open_norms(t, table);
    return ok && open_model(t, table);
}

size_t mote_tokenizer_bytes(void)
{
    return (sizeof(mote_tokenizer) + MOTE_ALIGN - 1) / MOTE_ALIGN * MOTE_ALIGN;
}

mote_status mote_tokenizer_init(mote_tokenizer **out, void *mem, size_t mem_bytes,
                                const mote_image *image, mote_error *err)
{
    mote_text header = mote_image_table(image, TOK_TABLE_HEADER);
    mote_tokenizer *t = mem;
    *out = NULL;
    if (!header.bytes)
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "the file has no tokenizer", NULL);
    if (mem_bytes < mote_tokenizer_bytes())
        return mote_fail_got(err, MOTE_ERR_MEMORY, "memory for the tokenizer", NULL, mem_bytes,
                             mote_tokenizer_bytes());
    memset(t, 0, sizeof *t);
    t->h = (const void *)header.ptr;
    if (header.bytes < sizeof *t->h)
        return mote_fail(err, MOTE_ERR_FILE, damaged, NULL);
    if (t->h->version != TOK_VERSION)
        return mote_fail_got(err, MOTE_ERR_UNSUPPORTED, "version of the tokenizer", NULL,
                             t->h->version, TOK_VERSION);
    if (!is_supported(t->h))
        return mote_fail(err, MOTE_ERR_UNSUPPORTED, "the build lacks the tokenizer's steps", NULL);
    if (!header_is_sound(t->h) || !open_tables(t, image))
        return mote_fail(err, MOTE_ERR_FILE, damaged, NULL);
    *out = t;
    return MOTE_OK;
}

uint32_t mote_tokenizer_vocab_size(const mote_tokenizer *t) { return t->h->n_vocab; }

/* ---- look-ups ------------------------------------------------------------------------------- */

mote_text mote_tok_piece(const mote_tokenizer *t, uint32_t id)
{
    if (id >= t->h->n_vocab)
        return (mote_text){"", 0};
    size_t begin = id ? t->piece_ends[id - 1] : 0, end = t->piece_ends[id];
    if (begin > end || end > t->pieces_bytes || end - begin > t->h->max_piece)
        return (mote_text){"", 0};
    return (mote_text){(const char *)t->pieces + begin, end - begin};
}

mote_text mote_token_piece(const mote_tokenizer *t, int32_t id)
{
    return mote_tok_piece(t, (uint32_t)id);
}

bool mote_token_is_special(const mote_tokenizer *t, int32_t id)
{
    return id >= 0 && (uint32_t)id < t->h->n_vocab && t->flags[id] & TOK_SPECIAL;
}

int32_t mote_token_find(const mote_tokenizer *t, const char *text, size_t bytes)
{
    for (uint32_t i = 0; i < t->h->n_added; i++) {
        const tok_added *a = &t->added[i];
        if (a->bytes == bytes && (uint64_t)a->at + bytes <= t->added_text_bytes &&
            !memcmp(t->added_text + a->at, text, bytes))
            return (int32_t)a->id;
    }
    for (uint32_t id = 0; bytes && id < t->h->n_vocab; id++) {
        mote_text piece = mote_tok_piece(t, id);
        if (piece.bytes == bytes && !memcmp(piece.ptr, text, bytes) && !(t->flags[id] & TOK_BYTE))
            return (int32_t)id;
    }
    return -1;
}
