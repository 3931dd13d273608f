/* edit.c: the editor's keys, its text and its history. The terminal is raw only while an entry is
 * edited; during an answer Ctrl-C is a signal again. (Our own rather than a library's: the small
 * ones lack several lines or pasted text, the large ones come with licences or tables of their
 * own; docs/decisions has the reasons.)
 *
 * Enter ends an entry; Alt-Enter, a backslash at its end, or an open """ goes on in a new line.
 * Pasted text is one piece whatever it holds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/edit.h"
#include "cli/utf8.h"

enum { MAX_HISTORY = 500, MAX_ENTRY = 1 << 24 };

typedef struct buffer {
    char *ptr;
    size_t n, cap, at; /* at: the cursor */
} buffer;

struct cli_editor {
    struct termios cooked;
    buffer text;
    cli_text killed, draft; /* draft: what stood there before the history was looked at */
    char *history[MAX_HISTORY];
    size_t n_history, looking; /* looking: n_history: at the draft */
    const char *path;
    cli_screen screen;
    char keys[512]; /* read, not used yet */
    size_t n_keys, taken;
};

/* Keys beyond single bytes. */
enum {
    KEY_NONE = 256,
    KEY_UP,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_DELETE,
    KEY_WORD_LEFT,
    KEY_WORD_RIGHT,
    KEY_NEW_LINE,
    KEY_KILL_WORD,
    KEY_PASTE,
    KEY_ENDED,
    KEY_SIGNAL
};

#define CONTROL(letter) ((letter)&0x1f)

/* ---- text ----------------------------------------------------------------------------------- */

static bool insert(buffer *b, const char *text, size_t n)
{
    if (n > MAX_ENTRY - b->n)
        return false;
    if (b->n + n > b->cap) {
        size_t cap = 2 * (b->n + n) + 64;
        char *more = realloc(b->ptr, cap);
        if (!more)
            return false;
        b->ptr = more;
        b->cap = cap;
    }
    memmove(b->ptr + b->at + n, b->ptr + b->at, b->n - b->at);
    if (n)
        memcpy(b->ptr + b->at, text, n);
    b->n += n;
    b->at += n;
    return true;
}

static void erase(buffer *b, size_t from, size_t to)
{
    memmove(b->ptr + from, b->ptr + to, b->n - to);
    b->n -= to - from;
    b->at = from;
}

/* The beginning of the character before `at`, with the marks that combine with it after it. */
static size_t before(const buffer *b, size_t at)
{
    do {
        do
            at -= at > 0;
        while (at && ((unsigned char)b->ptr[at] & 0xc0) == 0x80);
    } while (at && !cli_columns(b->ptr + at, cli_utf8_length(b->ptr + at, b->n - at)));
    return at;
}

static size_t after(const buffer *b, size_t at)
{
    do
        at += at < b->n ? cli_utf8_length(b->ptr + at, b->n - at) : 0;
    while (at < b->n && !cli_columns(b->ptr + at, cli_utf8_length(b->ptr + at, b->n - at)));
    return at;
}

static bool is_blank(const buffer *b, size_t at) { return b->ptr[at] == ' ' || b->ptr[at] == '\n'; }

static size_t word_before(const buffer *b, size_t at)
{
    while (at && is_blank(b, at - 1))
        at--;
    while (at && !is_blank(b, at - 1))
        at--;
    return at;
}

static size_t word_after(const buffer *b, size_t at)
{
    while (at < b->n && is_blank(b, at))
        at++;
    while (at < b->n && !is_blank(b, at))
        at++;
    return at;
}

static size_t line_begin(const buffer *b, size_t at)
{
    while (at && b->ptr[at - 1] != '\n')
        at--;
    return at;
}

static size_t line_end(const buffer *b, size_t at)
{
    while (at < b->n && b->ptr[at] != '\n')
        at++;
    return at;
}

static void kill_text(cli_editor *e, size_t from, size_t to)
{
    char *copy = malloc(to - from + 1);
    if (!copy || from == to) {
        free(copy);
        return;
    }
    memcpy(copy, e->text.ptr + from, to - from);
    free(e->killed.ptr);
    e->killed = (cli_text){copy, to - from};
    erase(&e->text, from, to);
}

/* ---- history -------------------------------------------------------------------------------- */

static void remember(cli_editor *e, const char *text, size_t n)
{
    size_t last = e->n_history - 1;
    if (e->n_history && strlen(e->history[last]) == n && memcmp(e->history[last], text, n) == 0)
        return;
    char *copy = strndup(text, n);
    if (!copy)
        return;
    if (e->n_history == MAX_HISTORY) {
        free(e->history[0]);
        memmove(e->history, e->history + 1, (MAX_HISTORY - 1) * sizeof *e->history);
        e->n_history--;
    }
    e->history[e->n_history++] = copy;
}

/* In the file an entry is a line; new lines are "\n" and backslashes doubled. */
static void load_history(cli_editor *e)
{
    cli_text all = {0};
    if (!e->path || access(e->path, R_OK) != 0 || cli_read_text(&all, e->path))
        return;
    for (size_t i = 0; i < all.bytes; i++) {
        size_t begin = i, n = begin;
        for (; i < all.bytes && all.ptr[i] != '\n'; i++) {
            bool escape = all.ptr[i] == '\\' && i + 1 < all.bytes && all.ptr[i + 1] != '\n';
            i += escape;
            all.ptr[n++] = escape && all.ptr[i] == 'n' ? '\n' : all.ptr[i];
        }
        if (n > begin)
            remember(e, all.ptr + begin, n - begin);
    }
    free(all.ptr);
}

static void append_history(const cli_editor *e, const char *text, size_t n)
{
    char *line = e->path ? malloc(2 * n + 1) : NULL;
    size_t k = 0;
    int fd = line ? open(e->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    for (size_t i = 0; line && i < n; i++) {
        if (text[i] == '\n' || text[i] == '\\')
            line[k++] = '\\';
        line[k++] = text[i] == '\n' ? 'n' : text[i];
    }
    if (fd >= 0) {
        line[k++] = '\n';
        ssize_t written = write(fd, line, k); /* a lost entry is no failure of the conversation */
        (void)written;
        close(fd);
    }
    free(line);
}

static void show_text(cli_editor *e, const char *text, size_t n)
{
    e->text.n = e->text.at = 0;
    insert(&e->text, text, n);
}

/* Older or newer, but first within the lines of the entry. */
static void up_or_down(cli_editor *e, bool up)
{
    buffer *b = &e->text;
    size_t begin = line_begin(b, b->at), end = line_end(b, b->at), column = b->at - begin;
    if (up ? begin > 0 : end < b->n) {
        size_t to = up ? line_begin(b, begin - 1) : end + 1, length = line_end(b, to) - to;
        b->at = to + (column < length ? column : length);
        while (b->at < b->n && ((unsigned char)b->ptr[b->at] & 0xc0) == 0x80)
            b->at--;
        return;
    }
    if (up ? !e->looking : e->looking == e->n_history)
        return;
    if (e->looking == e->n_history) {
        free(e->draft.ptr);
        e->draft = (cli_text){strndup(b->n ? b->ptr : "", b->n), b->n};
    }
    e->looking += up ? (size_t)-1 : 1;
    if (e->looking < e->n_history)
        show_text(e, e->history[e->looking], strlen(e->history[e->looking]));
    else if (e->draft.ptr)
        show_text(e, e->draft.ptr, e->draft.bytes);
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* The next byte; wait: for how many ms, -1: until there is one. Negative: KEY_... */
static int next_byte(cli_editor *e, int wait)
{
    if (e->taken == e->n_keys) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        if (wait >= 0 && poll(&in, 1, wait) <= 0)
            return -KEY_NONE;
        ssize_t n = cli_read(STDIN_FILENO, e->keys, sizeof e->keys);
        if (n < 0 && errno == EINTR && cli_interrupted())
            return -KEY_SIGNAL;
        if (n < 0 && errno == EINTR)
            return -KEY_NONE;
        if (n <= 0)
            return -KEY_ENDED;
        e->n_keys = (size_t)n;
        e->taken = 0;
    }
    return (unsigned char)e->keys[e->taken++];
}

/* ESC [ 1 ; 5 D and the like: numbers, then a letter or ~. */
static int control_sequence(cli_editor *e)
{
    int numbers[2] = {0, 0}, n = 0, c;
    while ((c = next_byte(e, 50)) >= 0 && (c < 0x40 || c > 0x7e))
        if (c == ';')
            n += n < 1;
        else if (c >= '0' && c <= '9' && numbers[n] < 1000)
            numbers[n] = 10 * numbers[n] + c - '0';
    bool far = numbers[1] == 5 || numbers[1] == 3; /* with Ctrl, with Alt */
    switch (c) {
    case 'A': return KEY_UP;
    case 'B': return KEY_DOWN;
    case 'C': return far ? KEY_WORD_RIGHT : KEY_RIGHT;
    case 'D': return far ? KEY_WORD_LEFT : KEY_LEFT;
    case 'H': return KEY_HOME;
    case 'F': return KEY_END;
    case '~': break;
    default: return KEY_NONE;
    }
    switch (numbers[0]) {
    case 1:
    case 7: return KEY_HOME;
    case 4:
    case 8: return KEY_END;
    case 3: return KEY_DELETE;
    case 200: return KEY_PASTE;
    default: return KEY_NONE;
    }
}

static int next_key(cli_editor *e)
{
    int c = next_byte(e, -1);
    if (c < 0)
        return -c;
    if (c != 0x1b)
        return c;
    c = next_byte(e, 50);
    switch (c) {
    case '[':
    case 'O': return control_sequence(e);
    case '\r':
    case '\n': return KEY_NEW_LINE;
    case 'b': return KEY_WORD_LEFT;
    case 'f': return KEY_WORD_RIGHT;
    case 'd':
    case 0x7f: return KEY_KILL_WORD;
    default: return c == -KEY_SIGNAL || c == -KEY_ENDED ? -c : KEY_NONE;
    }
}

/* One character whose first byte is c; what is no UTF-8 is left out. */
static void type_character(cli_editor *e, int c)
{
    char bytes[4] = {(char)c};
    size_t n = 1, want = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    while (n < want && (c = next_byte(e, 50)) >= 0)
        bytes[n++] = (char)c;
    if (cli_utf8_length(bytes, n) == n)
        insert(&e->text, bytes, n);
}

/* Everything up to ESC [ 201 ~ is text. */
static void paste(cli_editor *e)
{
    static const char end[] = "\x1b[201~";
    size_t matched = 0;
    int c;
    while (end[matched] && (c = next_byte(e, 2000)) >= 0) {
        matched = c == end[matched] ? matched + 1 : c == end[0];
        if (matched)
            continue;
        if (c == '\r')
            c = '\n';
        if (c >= 0x80)
            type_character(e, c);
        else if (c >= 0x20 ? c != 0x7f : c == '\n' || c == '\t')
            insert(&e->text, &(char){(char)c}, 1);
    }
}

/* Does Enter go on in a new line here? */
static bool goes_on(buffer *b)
{
    bool block = b->n >= 3 && memcmp(b->ptr, "\"\"\"", 3) == 0;
    if (block)
        return b->n < 6 || memcmp(b->ptr + b->n - 3, "\"\"\"", 3) != 0;
    if (b->at != b->n || !b->n || b->ptr[b->n - 1] != '\\')
        return false;
    erase(b, b->n - 1, b->n);
    return true;
}

static void edit(cli_editor *e, int key)
{
    buffer *b = &e->text;
    switch (key) {
    case CONTROL('A'):
    case KEY_HOME: b->at = line_begin(b, b->at); break;
    case CONTROL('E'):
    case KEY_END: b->at = line_end(b, b->at); break;
    case CONTROL('B'):
    case KEY_LEFT: b->at = before(b, b->at); break;
    case CONTROL('F'):
    case KEY_RIGHT: b->at = after(b, b->at); break;
    case CONTROL('P'):
    case KEY_UP: up_or_down(e, true); break;
    case CONTROL('N'):
    case KEY_DOWN: up_or_down(e, false); break;
    case KEY_WORD_LEFT: b->at = word_before(b, b->at); break;
    case KEY_WORD_RIGHT: b->at = word_after(b, b->at); break;
    case CONTROL('H'):
    case 0x7f: erase(b, before(b, b->at), b->at); break;
    case CONTROL('D'):
    case KEY_DELETE: erase(b, b->at, after(b, b->at)); break;
    case CONTROL('K'): kill_text(e, b->at, line_end(b, b->at)); break;
    case CONTROL('U'): kill_text(e, line_begin(b, b->at), b->at); break;
    case CONTROL('W'): kill_text(e, word_before(b, b->at), b->at); break;
    case KEY_KILL_WORD: kill_text(e, b->at, word_after(b, b->at)); break;
    case CONTROL('Y'): insert(b, e->killed.ptr, e->killed.bytes); break;
    case KEY_NEW_LINE: insert(b, "\n", 1); break;
    case KEY_PASTE: paste(e); break;
    case '\t': insert(b, "\t", 1); break;
    default:
        if (key >= 0x20 && key < KEY_NONE)
            type_character(e, key);
    }
}

/* ---- the editor ----------------------------------------------------------------------------- */

cli_editor *cli_editor_new(const char *history)
{
    const char *term = getenv("TERM");
    struct termios cooked;
    if (!isatty(STDERR_FILENO) || tcgetattr(STDIN_FILENO, &cooked) != 0 || !term || !*term ||
        strcmp(term, "dumb") == 0)
        return NULL;
    cli_editor *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->cooked = cooked;
    e->path = history;
    e->text = (buffer){.ptr = malloc(64), .cap = 64};
    if (!e->text.ptr) {
        free(e);
        return NULL;
    }
    load_history(e);
    return e;
}

void cli_editor_free(cli_editor *e)
{
    for (size_t i = 0; e && i < e->n_history; i++)
        free(e->history[i]);
    if (e) {
        free(e->text.ptr);
        free(e->killed.ptr);
        free(e->draft.ptr);
    }
    free(e);
}

/* Raw, with pasted text marked; or as it was. */
static void set_raw(const cli_editor *e, bool raw)
{
    struct termios t = e->cooked;
    if (raw) {
        t.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IXON | ISTRIP | BRKINT);
        t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
        t.c_cc[VMIN] = 1;
        t.c_cc[VTIME] = 0;
    }
    tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
    cli_mark(raw ? "\x1b[?2004h" : "\x1b[?2004l", 8);
}

static cli_edit_end finish(cli_editor *e, cli_text *entry)
{
    const buffer *b = &e->text;
    entry->ptr = strndup(b->n ? b->ptr : "", b->n);
    entry->bytes = entry->ptr ? b->n : 0;
    if (b->n) {
        remember(e, b->ptr, b->n);
        append_history(e, b->ptr, b->n);
    }
    return entry->ptr ? CLI_EDIT_ENTRY : CLI_EDIT_END;
}

static cli_edit_end read_entry(cli_editor *e, const char *mark, cli_text *entry)
{
    buffer *b = &e->text;
    for (;;) {
        if (e->taken == e->n_keys)
            cli_screen_draw(&e->screen, mark, b->ptr, b->n, b->at);
        int key = next_key(e);
        if (key == KEY_SIGNAL)
            return CLI_EDIT_SIGNAL;
        if (key == KEY_ENDED || (key == CONTROL('D') && !b->n))
            return CLI_EDIT_END;
        if (key == CONTROL('C') && !b->n)
            return CLI_EDIT_INTERRUPT;
        if (key == CONTROL('C')) {
            b->at = b->n = 0;
        } else if (key == CONTROL('L')) {
            cli_mark("\x1b[H\x1b[2J", 7);
            e->screen = (cli_screen){0};
        } else if ((key == '\r' || key == '\n') && !goes_on(b)) {
            return finish(e, entry);
        } else {
            edit(e, key == '\r' || key == '\n' ? KEY_NEW_LINE : key);
        }
    }
}

cli_edit_end cli_editor_read(cli_editor *e, const char *mark, cli_text *entry)
{
    *entry = (cli_text){0};
    e->text.n = e->text.at = 0;
    e->looking = e->n_history;
    set_raw(e, true);
    cli_edit_end end = read_entry(e, mark, entry);
    cli_screen_leave(&e->screen, mark, e->text.ptr, e->text.n);
    set_raw(e, false);
    return end;
}
