/* tables.h: a tokenizer as tables, which lie in the file as the tensors __tok__.* and are used
 * where they lie: opening builds nothing, encoding allocates nothing. tools/convert/tok*.c makes
 * them, docs/tokenizer.md explains them. Little-endian; offsets and ids are checked at every
 * look-up, so a damaged table gives wrong ids and no worse.
 *
 *   header       tok_header
 *   pieces       bytes of all vocabulary entries, one behind the other, as they decode; so
 *                SentencePiece's U+2581 is a blank here, and texts are searched as they are
 *   piece_ends   u32[n_vocab]: where entry i ends (it begins where i-1 ends)
 *   flags        u8[n_vocab]: TOK_*
 *   splits       tok_split[n_vocab]: BPE: the last merge of each entry
 *   ranks        tok_rank[]: BPE: hash of (left, right) -> rank of their merge
 *   added        tok_added[], sorted by text; added_text: their texts
 *   classes      character classes (two stages), where splitting needs them
 *   nfc          decomposition and composition data, where normalising needs it
 *   trie         tok_node[]: all entries that text can become, by their bytes
 *   scores       f64[n_vocab + 1]: Unigram's, the last for an unknown character
 *   charsmap     SentencePiece's precompiled map, as published: u32 bytes of a double array, the
 *                array, texts with a zero behind each
 *   bounds       grapheme boundary classes (two stages), where the map needs them
 *   lower        tok_pair[]: characters and their lower case, ascending
 */
#ifndef MOTE_TOKENIZER_TABLES_H
#define MOTE_TOKENIZER_TABLES_H

#include <stdint.h>

#define TOK_VERSION 1
#define TOK_MAX_VOCAB (1u << 24)
#define TOK_MAX_PIECE 65535u    /* bytes */
#define TOK_MAX_ADDED_TEXT 255u /* bytes: bounds the matcher's work per position */
#define TOK_MAX_PROBE 255u      /* slots looked at per hash look-up */
#define TOK_MAX_SYMBOLS 1024u   /* bytes of an entry that merging gives */
#define TOK_MAX_STEPS 8
#define TOK_MAX_AFFIX 8
#define TOK_MAX_PREFIX 16
#define TOK_MAX_GROWTH 256u /* bytes that a byte of text may become */
#define TOK_EMPTY 0xffffffffu

/* The tables, in the order of their tensors. */
enum tok_table_kind {
    TOK_TABLE_HEADER,
    TOK_TABLE_PIECES,
    TOK_TABLE_PIECE_ENDS,
    TOK_TABLE_FLAGS,
    TOK_TABLE_SPLITS,
    TOK_TABLE_RANKS,
    TOK_TABLE_ADDED,
    TOK_TABLE_ADDED_TEXT,
    TOK_TABLE_CLASSES,
    TOK_TABLE_NFC,
    TOK_TABLE_TRIE,
    TOK_TABLE_SCORES,
    TOK_TABLE_CHARSMAP,
    TOK_TABLE_BOUNDS,
    TOK_TABLE_LOWER,
    TOK_N_TABLES
};

enum {                  /* flags of an id */
       TOK_SPECIAL = 1, /* control token: never comes out of plain text */
       TOK_ADDED = 2,
       TOK_WHOLE = 4, /* BPE: merging its own bytes gives it back */
       TOK_BYTE = 8,  /* stands for one byte (<0xE2>); its piece is that byte */
       TOK_CONTINUES =
           16 /* WordPiece: goes on in a word ("##ing"); its piece is without the prefix */
};

enum tok_model { TOK_BPE = 1, TOK_WORDPIECE = 2, TOK_UNIGRAM = 3 };

enum tok_step_kind {                      /* how a text is cut before merging */
                     TOK_STEP_DIGITS = 1, /* numbers apart: param 1 each by itself, 0 in runs */
                     TOK_STEP_GPT2 = 2,   /* GPT-2's pattern */
                     TOK_STEP_LLAMA3 =
                         3, /* Llama 3's pattern; param: most digits in a piece (1: Qwen, 3) */
                     TOK_STEP_WORDS =
                         4, /* before each run of blanks: no merge crosses that border */
                     TOK_STEP_SPACES = 5,        /* before every blank (Metaspace with split) */
                     TOK_STEP_BERT = 6,          /* blanks go, punctuation apart */
                     TOK_STEP_BLANKS = 7,        /* blanks go */
                     TOK_STEP_WORD_CHARS = 8,    /* \w+ and [^\w\s]+, blanks go */
                     TOK_STEP_PUNCT = 9,         /* punctuation apart: param 0 each, 1 in runs */
                     TOK_STEP_BYTE_DIGITS = 10,  /* as DIGITS, on GPT-2's letters for bytes */
                     TOK_STEP_THREE_DIGITS = 11, /* [0-9][0-9][0-9] apart */
                     TOK_STEP_FIND = 12,         /* what one of tok_find_kind matches, apart */
                     TOK_STEP_O200K = 13,    /* GPT-4o's pattern and Tekken's; param: TOK_O200K_* */
                     TOK_STEP_DEEPSEEK3 = 14 /* DeepSeek-V3's third pattern */
};

enum tok_find_kind {
    TOK_FIND_LINE_END = 1, /* [\r\n] */
    TOK_FIND_LETTERS,      /* \s?\p{L}+ */
    TOK_FIND_PUNCT,        /* \s?\p{P}+ */
    TOK_FIND_CJK,          /* [U+4E00-9FA5 U+0800-4E00 U+AC00-D7FF]+ */
    TOK_FIND_CASED,        /* \s?[letters that DeepSeek LLM lists]+ */
    TOK_FIND_SIGNS,        /* \s?[!-/:-~ and more signs that it lists]+ */
    TOK_FIND_BLANK_END,    /* \s+$ */
    TOK_FIND_NUMBERS,      /* \p{N}{1,3} */
    TOK_FIND_CJK_KANA,     /* [U+4E00-9FA5 U+3040-309F U+30A0-30FF]+ */
    TOK_FIND_END
};

enum { TOK_O200K_SUFFIX = 1, TOK_O200K_DIGITS = 2 }; /* 's and such; three digits a piece */

enum tok_norm_kind {                       /* how a text is changed before that, in order */
                     TOK_NORM_COMPOSE = 1, /* by the table nfc; param: TOK_NORM_* below */
                     TOK_NORM_CLEAN = 2,   /* BERT: control characters go, blanks become U+0020 */
                     TOK_NORM_CJK = 3,     /* BERT: blanks around ideographs */
                     TOK_NORM_LOWER = 4,
                     TOK_NORM_STRIP_MARKS = 5, /* param 0: non-spacing ones, 1: all */
                     TOK_NORM_COLLAPSE = 6,    /* runs of U+0020 become one */
                     TOK_NORM_CHARSMAP = 7,    /* param: the most bytes that one becomes */
                     TOK_NORM_TRIM = 8,        /* blanks; param: TOK_TRIM_* */
                     TOK_NORM_WORDS = 9        /* pieces without blanks, each with one in front */
};
enum { TOK_NORM_DECOMPOSE = 1, TOK_NORM_COMPATIBLE = 2 };
enum { TOK_TRIM_LEFT = 1, TOK_TRIM_RIGHT = 2, TOK_TRIM_BLANKS = 4 /* U+0020 only */ };

enum { /* header flags */
       TOK_NFC = 1,
       TOK_SPACE_MARK = 2,    /* U+2581 in a text is a blank */
       TOK_BYTE_LEVEL = 4,    /* first symbols are bytes (else characters) */
       TOK_BYTE_FALLBACK = 8, /* unknown characters become their bytes' tokens */
       TOK_FUSE_UNK = 16,
       TOK_IGNORE_MERGES = 32, /* a piece that is an entry is that entry */
       TOK_LOSSY_BYTES =
           64, /* decoding: a run of byte tokens that is no UTF-8 is one U+FFFD each */
       TOK_STRIP_SPACE = 128,   /* decoding: one blank at the start goes */
       TOK_JOIN_SPACE = 256,    /* decoding: blanks between tokens (no decoder given) */
       TOK_LLAMA2C = 512,       /* decoding: one blank behind BOS goes, as llama2.c does it */
       TOK_STRIP_FIRST = 1024,  /* decoding: no blank of the first token comes out */
       TOK_SPLIT_BLANKS = 2048, /* TOK_NORM_WORDS on each stretch (WhitespaceSplit, Metaspace) */
       TOK_WORDS = 4096 /* decoding: WordPiece: entries have their blank, the first loses it */
};

enum tok_prefix { /* a blank in front of each stretch of text between added tokens */
                  TOK_PREFIX_NONE = 0,
                  TOK_PREFIX_ALWAYS = 1, /* before added tokens are looked for in normalised text */
                  TOK_PREFIX_UNLESS = 2, /* after that, unless it begins with one */
                  TOK_PREFIX_FIRST = 3   /* as UNLESS, at the start of the text only */
};

typedef struct tok_step {
    uint32_t kind, param;
} tok_step;

typedef struct tok_header {
    uint32_t version, model, flags, prefix;
    uint32_t n_vocab, n_rank_slots, n_added;
    uint32_t rank_probe; /* slots a look-up may have to visit */
    int32_t unk;         /* -1: unknown characters are left out */
    int32_t bos;
    uint32_t n_steps;
    tok_step steps[TOK_MAX_STEPS];
    uint32_t n_before, n_after; /* what TemplateProcessing adds around a text */
    int32_t before[TOK_MAX_AFFIX], after[TOK_MAX_AFFIX];
    uint32_t unicode;           /* version of the character data: 0xMMmmpp */
    uint32_t max_piece;         /* bytes of the longest entry */
    uint8_t added_first[2][32]; /* bitmaps of first bytes: raw and normalised added tokens */
    int32_t byte_ids[256];      /* byte level: a byte's symbol; else its fallback token */
    int32_t ascii_ids[128];     /* character level: the symbol of an ASCII character */
    uint32_t n_norms;
    tok_step norms[TOK_MAX_STEPS];
    uint32_t growth;         /* bytes that a byte of text may become; 0: 3 */
    uint32_t max_word_chars; /* WordPiece: longer words are unknown */
    uint32_t prefix_bytes;   /* WordPiece: "##" */
    uint8_t prefix_text[TOK_MAX_PREFIX];
    uint8_t reserved[36];
} tok_header;

/* A double array: the child of node s by byte c is node[s].base ^ c, if its label is c. */
typedef struct tok_node {
    uint32_t base;
    uint32_t id_label; /* id, or TOK_NO_ID where no entry ends, << 8 | label */
} tok_node;
#define TOK_NO_ID 0xffffffu

typedef struct tok_pair {
    uint32_t from, to;
} tok_pair;

/* BPE, entries with TOK_WHOLE: the last merge of all that make it of its own bytes. */
typedef struct tok_split {
    uint32_t left, right; /* TOK_EMPTY: a first symbol */
    uint32_t last;        /* the highest rank among its merges; 0: it has none */
} tok_split;

typedef struct tok_rank {
    uint32_t left, right; /* left TOK_EMPTY: free slot */
    uint32_t rank;        /* from 1: the lowest goes first */
} tok_rank;

enum {                         /* of an added token */
       TOK_ADD_NORMALIZED = 1, /* looked for in the normalised text */
       TOK_ADD_LSTRIP = 2,
       TOK_ADD_RSTRIP = 4,
       TOK_ADD_SINGLE_WORD = 8
};

typedef struct tok_added { /* a text comes at most once as a raw and once as a normalised one */
    uint32_t at;           /* text: added_text[at .. at + bytes) */
    uint16_t bytes;        /* at most TOK_MAX_ADDED_TEXT */
    uint16_t flags;
    uint32_t id;
} tok_added;

/* Character classes: u8 block[0x1100], then 128 bytes per block of 256 characters, a nibble
 * each. */
enum tok_class {
    TOK_OTHER = 0,
    TOK_SPACE /* White_Space */,
    TOK_DIGIT /* Nd Nl */,
    TOK_NUMBER /* No */,
    TOK_MARK /* Mn */,
    TOK_UPPER /* Lu Lt */,
    TOK_LOWER /* Ll */,
    TOK_LETTER /* Lm Lo */,
    TOK_PUNCT,
    TOK_CONNECTOR /* Pc */,
    TOK_SYMBOL,
    TOK_MARK_SPACING, /* Mc Me */
    TOK_PUNCT_NEW,    /* punctuation since Unicode 9: none for Punctuation and BERT */
    TOK_MARK_NEW,     /* Mn since Unicode 9: BERT keeps them */
    TOK_UNASSIGNED    /* Cn, and Cf since Unicode 9: BERT keeps them */
};
#define TOK_CLASS_BLOCKS 0x1100u
#define TOK_CLASS_BLOCK_BYTES 128u

/* Grapheme boundary classes, stored the same way. */
enum tok_bound {
    TOK_BOUND_OTHER,
    TOK_BOUND_CR,
    TOK_BOUND_LF,
    TOK_BOUND_CONTROL,
    TOK_BOUND_EXTEND,
    TOK_BOUND_ZWJ,
    TOK_BOUND_REGIONAL,
    TOK_BOUND_PREPEND,
    TOK_BOUND_SPACING,
    TOK_BOUND_L,
    TOK_BOUND_V,
    TOK_BOUND_T,
    TOK_BOUND_LV,
    TOK_BOUND_LVT,
    TOK_BOUND_PICTURE
};

/* Composition: nfc_header, u8 block[0x1100], 256 bytes per block: the combining class, or
 * TOK_NFC_CHECK for a starter that may change; tok_decomposition[], u32 text[], tok_composition[].
 * Hangul is computed. */
#define TOK_NFC_CHECK 255u
typedef struct tok_nfc_header {
    uint32_t n_blocks, n_decompositions, n_texts, n_compositions;
} tok_nfc_header;
typedef struct tok_decomposition {
    uint32_t from;
    uint16_t at, n; /* text[at .. at + n): the full decomposition, in canonical order */
} tok_decomposition;
typedef struct tok_composition {
    uint32_t first, second, to; /* sorted by first, second */
} tok_composition;

/* Hashes are part of the format. */
static inline uint32_t tok_slot(uint64_t hash, uint32_t n_slots)
{
    return (uint32_t)((hash >> 32) * n_slots >> 32);
}

static inline uint64_t tok_hash_pair(uint32_t left, uint32_t right)
{
    uint64_t x = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
    return (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
}

#endif
