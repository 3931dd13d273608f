/* The strict JSON reader of the command line: what it refuses, what it makes, how it uses
 * memory. */
#include "cli/json.h"
#include "tests/unit/test.h"

static uint64_t memory[8192];
static mote_error err;

static mote_status parse(mote_value *v, const char *text, size_t bytes)
{
    return cli_json_parse(v, text, bytes, memory, sizeof memory, &err);
}

static bool takes(const char *text)
{
    mote_value v;
    mote_status s = parse(&v, text, strlen(text));
    CHECK(!s || (s == MOTE_ERR_FILE && err.status == s && err.what &&
                 strncmp(err.name, "JSON, byte ", 11) == 0));
    return !s;
}

/* The value of a text that is a string, as "refused" if it is none. */
static mote_text string_of(const char *text)
{
    mote_value v;
    if (parse(&v, text, strlen(text)) || v.kind != MOTE_VALUE_STRING)
        return (mote_text){"refused", 7};
    return v.as.string;
}

static bool reads(const char *text, const char *want, size_t bytes)
{
    mote_text got = string_of(text);
    return got.bytes == bytes && memcmp(got.ptr, want, bytes) == 0;
}

TEST(cli_json_takes_what_the_rfc_takes)
{
    static const char *const good[] = {
        "0",        "-0",       "-0.5e+3", " [ ] ",
        "{}",       "\"\"",     "null",    "[1,[2],{}]",
        "1E5",      "1e-400",   "[[],[]]", "{\"\":1}",
        "\t\r\n1 ", "\"\x7f\"", "true",    "{\"a\":{\"a\":[true,false]}}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!CHECK(takes(good[i])))
            printf("    %s\n", good[i]);
}

static const char *const bad_texts[] = {"",
                                        " ",
                                        "01",
                                        "-",
                                        "+1",
                                        "1.",
                                        ".5",
                                        "1e",
                                        "1e+",
                                        "0x10",
                                        "NaN",
                                        "Infinity",
                                        "-Infinity",
                                        "1e999",
                                        "nul",
                                        "nullx",
                                        "True",
                                        "[",
                                        "]",
                                        "[1",
                                        "[1,",
                                        "[1,]",
                                        "[,1]",
                                        "[1 2]",
                                        "[1}",
                                        "{",
                                        "{\"a\"",
                                        "{\"a\":",
                                        "{\"a\":1",
                                        "{\"a\":1,",
                                        "{\"a\":1,}",
                                        "{a:1}",
                                        "{'a':1}",
                                        "{1:1}",
                                        "{\"a\" 1}",
                                        "{\"a\":1]",
                                        "1 2",
                                        "{} {}",
                                        "[] x",
                                        "\"",
                                        "\"a",
                                        "\"a\\",
                                        "\"a\\\"",
                                        "'a'",
                                        "\"\\x\"",
                                        "\"\\u12\"",
                                        "\"\\u12g4\"",
                                        "\"\\u\"",
                                        "\"a\nb\"",
                                        "\"\t\"",
                                        "// a\n1",
                                        "/**/1",
                                        "\xef\xbb\xbf 1",
                                        "\"\xff\"",
                                        "\"\xc0\x80\"",
                                        "\"\xed\xa0\x80\"",
                                        "\"\xf4\x90\x80\x80\"",
                                        "\"\xe2\x82\"",
                                        "\"\xf0\x9f\x98\"",
                                        "{\"a\":1,\"a\":2}",
                                        "{\"a\":1,\"b\":2,\"\\u0061\":3}",
                                        "\v1",
                                        "1\f"};

TEST(cli_json_refuses_the_rest)
{
    for (size_t i = 0; i < sizeof bad_texts / sizeof *bad_texts; i++)
        if (!CHECK(!takes(bad_texts[i])))
            printf("    %s\n", bad_texts[i]);
}

TEST(cli_json_reads_numbers)
{
    static const struct {
        const char *text;
        int64_t want;
    } whole[] = {{"0", 0},
                 {"-0", 0},
                 {"9223372036854775807", INT64_MAX},
                 {"-9223372036854775808", INT64_MIN},
                 {"2147483648", 2147483648}};
    static const struct {
        const char *text;
        double want;
    } real[] = {
        {"1.5", 1.5},   {"-0.0", -0.0},
        {"1e2", 100},   {"9223372036854775808", 9223372036854775808.0},
        {"1E-2", 0.01}, {"123456789012345678901234567890", 123456789012345678901234567890.0},
        {"0.1", 0.1}};
    mote_value v;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        REQUIRE(!parse(&v, whole[i].text, strlen(whole[i].text)));
        CHECK(v.kind == MOTE_VALUE_INT && v.as.integer == whole[i].want);
    }
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        REQUIRE(!parse(&v, real[i].text, strlen(real[i].text)));
        CHECK(v.kind == MOTE_VALUE_FLOAT && memcmp(&v.as.number, &real[i].want, 8) == 0);
    }
}

TEST(cli_json_reads_strings)
{
    CHECK(reads("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "a\"\\/\b\f\n\r\tz", 10));
    CHECK(reads("\"\\u0000x\\u0000\"", "\0x\0", 3));
    CHECK(reads("\"\\u00e9\\u20AC\"", "\xc3\xa9\xe2\x82\xac", 5));
    CHECK(reads("\"\\ud83d\\ude00\\uDBFF\\uDFFF\"", "\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf", 8));
    CHECK(reads("\"\xf0\x9f\x98\x80\"", "\xf0\x9f\x98\x80", 4));
}

TEST(cli_json_refuses_half_pairs)
{
    static const char *const bad[] = {
        "\"\\ud800\"",        "\"\\ude00\"",       "\"\\ud83dx\"",
        "\"\\ud83d\\ud83d\"", "\"\\ud83d\\n\"",    "\"\\ud83d\\u0041\"",
        "\"\\ude00\\ud83d\"", "\"\\ud83d\\ude0\"", "\"\\ud83d\\u\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!CHECK(!takes(bad[i])))
            printf("    %s\n", bad[i]);
}

TEST(cli_json_points_into_the_text)
{
    static const char text[] = "[\"plain\",\"esc\\n\"]";
    mote_value v;
    REQUIRE(!parse(&v, text, sizeof text - 1) && v.kind == MOTE_VALUE_LIST && v.as.list.n == 2);
    CHECK(v.as.list.items[0].as.string.ptr == text + 2 && v.as.list.items[0].untrusted);
    CHECK(v.as.list.items[1].as.string.bytes == 4);
}

TEST(cli_json_keeps_the_order)
{
    static const char text[] = "{\"b\":[1,{\"x\":null}],\"a\":\"y\",\"\\u0063\":{}}";
    static const char *const keys[] = {"b", "a", "c"};
    mote_value v;
    REQUIRE(!parse(&v, text, sizeof text - 1) && v.kind == MOTE_VALUE_DICT && v.as.dict.n == 3);
    const mote_member *m = v.as.dict.members;
    for (size_t i = 0; i < 3; i++)
        CHECK(m[i].key.bytes == 1 && m[i].key.ptr[0] == keys[i][0]);
    REQUIRE(m[0].value.kind == MOTE_VALUE_LIST && m[0].value.as.list.n == 2);
    CHECK(m[0].value.as.list.items[0].as.integer == 1);
    const mote_value *inner = &m[0].value.as.list.items[1];
    REQUIRE(inner->kind == MOTE_VALUE_DICT && inner->as.dict.n == 1);
    CHECK(inner->as.dict.members[0].value.kind == MOTE_VALUE_NONE);
    CHECK(m[1].value.kind == MOTE_VALUE_STRING && m[2].value.as.dict.n == 0);
}

TEST(cli_json_depth_is_64)
{
    char text[130];
    mote_value v;
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    CHECK(parse(&v, text, 130) == MOTE_ERR_FILE);
    CHECK(!parse(&v, text + 1, 128));
}

/* Any text of random pieces gives a value or a refusal, with every size of memory; 64 bytes and 64
 * for each byte of text are always enough. */
TEST(cli_json_lives_in_any_memory)
{
    static const char *const pieces[] = {"{",  "}",     "[",   "]",       ",",       ":",
                                         "\"", "\"a\"", "1",   "-2.5e1",  "\\u0041", "\"\\n\"",
                                         " ",  "true",  "\\u", "\"k\":0", "[1,2]",   "\xc3\xa9"};
    uint64_t seed = 7;
    for (size_t i = 0; i < 20000; i++) {
        char text[256];
        size_t n = 0, k = test_random(&seed) % 12;
        while (k--) {
            const char *p = pieces[test_random(&seed) % (sizeof pieces / sizeof *pieces)];
            memcpy(text + n, p, strlen(p));
            n += strlen(p);
        }
        mote_value v;
        mote_status s = parse(&v, text, n);
        size_t odd = test_random(&seed) % 8, bytes = test_random(&seed) % (64 * n + 64);
        REQUIRE(s == MOTE_OK || s == MOTE_ERR_FILE);
        mote_status less = cli_json_parse(&v, text, n, (char *)memory + odd, bytes, &err);
        REQUIRE(less == s || (less == MOTE_ERR_MEMORY && bytes < 64 * n + 64));
        REQUIRE(cli_json_parse(&v, text, n, (char *)memory + odd, 64 * n + 64, &err) == s);
    }
}

TEST(cli_json_large_objects)
{
    enum { N = 20000, CAP = N * 12 };
    char *text = malloc(CAP), *room = malloc((size_t)CAP * 64);
    size_t n = 1;
    mote_value v;
    REQUIRE(text && room);
    text[0] = '{';
    for (int i = 0; i < N; i++)
        n += (size_t)snprintf(text + n, CAP - n, "\"%d\":%d,", i * 7919 % N, i % 10);
    text[n - 1] = '}';
    CHECK(!cli_json_parse(&v, text, n, room, (size_t)CAP * 64, &err) && v.as.dict.n == N);
    text[2]++; /* "0" becomes "1", which is there too */
    CHECK(cli_json_parse(&v, text, n, room, (size_t)CAP * 64, &err) == MOTE_ERR_FILE);
    free(text);
    free(room);
}
