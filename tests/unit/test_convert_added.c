/* test_convert_added.c: added tokens that stand alone, take blanks, or are found in normalised
 * text: ids as the Hugging Face library (0.23.3) has them, for one tokenizer of letters (NFC).
 * And what has no entry. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/test_convert_small.h"
#include "tests/unit/test.h"

static const char json[] =
    "{\"version\":\"1.0\",\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":null,\"post_"
    "processor\":null,\"decoder\":null,\"added_tokens\":[{\"id\":21,\"content\":\"ab\",\"s"
    "ingle_word\":true,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":"
    "false},{\"id\":22,\"content\":\"<l>\",\"single_word\":false,\"lstrip\":true,\"rstrip\""
    ":false,\"normalized\":false,\"special\":false},{\"id\":23,\"content\":\"<r>\",\"singl"
    "e_word\":false,\"lstrip\":false,\"rstrip\":true,\"normalized\":false,\"special\":true"
    "},{\"id\":24,\"content\":\"<w>\",\"single_word\":false,\"lstrip\":true,\"rstrip\":tru"
    "e,\"normalized\":false,\"special\":false},{\"id\":25,\"content\":\"\\u00e9a\",\"singl"
    "e_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":true,\"special\":fals"
    "e},{\"id\":26,\"content\":\"<n>\",\"single_word\":true,\"lstrip\":false,\"rstrip\":fa"
    "lse,\"normalized\":true,\"special\":false},{\"id\":27,\"content\":\"<<\",\"single_wor"
    "d\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":false}],"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"<\":2,\">\":3,\"l\":4,\"r\":"
    "5,\"n\":6,\"w\":7,\"_\":8,\"-\":9,\"1\":10,\" \":11,\"\\n\":12,\"\\u00e9\":13,\"e\":1"
    "4,\"\\u0301\":15,\"\\u200d\":16,\"\\u4e2d\":17,\"\\t\":18,\"\\u0660\":19,\"\\u2028\":"
    "20},\"merges\":[]}}";

static const struct {
    const char *text, *ids;
} rows[] = {
    {"ab", "21"},
    {"aab", "0 0 1"},
    {"abb", "0 1 1"},
    {"_ab", "8 0 1"},
    {"ab_", "0 1 8"},
    {"1ab", "10 0 1"},
    {"ab1", "0 1 10"},
    {"-ab-", "9 21 9"},
    {"\xe4\xb8\xad"
     "ab",
     "17 0 1"},
    {"ab\xe4\xb8\xad", "0 1 17"},
    {"ab\xcc\x81", "0 1 15"},
    {"\xcc\x81"
     "ab",
     "15 0 1"},
    {"\xe2\x80\x8d"
     "ab",
     "16 0 1"},
    {"ab\xe2\x80\x8d", "0 1 16"},
    {"\xd9\xa0"
     "ab",
     "19 0 1"},
    {" ab ", "11 21 11"},
    {"ab ab", "21 11 21"},
    {"abab", "0 1 0 1"},
    {"<l>", "22"},
    {" <l>", "22"},
    {"  <l> ", "22 11"},
    {"<r> ", "23"},
    {"<r>  a", "23 0"},
    {" <r>", "11 23"},
    {"<w>", "24"},
    {" \t<w>\n a", "24 0"},
    {"<w> <w>", "24 24"},
    {"<r> <l>", "23 22"},
    {"a <r> <w> b", "0 11 23 24 1"},
    {"<l> <l>", "22 22"},
    {"\xc3\xa9"
     "a",
     "25"},
    {"e\xcc\x81"
     "a",
     "25"},
    {"ee\xcc\x81"
     "aa",
     "14 25 0"},
    {"\xc3\xa9"
     "e\xcc\x81"
     "a",
     "13 25"},
    {"<n>", "26"},
    {"a<n>", "0 2 6 3"},
    {"<n>a", "2 6 3 0"},
    {"-<n>-", "9 26 9"},
    {"<<", "27"},
    {"<<l>", "27 4 3"},
    {"<<<l>", "27 22"},
    {"\xe2\x80\xa8<l>", "22"},
    {"<r>\xe2\x80\xa8"
     "a",
     "23 0"},
    {"<n>e\xcc\x81"
     "a<n>",
     "2 6 3 25 2 6 3"},
    {"ab<r>ab", "21 23 21"},
    {"ab<l>", "21 22"},
    {"<l>ab", "22 21"},
    {"e\xcc\x81<l>", "13 22"},
    {"<l>\xcc\x81", "22 15"},
    {"<\n\xe2\x80\xa8\xe4\xb8\xad-ab", "2 12 20 17 9 21"},
    {"b<<\xe4\xb8\xad<l>e\xcc\x81"
     "a<w>\n_",
     "1 27 17 22 25 24 8"},
    {"<<\t1<w>\xcc\x81<<ab<n>", "27 18 10 24 15 27 21 26"},
    {"<e\xcc\x81"
     "a\te\xcc\x81"
     "a<r>",
     "2 25 18 25 23"},
    {"\xe2\x80\x8d\xe2\x80\x8d"
     "b",
     "16 16 1"},
    {"\xc3\xa9"
     "aabab",
     "25 0 1 0 1"},
    {"<n>e\xcc\x81"
     "ae\xcc\x81"
     "a",
     "2 6 3 25 25"},
    {"  <n>1\xd9\xa0", "11 11 2 6 3 10 19"},
    {"<n>e\xcc\x81"
     "a\xe2\x80\xa8<n>\t ab",
     "2 6 3 25 20 26 18 11 21"},
    {"ae\xcc\x81"
     "a\xc3\xa9"
     "a<",
     "0 25 25 2"},
    {"   ", "11 11 11"},
    {"\xe2\x80\x8d\xcc\x81"
     "ab\xe2\x80\x8d\xd9\xa0\xe2\x80\xa8  <r>",
     "16 15 0 1 16 19 20 11 11 23"},
    {"\n _\xe2\x80\xa8", "12 11 8 20"},
    {"e\xcc\x81"
     "a__\xe2\x80\xa8",
     "25 8 8 20"},
    {"<l><ab", "22 2 21"},
    {"\n\tab1a\n\t", "12 18 0 1 10 0 12 18"},
    {"abb<l>\xe2\x80\xa8"
     "e\xcc\x81"
     "a\xe2\x80\x8d",
     "0 1 1 22 20 25 16"},
    {"<w><<b", "24 27 1"},
    {"-\n-<", "9 12 9 2"},
    {"b<w>\xcc\x81\n <l>a<r>", "1 24 15 22 0 23"},
    {"  -\xe2\x80\x8d", "11 11 9 16"},
    {"\xc3\xa9"
     "a  <\xe2\x80\xa8",
     "25 11 11 2 20"},
    {"<r> \xd9\xa0   e\xcc\x81"
     "a",
     "23 19 11 11 11 25"},
    {"<r>\xe4\xb8\xad\xc3\xa9"
     "a\xe2\x80\xa8 _e\xcc\x81"
     "a<l>",
     "23 17 25 20 11 8 25 22"},
    {"\xe2\x80\x8d"
     "1",
     "16 10"},
    {"<l><<\xe2\x80\x8d\n<", "22 27 16 12 2"},
    {"\xe4\xb8\xad"
     "a\xc3\xa9"
     "a<l>\xe4\xb8\xad",
     "17 0 25 22 17"},
    {"_  ", "8 11 11"},
    {"<n>\xc3\xa9"
     "a\xcc\x81\xc3\xa9"
     "a\xe4\xb8\xad"
     "a<w>e\xcc\x81"
     "a",
     "2 6 3 13 25 17 0 24 25"},
    {"\n\xc3\xa9"
     "a<l>a ",
     "12 25 22 0 11"},
    {"b\xe2\x80\x8d"
     "e\xcc\x81"
     "a",
     "1 16 25"},
    {"b_\xe2\x80\xa8  _<", "1 8 20 11 11 8 2"},
    {"_\t\xc3\xa9"
     "a<w>",
     "8 18 25 24"},
    {"1e\xcc\x81"
     "a\xe4\xb8\xad_  ",
     "10 25 17 8 11 11"},
    {"<r>_<", "23 8 2"},
    {"1-\n<r>\n\xe2\x80\xa8", "10 9 12 23"},
    {"\xd9\xa0<l> \n1\xe2\x80\xa8", "19 22 11 12 10 20"},
    {"<_<\xe2\x80\xa8\xe2\x80\xa8   ", "2 8 2 20 20 11 11 11"},
    {"e\xcc\x81"
     "a\xcc\x81"
     "ab_1<  ",
     "13 0 1 8 10 2 11 11"},
    {"<b -\xe4\xb8\xad\xd9\xa0\n", "2 1 11 9 17 19 12"},
    {"<\xe4\xb8\xad\na", "2 17 12 0"},
    {"e\xcc\x81"
     "a\xe2\x80\xa8"
     "b\n",
     "25 20 1 12"},
    {"-\xc3\xa9"
     "a-e\xcc\x81"
     "a",
     "9 25 9 25"},
    {"\n_ ", "12 8 11"},
    {"<r>\xd9\xa0"
     "ae\xcc\x81"
     "a\xe2\x80\x8d\xcc\x81-",
     "23 19 0 25 16 15 9"},
    {"a \xe2\x80\x8d"
     "1\xe4\xb8\xad<ab",
     "0 11 16 10 17 2 21"},
    {"e\xcc\x81"
     "a\xcc\x81"
     "b",
     "13 1"},
    {"\xe4\xb8\xad"
     "e\xcc\x81"
     "a<<\xd9\xa0"
     "e\xcc\x81"
     "a\xe4\xb8\xad",
     "17 25 27 19 25 17"},
    {"<l>_<<e\xcc\x81"
     "a<l>\xc3\xa9"
     "a<w>",
     "22 8 27 25 22 25 24"},
    {"e\xcc\x81"
     "a_<n>1",
     "25 8 2 6 3 10"},
    {"\t\xd9\xa0\xe2\x80\x8d<r>", "18 19 16 23"},
    {"<n><<\xe2\x80\xa8\nab\n", "26 27 20 12 21 12"},
    {"<a<w>\xe2\x80\xa8"
     "1",
     "2 0 24 10"},
    {"<l>1\xe2\x80\x8d ", "22 10 16 11"},
    {" 1", "11 10"},
    {"  \xcc\x81 \n\xc3\xa9"
     "aa",
     "11 11 15 11 12 25 0"},
    {"\xcc\x81\xe4\xb8\xad"
     "1\nb",
     "15 17 10 12 1"},
    {"e\xcc\x81"
     "a\xe2\x80\x8d\t",
     "25 16 18"},
    {"_<n>\xc3\xa9"
     "a\xe2\x80\x8d<r>\n",
     "8 2 6 3 25 16 23"},
    {"\xd9\xa0"
     "ab\t<w>  \xcc\x81\xe2\x80\x8d"
     "1",
     "19 0 1 24 15 16 10"},
    {"  \xe4\xb8\xad\xcc\x81", "11 11 17 15"},
    {"aa<<_ ", "0 0 27 8 11"},
    {"\xe2\x80\xa8\t\te\xcc\x81"
     "a\xe2\x80\x8d",
     "20 18 18 25 16"},
    {"< _<aab", "2 11 8 2 0 0 1"},
    {" _ \xc3\xa9"
     "a",
     "11 8 11 25"},
    {"ab<w>\xd9\xa0\xe2\x80\x8d"
     "b",
     "21 24 19 16 1"},
    {" <l>\xc3\xa9"
     "a",
     "22 25"},
    {"\tab_11<<<_", "18 0 1 8 10 10 27 2 8"},
    {"<l><<_<\xc3\xa9"
     "a  _",
     "22 27 8 2 25 11 11 8"},
};

static bool gives(const mote_tokenizer *t, const char *text, const char *want)
{
    int32_t ids[100];
    char got[600] = "";
    mote_error err;
    size_t n = 0, need = mote_encode_scratch_bytes(t, strlen(text));
    void *scratch = malloc(need);
    bool ok = !mote_encode(t, text, strlen(text), 0, NULL, 0, ids, 100, &n, scratch, need, &err);
    free(scratch);
    for (size_t i = 0, at = 0; ok && i < n; i++)
        at += (size_t)snprintf(got + at, sizeof got - at, i ? " %d" : "%d", (int)ids[i]);
    if (strcmp(got, want) != 0)
        printf("  %s: %s, not %s\n", text, got, want);
    return ok && !strcmp(got, want);
}

TEST(added_tokens_are_found_as_the_reference_finds_them)
{
    small s;
    REQUIRE(small_open(&s, json));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK(gives(s.t, rows[i].text, rows[i].ids));
    free(s.data);
}

/* Unknown characters first, last and between; a row of them is one token. */
TEST(unknown_characters_of_unigram_models)
{
    small s;
    REQUIRE(small_open(&s, "{\"normalizer\":null,\"pre_tokenizer\":null,\"post_processor\":null,"
                           "\"decoder\":null,\"added_tokens\":[],\"model\":{\"type\":\"Unigram\","
                           "\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",-1],[\"ab\",-1.5],"
                           "[\"b\",-3]]}}"));
    CHECK(gives(s.t, "x", "0") && gives(s.t, "xa", "0 1") && gives(s.t, "ax", "1 0"));
    CHECK(gives(s.t, "xyab\xe4\xb8\xad", "0 2 0") && gives(s.t, "\xe4\xb8\xad", "0"));
    CHECK(gives(s.t, "axyb", "1 0 3") && gives(s.t, "aab", "1 2") && gives(s.t, "", ""));
    free(s.data);
}

TEST(models_without_merges_have_their_characters)
{
    small s;
    REQUIRE(small_open(&s, "{\"normalizer\":null,\"pre_tokenizer\":null,\"post_processor\":null,"
                           "\"decoder\":null,\"added_tokens\":[],\"model\":{\"type\":\"BPE\","
                           "\"vocab\":{\"a\":0},\"merges\":[]}}"));
    CHECK(gives(s.t, "aa", "0 0") && gives(s.t, "a", "0"));
    free(s.data);
}
