/* fuzz_tokenizer.c: texts to ids and back, by tokenizers of every kind; the stream of a decoder and
 * its stop strings. */
#include "cli/cli.h"
#include "loader/image.h"
#include "tests/fuzz/tokenizers.h"

static bool has_added(fuzz_in in)
{
    for (size_t i = 0; i + 1 < in.n; i++)
        if (in.p[i] == '<')
            return true;
    return false;
}

/* What a tokenizer of bytes encodes, it decodes to the same. */
static void check_round_trip(const mote_tokenizer *t, fuzz_in in)
{
    size_t cap = mote_encode_max_ids(t, in.n), room = mote_encode_scratch_bytes(t, in.n), n;
    int32_t *ids = fuzz_alloc(cap * sizeof *ids);
    void *scratch = fuzz_alloc(room);
    char *text = fuzz_alloc(in.n);
    mote_error err;
    FUZZ_EXPECT(
        !mote_encode(t, (const char *)in.p, in.n, 0, NULL, 0, ids, cap, &n, scratch, room, &err));
    FUZZ_EXPECT(n <= in.n && mote_decode(t, ids, n, false, text, in.n) == in.n);
    FUZZ_EXPECT(in.n == 0 || memcmp(text, in.p, in.n) == 0);
    free(text);
    free(scratch);
    free(ids);
}

FUZZ(encode)
{
    const fuzz_tokenizer *t = fuzz_pick_tokenizer(&in);
    if (!t)
        return;
    fuzz_use_tokenizer(t->t, in);
    fuzz_u8(&in);
    if (t->exact && mote_utf8_valid((const char *)in.p, in.n) && !has_added(in))
        check_round_trip(t->t, in);
}

/* ---- decoding ------------------------------------------------------------------------------- */

/* Text of ids by the stream; bytes of it. */
static size_t stream(const mote_tokenizer *t, const int32_t *ids, size_t n, bool skip, char *out)
{
    size_t bytes = 0, most = mote_decode_max_bytes(t);
    mote_decoder d;
    char *piece = fuzz_alloc(most);
    mote_decoder_init(&d, t, skip);
    for (size_t i = 0; i <= n; i++) {
        size_t k = i < n ? mote_decoder_push(&d, ids[i], piece) : mote_decoder_flush(&d, piece);
        FUZZ_EXPECT(k <= most && mote_utf8_valid(piece, k));
        memcpy(out + bytes, piece, k);
        bytes += k;
    }
    free(piece);
    return bytes;
}

static bool same(const char *a, size_t n, const char *b, size_t n_b)
{
    return n == n_b && (n == 0 || memcmp(a, b, n) == 0);
}

FUZZ(decode)
{
    const fuzz_tokenizer *picked = fuzz_pick_tokenizer(&in);
    unsigned flags = fuzz_u8(&in);
    if (!picked)
        return;
    const mote_tokenizer *t = picked->t;
    size_t n = 0, bytes, most = mote_decode_max_bytes(t);
    int32_t *ids = fuzz_alloc((in.n + 1) * sizeof *ids);
    int32_t n_ids = (int32_t)mote_tokenizer_vocab_size(t);
    bool skip = flags & 1, byte_tokens = false;
    while (in.n)
        ids[n++] = flags & 2 ? (int32_t)fuzz_u32(&in) : fuzz_u16(&in) % (n_ids + 2) - 1;
    for (size_t i = 0; i < n; i++) {
        mote_text piece = mote_token_piece(t, ids[i]);
        byte_tokens |= piece.bytes == 1 && (piece.ptr[0] & 0x80);
    }
    bytes = mote_decode(t, ids, n, skip, NULL, 0);
    char *text = fuzz_alloc(bytes), *cut = fuzz_alloc(bytes / 2), *streamed;
    FUZZ_EXPECT(mote_decode(t, ids, n, skip, text, bytes) == bytes);
    FUZZ_EXPECT(mote_decode(t, ids, n, skip, cut, bytes / 2) == bytes);
    FUZZ_EXPECT(mote_utf8_valid(text, bytes));
    FUZZ_EXPECT(same(text, bytes / 2, cut, bytes / 2));
    streamed = fuzz_alloc((n + 1) * most);
    size_t n_streamed = stream(t, ids, n, skip, streamed);
    FUZZ_EXPECT((byte_tokens && !picked->exact) || same(text, bytes, streamed, n_streamed));
    free(streamed);
    free(cut);
    free(text);
    free(ids);
}

/* ---- stop strings --------------------------------------------------------------------------- */

/* Where the text is to end: in front of the stop string that is complete first; of those that end
 * together, in front of the longest. */
static size_t find_stop(const char *text, size_t n, const char *const *stops, size_t n_stops)
{
    for (size_t end = 1; end <= n; end++) {
        size_t longest = 0;
        for (size_t i = 0; i < n_stops; i++) {
            size_t k = strlen(stops[i]);
            if (k <= end && k > longest && memcmp(text + end - k, stops[i], k) == 0)
                longest = k;
        }
        if (longest)
            return end - longest;
    }
    return n;
}

FUZZ(stop)
{
    enum { MAX_PIECE = 16 };
    char *stops[3];
    size_t n_stops = 1 + fuzz_u8(&in) % 3, n_shown = 0, k;
    for (size_t i = 0; i < n_stops; i++) {
        fuzz_in part = fuzz_part(&in, 1 + fuzz_u8(&in) % 7);
        stops[i] = fuzz_alloc(part.n + 2);
        snprintf(stops[i], part.n + 2, "%.*s", (int)part.n, (const char *)part.p);
        if (!stops[i][0])
            memcpy(stops[i], "x", 2);
    }
    cli_stop *s = cli_stop_new((const char *const *)stops, n_stops, MAX_PIECE);
    fuzz_in all = in;
    char *shown = fuzz_alloc(in.n + 1);
    const char *out;
    bool found = false;
    FUZZ_EXPECT(s);
    for (size_t size = 1; in.n && !found; size = size * 5 % 17) {
        fuzz_in piece = fuzz_part(&in, size % (MAX_PIECE + 1));
        found = cli_stop_push(s, (const char *)piece.p, piece.n, &out, &k);
        FUZZ_EXPECT(n_shown + k <= all.n);
        memcpy(shown + n_shown, out, k);
        n_shown += k;
    }
    cli_stop_flush(s, &out, &k);
    if (!found) {
        memcpy(shown + n_shown, out, k);
        n_shown += k;
    }
    size_t end = find_stop((const char *)all.p, all.n, (const char *const *)stops, n_stops);
    FUZZ_EXPECT(found ? end < all.n : end == all.n);
    FUZZ_EXPECT(same(shown, n_shown, (const char *)all.p, end));
    cli_stop_free(s);
    free(shown);
    for (size_t i = 0; i < n_stops; i++)
        free(stops[i]);
}
