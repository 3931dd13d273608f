/* test_convert_parts.c: which parts of a tokenizer.json are taken and which are refused, with the
 * reason; the limits of their numbers hold exactly. What the steps do is in tests/golden/. Read
 * tools/convert/tok_json_steps.c first. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/test_convert_small.h"
#include "tests/unit/test.h"

#define MARK "\xe2\x96\x81"
#define TO_MARK "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}"
#define FROM_MARK "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" MARK "\"},\"content\":\" \"}"
#define LIST(name, parts) "{\"type\":\"Sequence\",\"" name "\":[" parts "]}"
#define NORMS(parts) LIST("normalizers", parts)
#define STEPS(parts) LIST("pretokenizers", parts)
#define TYPE(type, more) "{\"type\":\"" type "\"" more "}"
#define META(more) TYPE("Metaspace", ",\"replacement\":\"" MARK "\"" more)
#define SPLIT(pattern, more) TYPE("Split", ",\"pattern\":{" pattern "}" more)
#define DIGITS TYPE("Digits", "")
#define BYTES TYPE("ByteLevel", ",\"add_prefix_space\":false")
#define STRIP(text, start, stop)                                                                   \
    TYPE("Strip", ",\"content\":\"" text "\",\"start\":" start ",\"stop\":" stop)
#define BLANKS TYPE("WhitespaceSplit", "")

/* A tokenizer.json's parts; none: null, and BPE over five entries. */
typedef struct parts {
    const char *norm, *pre, *post, *decoder, *model, *added;
    const char *refused; /* what its reason has; none: it is taken */
} parts;

#define BPE(more, vocab, merges)                                                                   \
    "{\"type\":\"BPE\"" more ",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"" MARK "\":3,\"<s>\":4" vocab \
    "},\"merges\":[" merges "]}"
#define WORDS(more) "{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"a\":1,\"##b\":2}" more "}"
#define AFFIX(id) "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}}"
#define TEXT "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"
#define TEMPLATE(single)                                                                           \
    TYPE("TemplateProcessing", ",\"single\":[" single "],\"pair\":[],\"special_tokens\":{\"<s>\":" \
                               "{\"id\":\"<s>\",\"ids\":[4],\"tokens\":[\"<s>\"]}}")

static const parts rows[] = {
    {.norm = NULL},
    {.norm = TYPE("Prepend", ",\"prepend\":\"" MARK "\""),
     .refused = "normalizer Prepend without Replace is not supported"},
    {.norm = NORMS(TYPE("Prepend", ",\"prepend\":\"" MARK "\"") "," TO_MARK), .decoder = FROM_MARK},
    {.norm = NORMS(TYPE("Prepend", ",\"prepend\":\"x\"") "," TO_MARK),
     .decoder = FROM_MARK,
     .refused = "normalizer Prepend is not supported"},
    {.norm = TO_MARK, .refused = "a decoder that does not undo the pre_tokenizer is not supported"},
    {.norm = NORMS(TYPE("NFC", "") "," TYPE("NFKC", "")),
     .refused = "a second normal form, NFKC is not supported"},
    {.norm = NORMS(TYPE("NFC", "") "," TYPE("NFC", ""))},
    {.norm = NORMS(TYPE("NFKC", "") "," TYPE("Lowercase", ""))},
    {.norm = NORMS(TYPE("NFD", "") "," TYPE("StripAccents", ""))},
    {.norm = TYPE("StripAccents", "")},
    {.norm = TYPE("Nope", ""), .refused = "normalizer Nope is not supported"},
    {.norm = "5", .refused = "normalizer is malformed"},
    {.norm = TYPE("Sequence", ""), .refused = "normalizer is malformed"},
    {.norm = TYPE("Precompiled", "")},
    {.norm = TYPE("Precompiled", ",\"precompiled_charsmap\":null")},
    {.norm = TYPE("Precompiled", ",\"precompiled_charsmap\":5"),
     .refused = "precompiled_charsmap is no base64"},
    {.norm = TYPE("Precompiled", ",\"precompiled_charsmap\":\"\""),
     .refused = "precompiled_charsmap is no base64"},
    {.norm = TYPE("Precompiled", ",\"precompiled_charsmap\":\"AA!A\""),
     .refused = "precompiled_charsmap is no base64"},
    {.norm = TYPE("Precompiled", ",\"precompiled_charsmap\":\"AAAA\""),
     .refused = "precompiled_charsmap is malformed"},
    {.norm = TYPE("Strip", ",\"strip_left\":true,\"strip_right\":false")},
    {.norm = TYPE("Replace", ",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\" \"")},
    {.norm = TYPE("Replace", ",\"pattern\":{\"Regex\":\"x\"},\"content\":\" \""),
     .refused = "normalizer Replace is not supported"},
    {.norm = NORMS(TYPE("Strip", "") "," TYPE("Strip", "") "," TYPE("Strip", "") "," TYPE(
         "Strip", "") "," TYPE("Strip", "") "," TYPE("Strip", "") "," TYPE("Strip",
                                                                           "") "," TYPE("Strip",
                                                                                        ""))},
    {.norm = NORMS(TYPE("Strip", "") "," TYPE("Strip", "") "," TYPE("Strip", "") "," TYPE(
         "Strip", "") "," TYPE("Strip", "") "," TYPE("Strip",
                                                     "") "," TYPE("Strip",
                                                                  "") "," TYPE("Strip",
                                                                               "") "," TYPE("Strip",
                                                                                            "")),
     .refused = "more than 8 normalizers"},
    {.pre = STEPS(DIGITS "," DIGITS "," DIGITS "," DIGITS "," DIGITS "," DIGITS "," DIGITS
                         "," DIGITS)},
    {.pre = STEPS(DIGITS "," DIGITS "," DIGITS "," DIGITS "," DIGITS "," DIGITS "," DIGITS
                         "," DIGITS "," DIGITS),
     .refused = "more than 8 pre-tokenizers"},
    {.pre = SPLIT("\"String\":\" \"", ",\"behavior\":\"MergedWithPrevious\""),
     .refused = "pre_tokenizer Split with behavior MergedWithPrevious is not supported"},
    {.norm = TO_MARK,
     .decoder = FROM_MARK,
     .pre = SPLIT("\"String\":\" \"", ",\"behavior\":\"MergedWithPrevious\"")},
    {.norm = TO_MARK,
     .decoder = FROM_MARK,
     .pre = SPLIT("\"String\":\" \"", ",\"behavior\":\"Isolated\""),
     .refused = "pre_tokenizer Split by Split is not supported"},
    {.pre = SPLIT("\"Regex\":\"[\\\\r\\\\n]\"", ",\"behavior\":\"Isolated\"")},
    {.pre = SPLIT("\"Regex\":\"[\\\\r\\\\n]\"", ",\"behavior\":\"Isolated\",\"invert\":true"),
     .refused = "pre_tokenizer Split with behavior Isolated is not supported"},
    {.pre = SPLIT("\"Regex\":\"[\\\\r\\\\n]\"", ",\"behavior\":\"Removed\""),
     .refused = "pre_tokenizer Split with behavior Removed is not supported"},
    {.pre = SPLIT("\"Regex\":\"[\\\\r\\\\n]\"", ",\"behavior\":\"Removed\",\"invert\":true"),
     .refused = "pre_tokenizer Split by [\\r\\n] is not supported"},
    {.pre = SPLIT("\"Regex\":\"'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| "
                  "?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+\"",
                  ",\"behavior\":\"Removed\",\"invert\":true")},
    {.pre = SPLIT("\"Regex\":\"x\"", ",\"behavior\":\"Isolated\""),
     .refused = "pre_tokenizer Split by x is not supported"},
    {.pre = SPLIT("\"String\":\"x\"", ",\"behavior\":\"Isolated\""),
     .refused = "pre_tokenizer Split by Split is not supported"},
    {.pre = TYPE("Punctuation", "")},
    {.pre = TYPE("Punctuation", ",\"behavior\":\"Isolated\"")},
    {.pre = TYPE("Punctuation", ",\"behavior\":\"Contiguous\"")},
    {.pre = TYPE("Punctuation", ",\"behavior\":\"Removed\""),
     .refused = "pre_tokenizer Punctuation is not supported"},
    {.pre = STEPS(DIGITS "," BYTES),
     .decoder = TYPE("ByteLevel", ""),
     .refused = "no entry for the byte 0x20"},
    {.pre = STEPS(BYTES "," BYTES), .refused = "pre_tokenizer ByteLevel is not supported"},
    {.pre = STEPS(BYTES "," BLANKS), .refused = "pre_tokenizer WhitespaceSplit is not supported"},
    {.pre = STEPS(BYTES "," TYPE("BertPreTokenizer", "")),
     .refused = "pre_tokenizer BertPreTokenizer is not supported"},
    {.pre = STEPS(BYTES "," TYPE("Whitespace", "")),
     .refused = "pre_tokenizer Whitespace is not supported"},
    {.pre = STEPS(BYTES "," TYPE("Punctuation", "")),
     .refused = "pre_tokenizer Punctuation is not supported"},
    {.pre = STEPS(BYTES "," META("")), .refused = "pre_tokenizer Metaspace is not supported"},
    {.pre = STEPS(BYTES "," SPLIT("\"Regex\":\"[0-9][0-9]\"", ",\"behavior\":\"Isolated\"")),
     .refused = "pre_tokenizer Split is not supported"},
    {.pre = STEPS(BYTES "," SPLIT("\"Regex\":\"[0-9][0-9][0-9]\"", ",\"behavior\":\"Removed\"")),
     .refused = "pre_tokenizer Split is not supported"},
    {.pre = STEPS(BYTES "," SPLIT("\"Regex\":\"[0-9][0-9][0-9]\"",
                                  ",\"behavior\":\"Isolated\",\"invert\":true")),
     .refused = "pre_tokenizer Split is not supported"},
    {.pre = STEPS(DIGITS "," TYPE("ByteLevel", "")),
     .refused = "add_prefix_space behind a split in ByteLevel is not supported"},
    {.pre = META(""), .decoder = META("")},
    {.pre = META(",\"prepend_scheme\":\"first\",\"split\":false"),
     .decoder = META(",\"prepend_scheme\":\"never\"")},
    {.pre = META(""), .refused = "a decoder that does not undo the pre_tokenizer is not supported"},
    {.pre = META(""),
     .decoder = TYPE("Metaspace", ",\"replacement\":\"_\""),
     .refused = "decoder Metaspace with replacement _ is not supported"},
    {.pre = TYPE("Metaspace", ",\"replacement\":\"_\""),
     .refused = "Metaspace with replacement _ is not supported"},
    {.pre = STEPS(BLANKS "," META("")), .decoder = META("")},
    {.pre = STEPS(BLANKS "," META("") "," DIGITS),
     .decoder = META(""),
     .refused = "pre_tokenizer behind Metaspace: Digits is not supported"},
    {.pre = STEPS(BLANKS "," META(",\"split\":false")),
     .decoder = META(""),
     .refused = "Metaspace behind Metaspace is not supported"},
    {.pre = STEPS(BLANKS "," META(",\"prepend_scheme\":\"never\"")),
     .decoder = META(""),
     .refused = "Metaspace behind Metaspace is not supported"},
    {.pre = STEPS(BLANKS "," DIGITS "," META("")),
     .decoder = META(""),
     .refused = "Metaspace behind Metaspace is not supported"},
    {.pre = STEPS(DIGITS "," META("")),
     .decoder = META(""),
     .refused = "behind other pre_tokenizers, Metaspace is not supported"},
    {.norm = TYPE("Lowercase", ""),
     .added = "{\"id\":5,\"content\":\"X\",\"special\":false,\"normalized\":true}",
     .refused = "added tokens in texts normalised by more than NFC are not supported"},
    {.norm = TYPE("NFC", ""),
     .added = "{\"id\":5,\"content\":\"X\",\"special\":false,\"normalized\":true}"},
    {.pre = STEPS(BLANKS "," META("")),
     .decoder = META(""),
     .added = "{\"id\":5,\"content\":\"X\",\"special\":false,\"normalized\":true}",
     .refused = "added tokens in texts normalised by more than NFC are not supported"},
    {.decoder = LIST("decoders", TYPE("Fuse", "") "," STRIP(" ", "1", "0"))},
    {.decoder = LIST("decoders", TYPE("Fuse", "") "," STRIP(" ", "2", "0")),
     .refused = "decoder Strip is not supported"},
    {.decoder = LIST("decoders", TYPE("Fuse", "") "," STRIP(" ", "1", "1")),
     .refused = "decoder Strip is not supported"},
    {.decoder = LIST("decoders", TYPE("Fuse", "") "," STRIP("x", "1", "0")),
     .refused = "decoder Strip is not supported"},
    {.decoder = STRIP(" ", "1", "0"), .refused = "decoder Strip is not supported"},
    {.decoder = TYPE("Nope", ""), .refused = "decoder Nope is not supported"},
    {.decoder = TYPE("ByteLevel", ""),
     .refused = "a decoder that does not undo the pre_tokenizer is not supported"},
    {.decoder = FROM_MARK,
     .refused = "a decoder that does not undo the pre_tokenizer is not supported"},
    {.decoder = TYPE("WordPiece", ",\"prefix\":\"##\""),
     .refused = "with this model, decoder WordPiece is not supported"},
    {.model = WORDS(""), .decoder = TYPE("WordPiece", "")},
    {.model = WORDS(""),
     .decoder = TYPE("WordPiece", ",\"prefix\":\"#\""),
     .refused = "with this model, decoder WordPiece is not supported"},
    {.model = WORDS(",\"continuing_subword_prefix\":\"1234567890123456\"")},
    {.model = WORDS(",\"continuing_subword_prefix\":\"12345678901234567\""),
     .refused = "continuing_subword_prefix 12345678901234567 is not supported"},
    {.model = WORDS(",\"max_input_chars_per_word\":100")},
    {.model = WORDS(",\"max_input_chars_per_word\":-1"),
     .refused = "max_input_chars_per_word is no whole number"},
    {.model = WORDS(",\"unk_token\":\"nope\""), .refused = "the unknown token is no entry"},
    {.model = BPE(",\"continuing_subword_prefix\":\"\"", "", "\"a b\"")},
    {.model = BPE(",\"continuing_subword_prefix\":\"x\"", "", "\"a b\""),
     .refused = "continuing_subword_prefix x is not supported"},
    {.model = BPE(",\"end_of_word_suffix\":\"x\"", "", "\"a b\""),
     .refused = "end_of_word_suffix x is not supported"},
    {.model = BPE(",\"dropout\":0", "", "\"a b\"")},
    {.model = BPE(",\"dropout\":0.1", "", "\"a b\""), .refused = "dropout is not supported"},
    {.model = BPE(",\"ignore_merges\":true", "", "\"a b\"")},
    {.model = BPE(",\"byte_fallback\":true", "", "\"a b\""),
     .refused = "byte_fallback without its decoder is not supported"},
    {.model = BPE(",\"unk_token\":\"a\"", "", "\"a b\""),
     .refused = "merge 0 is of the unknown token or a byte's token"},
    {.model = BPE(",\"unk_token\":\"nope\"", "", "\"a b\""),
     .refused = "the unknown token is no entry"},
    {.model = BPE("", "", "\"a b c\""), .refused = "merge 0 is not a pair"},
    {.model = BPE("", "", "[\"a\",\"b\"]")},
    {.model = BPE("", "", "[\"a\",\"b\",\"c\"]"), .refused = "merge 0 is not a pair"},
    {.model = BPE("", "", "[\"a\"]"), .refused = "merge 0 is not a pair"},
    {.model = BPE("", "", "5"), .refused = "merge 0 is not a pair"},
    {.model = BPE("", "", "\"a a\""), .refused = "merge 0: what entries 0 and 0 make is no entry"},
    {.model = BPE("", "", "\"a c\""), .refused = "merge 0: its right part is no entry"},
    {.model = BPE("", "", "\"a b\",\"a b\""), .refused = "merge 1 is there twice"},
    {.model = BPE("", ",\"c\":4", ""), .refused = "two entries have the id 4"},
    {.model = BPE("", ",\"c\":6", "")},
    {.model = BPE("", ",\"c\":16777215", ""), .refused = "ids up to 16777215 for 6 entries"},
    {.model = BPE("", ",\"c\":16777216", ""),
     .refused = "an id is no whole number from 0 to 16777215"},
    {.model = BPE("", ",\"c\":-1", ""), .refused = "an id is no whole number from 0 to 16777215"},
    {.model = BPE("", ",\"c\":5.5", ""), .refused = "an id is no whole number from 0 to 16777215"},
    {.model = BPE("", ",\"c\":\"5\"", ""),
     .refused = "an id is no whole number from 0 to 16777215"},
    {.post = TEMPLATE(AFFIX("") "," TEXT "," AFFIX(""))},
    {.post = TEMPLATE(AFFIX("")), .refused = "post_processor: not one text in \"single\""},
    {.post = TEMPLATE(TEXT "," TEXT), .refused = "post_processor: not one text in \"single\""},
    {.post = TEMPLATE("{\"SpecialToken\":{\"id\":\"<x>\",\"type_id\":0}}," TEXT),
     .refused = "post_processor: a special token has no ids"},
    {.post = TEMPLATE(AFFIX("") "," AFFIX("") "," AFFIX("") "," AFFIX("") "," AFFIX("") "," AFFIX(
         "") "," AFFIX("") "," AFFIX("") "," TEXT)},
    {.post = TEMPLATE(AFFIX("") "," AFFIX("") "," AFFIX("") "," AFFIX("") "," AFFIX("") "," AFFIX(
         "") "," AFFIX("") "," AFFIX("") "," AFFIX("") "," TEXT),
     .refused = "post_processor adds more than 8 ids"},
    {.post = TYPE("RobertaProcessing", ",\"sep\":[\"<s>\",4],\"cls\":[\"<s>\",4]")},
    {.post = TYPE("BertProcessing", ",\"sep\":[\"<s>\",4],\"cls\":[\"<s>\",4]")},
    {.post = TYPE("BertProcessing", ",\"sep\":[\"<s>\",5],\"cls\":[\"<s>\",4]"),
     .refused = "post_processor: an id is no token"},
    {.post = TYPE("BertProcessing", ",\"sep\":[\"<s>\",4],\"cls\":[\"<s>\",-1]"),
     .refused = "post_processor: an id is no token"},
    {.post = TYPE("BertProcessing", ",\"sep\":[],\"cls\":[\"<s>\",4]"),
     .refused = "post_processor is malformed"},
    {.post = TYPE("BertProcessing", ",\"sep\":[\"<s>\",4]"),
     .refused = "post_processor is malformed"},
    {.post = TYPE("BertProcessing", ",\"sep\":[\"<s>\"],\"cls\":[\"<s>\",4]"),
     .refused = "post_processor: an id is no token"},
    {.post = TYPE("Nope", ""), .refused = "post_processor Nope is not supported"},
    {.post = TYPE("Sequence", ",\"processors\":[" TYPE("ByteLevel", "") "]")},
    {.added = "{\"id\":5,\"content\":\"X\"}"},
    {.added = "{\"id\":5,\"content\":\"\"}", .refused = "added token 5 is empty"},
    {.added = "{\"id\":4,\"content\":\"<s>\",\"special\":true}"},
    {.added = "{\"id\":3,\"content\":\"<s>\",\"special\":true}",
     .refused = "added token 3 contradicts the vocabulary"},
    {.added = "{\"id\":5,\"content\":\"a\"}",
     .refused = "added token 5 contradicts the vocabulary"},
    {.added = "{\"id\":5,\"content\":\"X\"},{\"id\":5,\"content\":\"Y\"}",
     .refused = "added token 5 contradicts the vocabulary"},
    {.added = "{\"id\":5,\"content\":\"X\"},{\"id\":6,\"content\":\"X\"}",
     .refused = "added tokens 5 and 6 are the same"},
    {.added = "{\"id\":-1,\"content\":\"X\"}",
     .refused = "an id is no whole number from 0 to 16777215"},
    {.added = "{\"content\":\"X\"}", .refused = "an id is no whole number from 0 to 16777215"},
    {.added = "{\"id\":5}", .refused = "an added token has no content"},
    {.added = "5", .refused = "an id is no whole number from 0 to 16777215"},
    {.added = "{\"id\":5,\"content\":\"X\",\"lstrip\":5}"},
    {.model = "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",-1.5]]}"},
    {.model = "{\"type\":\"Unigram\",\"unk_id\":2,\"vocab\":[[\"<unk>\",0],[\"a\",-1.5]]}",
     .refused = "unk_id is no entry"},
    {.model = "{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"<unk>\",0],[\"a\",-1.5]]}"},
    {.model = "{\"type\":\"Unigram\",\"unk_id\":null,\"vocab\":[[\"a\",-1.5]]}",
     .refused = "a Unigram model without unk_id is not supported"},
    {.model = "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",1e30]]}",
     .refused = "entry 1 is no text with a score"},
    {.model = "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",-1e30]]}",
     .refused = "entry 1 is no text with a score"},
    {.model = "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",-1,2]]}",
     .refused = "entry 1 is no text with a score"},
    {.model = "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\"]]}",
     .refused = "entry 1 is no text with a score"},
    {.model = "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[5,-1]]}",
     .refused = "entry 1 is no text with a score"},
    {.model = "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],\"a\"]}",
     .refused = "entry 1 is no text with a score"},
    {.model = "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",-1],[\"a\",-2]]}",
     .refused = "entries 1 and 2 are the same"},
    {.model = "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[]}",
     .refused = "no vocabulary, merges or added tokens"},
    {.model = "{\"type\":\"Nope\",\"vocab\":{}}", .refused = "model Nope is not supported"},
    {.model = "{\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}"},
    {.model = "{\"vocab\":{\"[UNK]\":0,\"b\":1},\"max_input_chars_per_word\":100}"},
    {.model = "{\"vocab\":[[\"<unk>\",0],[\"a\",-1.5]],\"unk_id\":0}"},
    {.model = "5", .refused = "no model"},
    {.norm =
         NORMS(TYPE("Lowercase", "") "," TYPE("Lowercase", "") "," TYPE("Lowercase", "") "," TYPE(
             "Lowercase", "") "," TYPE("Lowercase",
                                       "") "," TYPE("Lowercase",
                                                    "") "," TYPE("Lowercase",
                                                                 "") "," TYPE("Lowercase", "")),
     .refused = "these normalizers together make too much of a text"},
};

static char json[1 << 16];

static mote_status convert(const parts *p, mote_convert_error *err)
{
    char path[500];
    snprintf(json, sizeof json,
             "{\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":%s,\"decoder\":%s,"
             "\"added_tokens\":[%s],\"model\":%s}",
             p->norm ? p->norm : "null", p->pre ? p->pre : "null", p->post ? p->post : "null",
             p->decoder ? p->decoder : "null", p->added ? p->added : "",
             p->model ? p->model : BPE("", "", "\"a b\""));
    return small_convert(json, path, err);
}

TEST(parts_of_tokenizers_are_taken_or_refused)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mote_convert_error err = {0};
        mote_status s = convert(&rows[i], &err);
        bool ok = rows[i].refused ? s && strstr(err.text, rows[i].refused) : !s;
        if (!CHECK(ok))
            printf("  row %zu: %d %s, not %s\n", i, (int)s, s ? err.text : "", rows[i].refused);
    }
}

/* As many bytes as an entry that merging gives may have, an added token's text, a merge. */
TEST(long_entries_of_tokenizers_are_bounded)
{
    static char model[1 << 15], text[1 << 12];
    for (size_t half = 511; half <= 513; half++) { /* TOK_MAX_SYMBOLS are 1024 */
        mote_convert_error err;
        memset(text, 'a', half);
        text[half] = 0;
        snprintf(
            model, sizeof model,
            "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"%s\":1,\"%s%s\":2},\"merges\":[\"%s %s\"]}",
            text, text, text, text, text);
        mote_status s = convert(&(parts){.model = model}, &err);
        if (!CHECK(s == (half <= 512 ? MOTE_OK : MOTE_ERR_UNSUPPORTED)))
            printf("  %zu: %d %s\n", half, (int)s, s ? err.text : "");
    }
    for (size_t n = 254; n <= 256; n++) { /* TOK_MAX_ADDED_TEXT are 255 */
        mote_convert_error err;
        memset(text, 'x', n);
        text[n] = 0;
        snprintf(model, sizeof model, "{\"id\":5,\"content\":\"%s\"}", text);
        mote_status s = convert(&(parts){.added = model}, &err);
        if (!CHECK(!s == (n <= 255)))
            printf("  %zu: %d %s\n", n, (int)s, s ? err.text : "");
    }
}
