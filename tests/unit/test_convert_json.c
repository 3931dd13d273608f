/* The guard scan in front of cJSON: what it refuses, what it keeps. */
#include "tests/unit/test.h"
#include "tools/convert/json.h"

static bool takes(const char *text, size_t bytes)
{
    mote_convert_error err = {0};
    cJSON *root = json_parse("t.json", text, bytes, &err);
    cJSON_Delete(root);
    CHECK(root || (err.status == MOTE_ERR_FILE && strncmp(err.text, "t.json: ", 8) == 0));
    return root != NULL;
}

TEST(json_takes_what_the_rfc_takes)
{
    static const char *const good[] = {"0",
                                       "-0.5e+3",
                                       " [ ] ",
                                       "{}",
                                       "\"\"",
                                       "null",
                                       "[1,[2],{}]",
                                       "{\"a\":{\"b\":[true,false]}}",
                                       "\"\\ud83d\\ude00\"",
                                       "\"\\u00e9\\/\"",
                                       "1E5",
                                       "\"\xf0\x9f\x98\x80\"",
                                       "\t\r\n1\n"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!CHECK(takes(good[i], strlen(good[i]))))
            printf("    %s\n", good[i]);
}

TEST(json_refuses_the_rest)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "01",
                                      "1.",
                                      "+1",
                                      ".5",
                                      "1e",
                                      "0x10",
                                      "NaN",
                                      "Infinity",
                                      "-",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{\"a\" 1}",
                                      "[1 2]",
                                      "1 2",
                                      "{} {}",
                                      "[",
                                      "]",
                                      "{\"a\":}",
                                      "\"a",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\t\"",
                                      "\"\n\"",
                                      "\"\xff\"",
                                      "\"\xc0\x80\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "tru",
                                      "nulll",
                                      "{\"a\":1]",
                                      "[1}",
                                      "\xef\xbb\xbf{}",
                                      "\"\\",
                                      "\"\\u00",
                                      "{1:2}",
                                      "{,}",
                                      "[,]",
                                      "123456789012345678901234567890123",
                                      "'a'"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!CHECK(!takes(bad[i], strlen(bad[i]))))
            printf("    %s\n", bad[i]);
    CHECK(!takes("1\0", 2));
    CHECK(!takes("\"a\0b\"", 5));
}

TEST(json_limits_depth)
{
    char text[131];
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    CHECK(!takes(text, 130));
    CHECK(takes(text + 1, 128));
    char *deep = malloc(200000);
    REQUIRE(deep != NULL);
    memset(deep, '[', 200000);
    CHECK(!takes(deep, 200000));
    free(deep);
}

TEST(json_keeps_zero_bytes_of_strings)
{
    mote_convert_error err;
    static const char text[] = "{\"a\\u0000b\":\"\\u0000x\\u0000\"}";
    char out[8];
    cJSON *root = json_parse("t", text, sizeof text - 1, &err);
    REQUIRE(root != NULL);
    CHECK(json_unescape_nul(out, root->child->string) == 3 && memcmp(out, "a\0b", 3) == 0);
    CHECK(json_unescape_nul(out, root->child->valuestring) == 3 && memcmp(out, "\0x\0", 3) == 0);
    cJSON_Delete(root);
}

TEST(json_finds_keys_and_twins)
{
    mote_convert_error err;
    static const char text[] = "{\"A\":1,\"a\":[{\"v\":{\"x\":1,\"x\":2}}],\"z\":null}";
    const char *key = "";
    cJSON *root = json_parse("t", text, sizeof text - 1, &err);
    REQUIRE(root != NULL);
    CHECK(json_get(root, "a") == root->child->next && !json_get(root, "Z") && !json_get(NULL, "a"));
    CHECK(!json_keys_unique(root, NULL, &key) && strcmp(key, "x") == 0);
    const cJSON *vocabulary = json_get(json_get(root, "a")->child, "v");
    CHECK(json_keys_unique(root, vocabulary, &key) && key == NULL);
    cJSON_Delete(root);
}

TEST(json_reads_whole_numbers)
{
    mote_convert_error err;
    static const char text[] = "[32,32.0,3.2e1,-1,0.5,\"32\",9007199254740992,1e300,1e999]";
    static const bool whole[] = {true, true, true, false, false, false, true, false, false};
    uint64_t n = 0;
    size_t i = 0;
    cJSON *root = json_parse("t", text, sizeof text - 1, &err);
    REQUIRE(root != NULL);
    for (const cJSON *c = root->child; c; c = c->next, i++)
        CHECK(json_integer(c, 0, UINT64_C(1) << 53, &n) == whole[i]);
    CHECK(json_integer(root->child, 32, 32, &n) && n == 32);
    CHECK(!json_integer(root->child, 33, 40, &n) && !json_integer(root->child, 0, 31, &n));
    cJSON_Delete(root);
}

TEST(json_failure_texts_are_one_printable_line)
{
    mote_convert_error err;
    char name[2000];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    convert_fail(&err, MOTE_ERR_IO, "%s: too long", name);
    CHECK(err.status == MOTE_ERR_IO && strlen(err.text) < sizeof err.text);
    convert_fail(&err, MOTE_ERR_FILE, "a\x1b]8;;\n\xc2\x9b\xff\xe2\x80\xaez\xc3\xa9");
    CHECK(strcmp(err.text, "a\\x1b]8;;\\x0a\\xc2\\x9b\\xff\\xe2\\x80\\xaez\xc3\xa9") == 0);
}
