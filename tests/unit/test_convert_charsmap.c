/* test_convert_charsmap.c: SentencePiece's precompiled maps of characters (tokenizer/charsmap.c): a
 * map made here is converted, and texts become what the Hugging Face library (0.23.3) makes of
 * them: which characters are one cluster shows in that only the first of a short one is looked up.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/test_convert_small.h"
#include "tests/unit/test.h"
#include "tokenizer/tables.h"

/* The letters of the table below: a character of each class that clusters know. */
static const char *const alphabet[] = {"a",
                                       "\r",
                                       "\n",
                                       "\xe2\x80\x8b",
                                       "\xcc\x81",
                                       "\xe2\x80\x8d",
                                       "\xf0\x9f\x87\xa6",
                                       "\xd8\x80",
                                       "\xe0\xa4\x83",
                                       "\xe1\x84\x80",
                                       "\xe1\x85\xa1",
                                       "\xe1\x86\xa8",
                                       "\xea\xb0\x80",
                                       "\xea\xb0\x81",
                                       "\xc2\xa9",
                                       "\xf0\x9f\x98\x80",
                                       "b"};

/* Which become letters; F (a joiner), I (a mark that takes space) and Q (b) do not. */
static const char keyed[] = "ABCDEGHJKLMNOP";
static const char *const more[][2] = {
    {"b\xcc\x81", "(b1)"}, {"bc", "(bc)"}, {"\r\n", "(rn)"}, {"d", ""}};

static const struct {
    const char *text, *expected; /* there f and i are the letters F and I, left as they were */
} rows[] = {
    {"AAEAABEAACEAADEAAEEAAFEAAGEAAHEAAIEAAJEAAKEAALEAAMEAANEAAOEAAPEAAQE",
     "AAAABEAACEAADEAAAAfEAAGEAAHAAiEAAJAAKAALAAMAANAAOAAPEAA(b1)"},
    {"BAEABBEABCEABDEABEEABFEABGEABHEABIEABJEABKEABLEABMEABNEABOEABPEABQE",
     "BAABBEABEABDEABEABfEABGEABHABiEABJABKABLABMABNABOABPEAB(b1)"},
    {"CAEACBEACCEACDEACEEACFEACGEACHEACIEACJEACKEACLEACMEACNEACOEACPEACQE",
     "CAACBEACCEACDEACEACfEACGEACHACiEACJACKACLACMACNACOACPEAC(b1)"},
    {"DAEADBEADCEADDEADEEADFEADGEADHEADIEADJEADKEADLEADMEADNEADOEADPEADQE",
     "DAADBEADCEADDEADEADfEADGEADHADiEADJADKADLADMADNADOADPEAD(b1)"},
    {"EAEAEBEAECEAEDEAEEEAEFEAEGEAEHEAEIEAEJEAEKEAELEAEMEAENEAEOEAEPEAEQE",
     "EAABEACEADEAEEEAEfEAGEAHAEiEAJAKALAMANAOAPEA(b1)"},
    {"FAEAFBEAFCEAFDEAFEEAFFEAFGEAFHEAFIEAFJEAFKEAFLEAFMEAFNEAFOEAFPEAFQE",
     "fAABEACEADEAfEEAffEAGEAHAfiEAJAKALAMANAOAPEA(b1)"},
    {"GAEAGBEAGCEAGDEAGEEAGFEAGGEAGHEAGIEAGJEAGKEAGLEAGMEAGNEAGOEAGPEAGQE",
     "GAAGBEAGCEAGDEAGEEAGfEAGGEAGHAGiEAGJAGKAGLAGMAGNAGOAGPEAG(b1)"},
    {"HAEAHBEAHCEAHDEAHEEAHFEAHGEAHHEAHIEAHJEAHKEAHLEAHMEAHNEAHOEAHPEAHQE",
     "HAHBEAHCEAHDEAHEEAHfEAHGEAHHEAHiEAHJEAHKEAHLEAHMEAHNEAHOEAHPEAH"},
    {"IAEAIBEAICEAIDEAIEEAIFEAIGEAIHEAIIEAIJEAIKEAILEAIMEAINEAIOEAIPEAIQE",
     "iAABEACEADEAiEEAifEAGEAHAiiEAJAKALAMANAOAPEA(b1)"},
    {"JAEAJBEAJCEAJDEAJEEAJFEAJGEAJHEAJIEAJJEAJKEAJLEAJMEAJNEAJOEAJPEAJQE",
     "JAAJBEAJCEAJDEAJEEAJfEAJGEAJHAJiEAJJEAJKEAJLAJMEAJNEAJOAJPEAJ(b1)"},
    {"KAEAKBEAKCEAKDEAKEEAKFEAKGEAKHEAKIEAKJEAKKEAKLEAKMEAKNEAKOEAKPEAKQE",
     "KAAKBEAKCEAKDEAKEEAKfEAKGEAKHAKiEAKJAKKEAKLEAKMAKNAKOAKPEAK(b1)"},
    {"LAEALBEALCEALDEALEEALFEALGEALHEALIEALJEALKEALLEALMEALNEALOEALPEALQE",
     "LAALBEALCEALDEALEEALfEALGEALHALiEALJALKALLEALMALNALOALPEAL(b1)"},
    {"MAEAMBEAMCEAMDEAMEEAMFEAMGEAMHEAMIEAMJEAMKEAMLEAMMEAMNEAMOEAMPEAMQE",
     "MAAMBEAMCEAMDEAMEEAMfEAMGEAMHAMiEAMJAMKEAMLEAMMAMNAMOAMPEAM(b1)"},
    {"NAEANBEANCEANDEANEEANFEANGEANHEANIEANJEANKEANLEANMEANNEANOEANPEANQE",
     "NAANBEANCEANDEANEEANfEANGEANHANiEANJANKANLEANMANNANOANPEAN(b1)"},
    {"OAEAOBEAOCEAODEAOEEAOFEAOGEAOHEAOIEAOJEAOKEAOLEAOMEAONEAOOEAOPEAOQE",
     "OAAOBEAOCEAODEAOEEAOfEAOGEAOHAOiEAOJAOKAOLAOMAONAOOAOPEAO(b1)"},
    {"PAEAPBEAPCEAPDEAPEEAPFEAPGEAPHEAPIEAPJEAPKEAPLEAPMEAPNEAPOEAPPEAPQE",
     "PAAPBEAPCEAPDEAPEEAPfEAPGEAPHAPiEAPJAPKAPLAPMAPNAPOAPPEAP(b1)"},
    {"QAEAQBEAQCEAQDEAQEEAQFEAQGEAQHEAQIEAQJEAQKEAQLEAQMEAQNEAQOEAQPEAQQE",
     "bAAbBEAbCEAbDEA(b1)AbfEAbGEAbHAbiEAbJAbKAbLAbMAbNAbOAbPEAb(b1)"},
    {"JDMPECCAMFJBHQF", "JDMPECCAMfJBHbf"},
    {"IFDIGAQIIGFJJQLCOKc", "ifDiGAbiiGfJJbLCOKc"},
    {"QHFHPICFJAJGdJQGNNOJ", "bHHPiCfJAJGJbGNNOJ"},
    {"OFHJIBCBOQIQFQPdKEcGC", "OHJiBBObibfbPKcGC"},
    {"GQQOIFLNGKQFGKDBdHIGO", "GbbOifLNGKbfGKDBHGO"},
    {"DKFJOABLdCJcKAK", "DKfJOABLCJcKAK"},
    {"KEQNOcCJOGOJEIMOF", "KbNOcCJOGOJEiMO"},
    {"GALBOFLLJGDOGNGDBB", "GALBOLLJGDOGNGDBB"},
    {"FOcEOBFPG", "fOcEOBfPG"},
    {"KBDQJNQGPGHONPB", "KBDbJNbGPGHNPB"},
    {"NOHQNGPGBBIIHQG", "NOHNGPGBBiiHG"},
    {"NIEKBKGDGMQQdBP", "NiEKBKGDGMbbBP"},
    {"CNGGFKJcPQKNQGQcIKMP", "CNGGfKJcPbKNbGbciKMP"},
    {"IQcGBMOEIc", "ibcGBMOEic"},
    {"FdQOGPMMG", "fbOGPMMG"},
    {"GFAOIDMM", "GfAODMM"},
    {"FBGFcOKFPQOACBd", "fBGfcOKfPbOACB"},
    {"PFIOEBLCQAJ", "PfiOBLCbAJ"},
    {"CCFOMGJMHPMDCDOLQNN", "CCfOMGJMHPMDCDOLbNN"},
    {"CQGQJPNDFFLFFdEKPKIFAd", "CbGbJPNDffLffKPKifA"},
    {"AQJDFDPdOPQCQ", "AbJDfDPOPbCb"},
    {"NJLHFQAcBOKFOGJ", "NJLHbAcBOKfOGJ"},
    {"OOOMEIOLcKENCOEcOFJLGG", "OOOMEiOLcKNCOcOJLGG"},
    {"cOCCMQFKQLKFJAOAQCL", "cOCCMbfKbLKfJAOAbCL"},
};

/* ---- the map: a double array in which every node has 256 places ------------------------------ */

enum { MOST_NODES = 64 };

typedef struct map {
    uint32_t units[256 * MOST_NODES];
    char texts[512];
    size_t n_nodes, n_texts;
} map;

/* The first place behind the one at `at`, which it is given if it has none. */
static size_t places_of(map *m, size_t at)
{
    if (!(m->units[at] >> 10))
        m->units[at] |= (uint32_t)(at ^ (256 * m->n_nodes++)) << 10;
    return at ^ (m->units[at] >> 10);
}

static void add_key(map *m, const char *key, const char *text)
{
    size_t at = 0;
    for (; *key; key++) {
        at = places_of(m, at) + (uint8_t)*key;
        m->units[at] |= (uint8_t)*key;
    }
    size_t value = places_of(m, at);
    m->units[at] |= 0x100;
    m->units[value] = 0x80000000u | (uint32_t)m->n_texts;
    strcpy(m->texts + m->n_texts, text);
    m->n_texts += strlen(text) + 1;
}

static void make_map(map *m)
{
    memset(m, 0, sizeof *m);
    m->n_nodes = 1;
    for (const char *k = keyed; *k; k++)
        add_key(m, alphabet[*k - 'A'], (char[]){*k, 0});
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        add_key(m, more[i][0], more[i][1]);
}

/* ---- the tokenizer: a token for each byte ---------------------------------------------------- */

static char json[1 << 18];
#define add(...) small_add(json, sizeof json, __VA_ARGS__)

static void add_base64(const uint8_t *p, size_t n)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = json + strlen(json);
    for (size_t bit = 0; bit < 8 * n; bit += 6) {
        unsigned both = (unsigned)p[bit / 8] << 8 | (bit / 8 + 1 < n ? p[bit / 8 + 1] : 0u);
        *out++ = letters[both >> (10 - bit % 8) & 63];
    }
    for (; n % 3; n++)
        *out++ = '=';
    *out = 0;
}

/* Its map has n_bytes behind n_units (in bytes). */
static const char *make_json(const map *m, uint32_t n_units, size_t n_texts)
{
    static uint8_t blob[sizeof(map)];
    memcpy(blob, &n_units, 4);
    memcpy(blob + 4, m->units, 1024 * m->n_nodes);
    memcpy(blob + 4 + 1024 * m->n_nodes, m->texts, n_texts);
    json[0] = 0;
    add("{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"");
    add_base64(blob, 4 + 1024 * m->n_nodes + n_texts);
    add("\"},\"pre_tokenizer\":null,\"post_processor\":null,\"added_tokens\":[],\"decoder\":{"
        "\"type\":"
        "\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]},\"model\":{"
        "\"type\":\"BPE\",\"byte_fallback\":true,\"fuse_unk\":true,\"unk_token\":\"<unk>\","
        "\"merges\":"
        "[],\"vocab\":{\"<unk>\":0");
    for (unsigned b = 0; b < 256; b++)
        add(",\"<0x%02X>\":%u", b, 1 + b);
    add("}}}");
    return json;
}

static mote_status refused(const map *m, uint32_t n_units, size_t n_texts)
{
    char path[500];
    mote_convert_error err;
    return small_convert(make_json(m, n_units, n_texts), path, &err);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void spell(char *to, const char *letters, bool expected)
{
    *to = 0;
    for (; *letters; letters++) {
        bool plain =
            expected ? *letters != 'f' && *letters != 'i' : *letters < 'A' || *letters > 'Q';
        char one[2] = {*letters, 0};
        strcat(to, plain ? one : alphabet[(*letters & 31) - 1]);
    }
}

static bool becomes(const mote_tokenizer *t, const char *letters, const char *expected)
{
    char text[500], want[500], got[1000];
    int32_t ids[500];
    mote_error err;
    size_t n = 0, bytes;
    spell(text, letters, false);
    spell(want, expected, true);
    size_t need = mote_encode_scratch_bytes(t, strlen(text));
    void *scratch = malloc(need);
    bool ok = !mote_encode(t, text, strlen(text), 0, NULL, 0, ids, 500, &n, scratch, need, &err);
    free(scratch);
    bytes = ok ? mote_decode(t, ids, n, false, got, sizeof got) : 0;
    if (ok && bytes == strlen(want) && !memcmp(got, want, bytes))
        return true;
    printf("  %s gave %.*s\n", letters, (int)bytes, got);
    return false;
}

TEST(maps_of_characters_act_on_clusters)
{
    static map m;
    small s;
    make_map(&m);
    REQUIRE(small_open(&s, make_json(&m, (uint32_t)(1024 * m.n_nodes), m.n_texts)));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK(becomes(s.t, rows[i].text, rows[i].expected));
    free(s.data);
}

TEST(maps_of_characters_are_checked)
{
    static map m;
    make_map(&m);
    uint32_t units = (uint32_t)(1024 * m.n_nodes);
    CHECK(!refused(&m, units, m.n_texts));
    CHECK(!refused(&m, units, 1));
    CHECK(!refused(&m, units + 4, 4)); /* all is units */
    CHECK(refused(&m, units + 4, 3) == MOTE_ERR_FILE);
    CHECK(refused(&m, units + 1, 8) == MOTE_ERR_FILE);
    CHECK(refused(&m, 0, m.n_texts) == MOTE_ERR_FILE);
    CHECK(refused(&m, 3, m.n_texts) == MOTE_ERR_FILE);
    CHECK(!refused(&m, 4, m.n_texts)); /* a root without keys */
    m.n_nodes = 1;
    m.units[0] = 0;
    CHECK(!refused(&m, 1024, 1));
}

/* A byte of a text becomes a third of TOK_MAX_GROWTH bytes at most. */
TEST(maps_of_characters_grow_texts_within_bounds)
{
    static const char *const keys[] = {"z", "zz", "zzz"};
    for (size_t k = 1; k <= 3; k++)
        for (size_t n = k * (TOK_MAX_GROWTH / 3) - 1; n <= k * (TOK_MAX_GROWTH / 3) + 1; n++) {
            static map m;
            char text[3 * TOK_MAX_GROWTH] = "";
            make_map(&m);
            memset(text, 'x', n);
            add_key(&m, keys[k - 1], text);
            bool fits = n <= k * (TOK_MAX_GROWTH / 3);
            CHECK(refused(&m, (uint32_t)(1024 * m.n_nodes), m.n_texts) ==
                  (fits ? MOTE_OK : MOTE_ERR_UNSUPPORTED));
        }
}
