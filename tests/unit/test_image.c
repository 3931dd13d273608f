/* test_image.c: the loader takes what is right and refuses everything else, reading nothing
 * outside. */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/mote_host.h"
#include "loader/checked.h"
#include "loader/image.h"
#include "tests/unit/test.h"
#include "tests/unit/tiny.h"

typedef struct image_file {
    uint8_t *bytes;
    size_t n_bytes;
} image_file;

static image_file make(const tiny_opts *o)
{
    image_file f;
    f.bytes = tiny_image(o, &f.n_bytes);
    return f;
}

TEST(crc32c_knows_its_check_value)
{
    static char text[60000]; /* several rounds of the pieces that are taken together */
    uint64_t seed = 3;
    CHECK(mote_crc32c(0, "123456789", 9) == 0xe3069283u);
    CHECK(mote_crc32c(0, "", 0) == 0);
    memset(text, 0, 32);
    CHECK(mote_crc32c(0, text, 32) == 0x8a9136aau);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)test_random(&seed);
    uint32_t whole = mote_crc32c(0, text, sizeof text), parts = 0;
    CHECK(whole == mote_crc32c(mote_crc32c(0, text, 12345), text + 12345, sizeof text - 12345));
    for (size_t i = 0, n; i < sizeof text; i += n) {
        n = i % 97 < sizeof text - i ? i % 97 + 1 : sizeof text - i;
        n = n < sizeof text - i ? n : sizeof text - i;
        parts = mote_crc32c(parts, text + i, n);
    }
    CHECK(whole == parts);
}

TEST(checked_arithmetic_notices_every_wrap)
{
    mote_checked big = mote_checked_of(UINT64_MAX);
    CHECK(mote_checked_is(big, UINT64_MAX));
    CHECK(mote_checked_add(big, 1).overflow);
    CHECK(!mote_checked_add(big, 0).overflow);
    CHECK(mote_checked_mul(mote_checked_of((uint64_t)1 << 32), (uint64_t)1 << 32).overflow);
    CHECK(!mote_checked_mul(big, 0).overflow);
    CHECK(mote_checked_round_up(big, 64).overflow);
    CHECK(mote_checked_round_up(mote_checked_of(65), 64).value == 128);
    CHECK(mote_checked_add(mote_checked_mul(big, 2), 1).overflow);
    CHECK(!mote_checked_within(mote_checked_add(big, 1), UINT64_MAX));
}

TEST(utf8_is_checked_strictly)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"abc", true},
        {"\xc3\xa9", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x98\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\xc0\x80", false},
        {"\xc1\xbf", false},
        {"\xe0\x9f\xbf", false},
        {"\xed\xa0\x80", false},
        {"\xf4\x90\x80\x80", false},
        {"\xf5\x80\x80\x80", false},
        {"\x80", false},
        {"\xe2\x82", false},
        {"\xf0\x9f\x98", false},
        {"a\xff", false},
        {"\xe2\x82"
         "a",
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK(mote_utf8_valid(cases[i].text, strlen(cases[i].text)) == cases[i].valid);
}

/* By arithmetic: the number that the bytes say, as long as it must be, and no surrogate. */
static bool is_character(const uint8_t *p, size_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t want = p[0] < 0x80       ? 1
                  : p[0] >> 5 == 6  ? 2
                  : p[0] >> 4 == 14 ? 3
                  : p[0] >> 3 == 30 ? 4
                                    : 0;
    uint32_t c = want > 1 ? p[0] & (0x7fu >> want) : p[0];
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return false;
        c = c << 6 | (p[i] & 0x3f);
    }
    return want == n && c >= least[n] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

TEST(utf8_of_every_first_byte_is_checked_at_the_bounds_of_the_others)
{
    static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x81, 0x8f, 0x90,
                                    0x9f, 0xa0, 0xbe, 0xbf, 0xc0, 0xff};
    enum { N = sizeof edges };
    for (unsigned first = 0; first < 256; first++)
        for (size_t i = 0; i < N * N * N; i++) {
            uint8_t p[] = {(uint8_t)first, edges[i / N / N], edges[i / N % N], edges[i % N]};
            for (size_t n = first < 0x80 ? 1 : 2; n <= (first < 0x80 ? 1 : 4); n++) {
                bool one = is_character(p, n), apart = false;
                for (size_t k = 2; k < n; k++) /* a shorter one, and ASCII */
                    apart |= is_character(p, k) && p[n - 1] < 0x80 && (k == n - 1 || p[k] < 0x80);
                CHECK(mote_utf8_valid((const char *)p, n) == (one || apart));
            }
        }
}

TEST(image_of_every_type_opens_and_verifies)
{
    for (int type = 0; type < MOTE_TYPES; type++) {
        tiny_opts o = tiny_defaults();
        o.type = (enum mote_type)type;
        o.untied = type % 2;
        o.qk_norm = type == 3 ? MOTE_QK_NORM_HEAD : MOTE_QK_NORM_NONE;
        o.biases = type == 2 ? MOTE_BIAS_ALL : 0;
        o.ff = 72; /* not a multiple of 32 */
        image_file t = make(&o);
        mote_image image;
        mote_error err;
        CHECK(mote_image_open(&image, t.bytes, t.n_bytes, &err) == MOTE_OK);
        CHECK(mote_image_verify_header(&image, &err) == MOTE_OK);
        for (uint32_t i = 0; i < image.index->n_tensors; i++)
            CHECK(mote_image_verify_tensor(&image, i, &err) == MOTE_OK);
        const int32_t *ends;
        CHECK(mote_end_ids(&image, &ends) == 1 && ends[0] == 2);
        mote_text name = mote_image_text(&image, MOTE_IMAGE_NAME);
        CHECK(name.bytes == 4 && memcmp(name.ptr, "tiny", 4) == 0);
        CHECK(mote_chat_template(&image).bytes == 0);
        free(t.bytes);
    }
}

TEST(canonical_json_is_a_safetensors_header)
{
    tiny_opts o = tiny_defaults();
    o.n_layers = 1;
    image_file t = make(&o);
    const char *json = (const char *)t.bytes + 8;
    static const char start[] = "{\"__metadata__\":{\"format\":\"mote\",\"version\":\"1\",\"name\":"
                                "\"tiny\",\"family\":\"test\"},\"__mote__\":{\"dtype\":\"U8\","
                                "\"shape\":[";
    CHECK(memcmp(json, start, sizeof start - 1) == 0);
    CHECK(strstr(json, "\"embed\":{\"dtype\":\"F32\",\"shape\":[5,64,16],\"data_offsets\":[") !=
          NULL);
    CHECK(strstr(json, "\"layers.0.attn_norm\":{\"dtype\":\"F32\",\"shape\":[64],") != NULL);
    CHECK(mote_index_json(tiny_index(t.bytes), NULL, 0) <= tiny_index(t.bytes)->json_bytes);
    free(t.bytes);
}

/* One field spoilt, the checksum right again. */
typedef struct damage {
    const char *name;
    size_t at, bytes; /* in the index or the record */
    uint64_t value;
    mote_status wanted;
} damage;

#define FIELD(type, field, value, wanted)                                                          \
    {                                                                                              \
#type "." #field "=" #value, offsetof(type, field), sizeof((type *)0)->field, value,       \
            MOTE_ERR_##wanted                                                                      \
    }

static void try_damage(const image_file *good, const damage *d, size_t record_at)
{
    image_file bad = {aligned_alloc(64, mote_round_up(good->n_bytes, 64)), good->n_bytes};
    mote_image image;
    mote_error err = {0};
    memcpy(bad.bytes, good->bytes, good->n_bytes);
    memcpy((uint8_t *)tiny_index(bad.bytes) + record_at + d->at, &d->value, d->bytes);
    if (tiny_index(bad.bytes)->index_bytes == tiny_index(good->bytes)->index_bytes)
        tiny_reseal(bad.bytes);
    mote_status s = mote_image_open(&image, bad.bytes, bad.n_bytes, &err);
    if (s != d->wanted || err.status != s || !err.what || image.base)
        printf("  %s: got %d (%s)\n", d->name, s, err.what ? err.what : "");
    CHECK(s == d->wanted && err.status == s && err.what && !image.base);
    free(bad.bytes);
}

TEST(image_refuses_every_bad_field_of_the_index)
{
    static const damage cases[] = {
        FIELD(mote_index, magic, 0, FILE),
        FIELD(mote_index, version, 0, UNSUPPORTED),
        FIELD(mote_index, version, 2, UNSUPPORTED),
        FIELD(mote_index, version, 0x01000000, UNSUPPORTED),
        FIELD(mote_index, json_bytes, 0, FILE),
        FIELD(mote_index, json_bytes, UINT64_MAX, FILE),
        FIELD(mote_index, file_bytes, 0, FILE),
        FIELD(mote_index, file_bytes, UINT64_MAX, FILE),
        FIELD(mote_index, index_bytes, 0, FILE),
        FIELD(mote_index, index_bytes, 64, FILE),
        FIELD(mote_index, index_bytes, UINT32_MAX, FILE),
        FIELD(mote_index, n_layers, 1, FILE),
        FIELD(mote_index, n_layers, 3, FILE),
        FIELD(mote_index, n_layers, UINT32_MAX, FILE),
        FIELD(mote_index, n_tensors, 0, FILE),
        FIELD(mote_index, n_tensors, 1000, FILE),
        FIELD(mote_index, n_tensors, UINT32_MAX, FILE),
        FIELD(mote_index, strings_at, 0, FILE),
        FIELD(mote_index, strings_at, UINT32_MAX, FILE),
        FIELD(mote_index, strings_bytes, 1000000, FILE),
        FIELD(mote_index, strings_bytes, UINT32_MAX, FILE),
        FIELD(mote_index, flags, 1, UNSUPPORTED),
        FIELD(mote_index, n_vocab, UINT32_MAX, FILE),
        FIELD(mote_index, n_vocab, 2, FILE), /* the end token 2 */
        FIELD(mote_index, final_norm_eps, 0x7fc00000, FILE),
        FIELD(mote_index, embed_scale, 0x7f800000, FILE),
        FIELD(mote_index, logit_scale, 0xff800000, FILE),
        FIELD(mote_index, logit_softcap, 0x7f800001, FILE),
        FIELD(mote_index, n_end_ids, 17, FILE),
        FIELD(mote_index, n_end_ids, UINT32_MAX, FILE),
        FIELD(mote_index, end_ids, 80, FILE),
        FIELD(mote_index, end_ids, 0xffffffff, FILE),
        FIELD(mote_index, bos_id, 80, FILE),
        FIELD(mote_index, bos_id, 0xfffffffe, FILE),
        FIELD(mote_index, strings[0].at, 9, FILE),
        FIELD(mote_index, strings[0].bytes, 9, FILE),
        FIELD(mote_index, strings[15].bytes, UINT32_MAX, FILE),
        FIELD(mote_index, reserved[0], 1, FILE),
        FIELD(mote_index, reserved[183], 1, FILE),
    };
    tiny_opts o = tiny_defaults();
    image_file t = make(&o);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        damage d = cases[i];
        d.bytes = d.bytes > 8 ? 4 : d.bytes; /* the first of end_ids, half the magic */
        try_damage(&t, &d, 0);
    }
    free(t.bytes);
}

TEST(image_refuses_every_bad_field_of_a_record)
{
    static const damage layer[] = {
        FIELD(mote_layer, reserved[0], 1, FILE),
        FIELD(mote_layer, rope_scale, 0x7fc00000, FILE),
        FIELD(mote_layer, attn_scale, 0x7f800000, FILE),
        FIELD(mote_layer, attn_softcap, 0x7f800000, FILE),
        FIELD(mote_layer, norm_eps, 0x7fc00000, FILE),
    };
    static const damage tensor[] = {
        FIELD(mote_tensor, place, 3, FILE),
        FIELD(mote_tensor, place, UINT32_MAX, FILE),
        FIELD(mote_tensor, kind, 0, UNSUPPORTED),
        FIELD(mote_tensor, kind, 63, UNSUPPORTED),
        FIELD(mote_tensor, kind, 64, UNSUPPORTED),
        FIELD(mote_tensor, kind, UINT32_MAX, UNSUPPORTED),
        FIELD(mote_tensor, kind, MOTE_W_FINAL_NORM, FILE), /* twice */
        FIELD(mote_tensor, kind, MOTE_W_ROPE, FILE),       /* order */
        FIELD(mote_tensor, shape, 3, UNSUPPORTED),
        FIELD(mote_tensor, shape, MOTE_SHAPE_BYTES, FILE),
        FIELD(mote_tensor, shape, MOTE_SHAPE_VECTOR, FILE),
        FIELD(mote_tensor, type, 7, UNSUPPORTED),
        FIELD(mote_tensor, n_mats, 0, FILE),
        FIELD(mote_tensor, n_mats, UINT32_MAX, FILE),
        FIELD(mote_tensor, rows, 0, FILE),
        FIELD(mote_tensor, rows, UINT64_MAX, FILE),
        FIELD(mote_tensor, rows, (uint64_t)1 << 32, FILE),
        FIELD(mote_tensor, k, 0, FILE),
        FIELD(mote_tensor, k, UINT64_MAX, FILE),
        FIELD(mote_tensor, offset, 0, FILE),
        FIELD(mote_tensor, offset, UINT64_MAX, FILE),
        FIELD(mote_tensor, offset, 1, FILE),
        FIELD(mote_tensor, bytes, 0, FILE),
        FIELD(mote_tensor, bytes, 64, FILE),
        FIELD(mote_tensor, bytes, (uint64_t)1 << 63, FILE),
        FIELD(mote_tensor, bytes, UINT64_MAX - 63, FILE),
        FIELD(mote_tensor, reserved, 1, FILE),
    };
    tiny_opts o = tiny_defaults();
    image_file t = make(&o);
    for (size_t i = 0; i < sizeof layer / sizeof *layer; i++)
        try_damage(&t, &layer[i], sizeof(mote_index) + sizeof(mote_layer));
    size_t first = sizeof(mote_index) + 2 * sizeof(mote_layer);
    for (size_t i = 0; i < sizeof tensor / sizeof *tensor; i++)
        try_damage(&t, &tensor[i], first);
    free(t.bytes);
}

TEST(image_refuses_fields_of_a_matrix_in_a_vector)
{
    static const damage vector[] = {
        FIELD(mote_tensor, type, 1, FILE),   FIELD(mote_tensor, group, 32, FILE),
        FIELD(mote_tensor, n_mats, 0, FILE), FIELD(mote_tensor, n_mats, 2, FILE),
        FIELD(mote_tensor, k, 0, FILE),      FIELD(mote_tensor, k, 2, FILE),
        FIELD(mote_tensor, rows, 0, FILE),
    };
    tiny_opts o = tiny_defaults();
    image_file t = make(&o);
    uint32_t at = 0;
    while (tiny_tensor(t.bytes, at)->shape != MOTE_SHAPE_VECTOR)
        at++;
    size_t first = sizeof(mote_index) + 2 * sizeof(mote_layer);
    for (size_t i = 0; i < sizeof vector / sizeof *vector; i++)
        try_damage(&t, &vector[i], first + at * sizeof(mote_tensor));
    free(t.bytes);
}

/* A copy of n bytes that ends where readable memory ends. */
static uint8_t *at_guard_page(const uint8_t *bytes, size_t n, void **map, size_t *map_bytes)
{
    size_t room = mote_round_up(n + 64, 4096);
    *map_bytes = room + 4096;
    *map = mmap(NULL, *map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*map == MAP_FAILED)
        abort();
    mprotect((uint8_t *)*map + room, 4096, PROT_NONE);
    /* aligned to 64: at most 63 bytes of slack */
    uint8_t *at = (uint8_t *)*map + (room - n) / 64 * 64;
    memcpy(at, bytes, n);
    return at;
}

TEST(image_cut_anywhere_is_refused)
{
    tiny_opts o = tiny_defaults();
    o.n_layers = 1;
    image_file t = make(&o);
    size_t header = 8 + tiny_index(t.bytes)->json_bytes + tiny_index(t.bytes)->index_bytes;
    for (size_t n = 0; n < t.n_bytes; n += n < header + 64 ? 1 : 997) {
        void *map;
        size_t map_bytes;
        mote_image image;
        mote_error err = {0};
        uint8_t *cut = at_guard_page(t.bytes, n, &map, &map_bytes);
        if (!CHECK(mote_image_open(&image, cut, n, &err) == MOTE_ERR_FILE))
            printf("  cut at %zu\n", n);
        munmap(map, map_bytes);
    }
    free(t.bytes);
}

TEST(image_with_one_wrong_bit_in_the_header_is_refused)
{
    tiny_opts o = tiny_defaults();
    o.n_layers = 1;
    image_file t = make(&o);
    size_t json = tiny_index(t.bytes)->json_bytes, index = tiny_index(t.bytes)->index_bytes;
    mote_image image;
    for (size_t i = 0; i < (8 + json + index) * 8; i++) {
        if (i >= 64 && i < 72) /* '{': looked at */
            continue;
        t.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        bool opened = mote_image_open(&image, t.bytes, t.n_bytes, NULL) == MOTE_OK;
        bool in_json = i >= 72 && i < (8 + json) * 8; /* not read when loading */
        CHECK(opened == in_json);
        if (in_json)
            CHECK(mote_image_verify_header(&image, NULL) == MOTE_ERR_FILE);
        t.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    free(t.bytes);
}

TEST(verify_finds_wrong_bits_and_numbers_that_are_not_finite)
{
    for (int type = 0; type < MOTE_TYPES; type++) {
        tiny_opts o = tiny_defaults();
        o.type = (enum mote_type)type;
        image_file t = make(&o);
        mote_tensor *embed = tiny_tensor(t.bytes, 0);
        mote_image image;
        mote_error err;
        REQUIRE(mote_image_open(&image, t.bytes, t.n_bytes, &err) == MOTE_OK);
        uint8_t *data = (uint8_t *)(uintptr_t)image.data + embed->offset;
        data[embed->bytes / 2] ^= 4;
        CHECK(mote_image_verify_tensor(&image, 0, &err) == MOTE_ERR_FILE);
        CHECK(strcmp(err.name, "embed") == 0 && strcmp(err.what, "checksum") == 0);
        data[embed->bytes / 2] ^= 4;
        /* the first number of the second tile: a value or a scale */
        uint8_t *number = data + embed->bytes / 5;
        memset(number, 0xff, type == MOTE_F32 || type == MOTE_Q4 ? 4 : 2);
        embed->crc = mote_crc32c(0, data, embed->bytes);
        tiny_reseal(t.bytes);
        CHECK(mote_image_verify_tensor(&image, 0, &err) == MOTE_ERR_FILE);
        CHECK(strcmp(err.what, "a number is not finite") == 0);
        free(t.bytes);
    }
}

TEST(image_must_be_aligned)
{
    tiny_opts o = tiny_defaults();
    image_file t = make(&o);
    uint8_t *moved = aligned_alloc(64, mote_round_up(t.n_bytes + 64, 64));
    mote_image image;
    memcpy(moved + 8, t.bytes, t.n_bytes);
    CHECK(mote_image_open(&image, moved + 8, t.n_bytes, NULL) == MOTE_ERR_MEMORY);
    free(moved);
    free(t.bytes);
}

TEST(files_that_are_no_files_are_refused_at_once)
{
    char path[256];
    mote_file f;
    mote_error err;
    CHECK(mote_file_map(&f, test_folder(), &err) == MOTE_ERR_IO && !f.base);
    CHECK(mote_file_map(&f, "/dev/zero", &err) == MOTE_ERR_IO);
    snprintf(path, sizeof path, "%s/missing", test_folder());
    CHECK(mote_file_map(&f, path, &err) == MOTE_ERR_IO);
    snprintf(path, sizeof path, "%s/fifo", test_folder());
    REQUIRE(mkfifo(path, 0600) == 0);
    CHECK(mote_file_map(&f, path, &err) == MOTE_ERR_IO);
    snprintf(path, sizeof path, "%s/empty", test_folder());
    fclose(fopen(path, "w"));
    CHECK(mote_file_map(&f, path, &err) == MOTE_ERR_FILE);
    snprintf(path, sizeof path, "%s/sparse", test_folder());
    FILE *sparse = fopen(path, "w");
    REQUIRE(sparse && ftruncate(fileno(sparse), (off_t)1 << 40) == 0);
    fclose(sparse);
    mote_image image;
    if (mote_file_map(&f, path, &err) == MOTE_OK)
        CHECK(mote_image_open(&image, f.base, f.bytes, &err) == MOTE_ERR_FILE);
    mote_file_unmap(&f);
}

TEST(other_formats_are_known_by_their_first_bytes)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *kind;
    } cases[] = {
        {"GGUF\3\0\0\0", 8, "a GGUF file"},
        {"PK\3\4abc", 7, "a ZIP or PyTorch file"},
        {"<!DOCTYPE html>", 15, "a web page (HTML), perhaps an error page of a download"},
        {"\x7f"
         "ELF",
         4, "an ELF program"},
        {"\x10\0\0\0\0\0\0\0{\"a\":{}}       ", 24, "a safetensors file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *kind = mote_file_kind(cases[i].bytes, cases[i].n);
        CHECK(kind && strcmp(kind, cases[i].kind) == 0);
    }
    CHECK(mote_file_kind("hello", 5) == NULL);
    CHECK(mote_file_kind("", 0) == NULL);
}

TEST(host_memory_is_aligned_and_zero)
{
    uint8_t *p = mote_host_alloc(100001);
    REQUIRE(p != NULL);
    CHECK((uintptr_t)p % MOTE_ALIGN == 0);
    bool zero = true;
    for (size_t i = 0; i < 100001; i++)
        zero = zero && !p[i];
    CHECK(zero);
    mote_host_free(p);
    mote_host_free(NULL);
    CHECK(mote_host_alloc(SIZE_MAX - 70) == NULL);
    CHECK(mote_host_alloc(SIZE_MAX) == NULL);
}
