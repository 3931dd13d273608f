/* test_template_bounds.c: what templates are refused for, with its status, place and reason, and
 * that each limit holds exactly: at it a template is taken, one past it is refused. Read
 * test_template.c first. */
#include <sys/mman.h>

#include "tests/unit/templates.h"

typedef struct refusal {
    mote_status status;
    const char *what;
    struct {
        const char *source, *name; /* behind "line 1: " */
    } of[16];
} refusal;

static const refusal refusals[] = {
    {MOTE_ERR_LIMIT,
     "is undefined",
     {{"{{ l[none].x }}", ""},
      {"{{ l['x'].y }}", "x"},
      {"{{ z[0].x }}", ""},
      {"{{ z.a.b }}", "a"},
      {"{{ nope() }}", "nope"},
      {"{{ nope.x() }}", "nope"},
      {"{{ d.nope() }}", "nope"},
      {"{{ lipsum() }}", "lipsum"}}},
    {MOTE_ERR_LIMIT, "the ends of a slice must be whole numbers", {{"{{ l[1:'a'] }}", ""}}},
    {MOTE_ERR_LIMIT, "the step of a slice is 0", {{"{{ l[::0] }}", ""}}},
    {MOTE_ERR_LIMIT,
     "a dict is made of pairs",
     {{"{{ dict([[1]]) }}", ""}, {"{{ dict([(1, 2, 3)]) }}", ""}}},
    {MOTE_ERR_LIMIT,
     "this value cannot be iterated over",
     {{"{{ dict(5) }}", ""},
      {"{{ 5|list }}", ""},
      {"{{ 5|join }}", ""},
      {"{{ 5|sort }}", ""},
      {"{{ 5|first }}", ""},
      {"{{ 5|sum }}", ""},
      {"{{ 5|reverse }}", ""},
      {"{{ 5|unique|list }}", ""},
      {"{{ 5|map('upper')|list }}", ""},
      {"{{ 1 in 5 }}", ""},
      {"{% set a, b = 5 %}", ""},
      {"{% for x in 5 %}{% endfor %}", ""},
      {"{% for x in none %}{% endfor %}", ""},
      {"{{ 'a'.join(5) }}", ""},
      {"{{ 'a'.join() }}", ""},
      {"{{ namespace(1) }}", ""}}},
    {MOTE_ERR_LIMIT,
     "cycle() wants values",
     {{"{% for x in l %}{{ loop.cycle() }}{% endfor %}", ""}}},
    {MOTE_ERR_LIMIT, "strftime_now() wants a string", {{"{{ strftime_now(5) }}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "this part of a date format is not supported",
     {{"{{ strftime_now('%') ~ strftime_now('%Q') }}", "Q"}, {"{{ strftime_now('%F%Q') }}", "Q"}}},
    {MOTE_ERR_LIMIT, "abs wants a number", {{"{{ 'a'|abs }}", ""}}},
    {MOTE_ERR_LIMIT,
     "round wants a number",
     {{"{{ 'a'|round }}", ""}, {"{{ 1|round(301) }}", ""}, {"{{ 1|round(-301) }}", ""}}},
    {MOTE_ERR_LIMIT, "round wants common, ceil or floor", {{"{{ 1|round(1, 'up') }}", ""}}},
    {MOTE_ERR_LIMIT,
     "replace wants two strings",
     {{"{{ 'a'|replace('b') }}", ""}, {"{{ 'a'|replace() }}", ""}}},
    {MOTE_ERR_LIMIT,
     "this value has no length",
     {{"{{ 5|length }}", ""}, {"{{ none|length }}", ""}}},
    {MOTE_ERR_LIMIT, "items wants a dict", {{"{{ 5|items }}", ""}, {"{{ l|items }}", ""}}},
    {MOTE_ERR_LIMIT,
     "a string can be joined by this operator to a string only",
     {{"{{ ['a']|sum }}", ""}, {"{{ 'a' - 'b' }}", ""}, {"{{ 'a' * 1.5 }}", ""}}},
    {MOTE_ERR_LIMIT,
     "values of these kinds have no order",
     {{"{{ [1, 'a']|sort }}", ""},
      {"{{ [1, 'a']|max }}", ""},
      {"{{ [{}, {}]|sort }}", ""},
      {"{{ 'a' < 1 }}", ""},
      {"{{ none < none }}", ""},
      {"{{ {} < {} }}", ""},
      {"{{ [1] < (1,) }}", ""},
      {"{{ d|dictsort(by='value') }}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "sorting by several attributes is not supported",
     {{"{{ [1, 2]|sort(attribute='a,b') }}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "this filter is not supported",
     {{"{{ l|map('nosuch')|list }}", "nosuch"},
      {"{% filter nosuch %}{% endfilter %}", "nosuch"},
      {"{{ 'a'|format(1) }}", "format"},
      {"{{ s|upper|nosuch }}", "nosuch"}}},
    {MOTE_ERR_LIMIT,
     "the name of a filter or test is wanted",
     {{"{{ l|map()|list }}", ""}, {"{{ l|select(5)|list }}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "this filter cannot be applied by a filter",
     {{"{{ l|map('map')|list }}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "this test is not supported",
     {{"{{ l|select('nosuch')|list }}", "nosuch"}}},
    {MOTE_ERR_UNSUPPORTED,
     "this kind of value cannot be printed",
     {{"{{ l|selectattr() }}", ""}, {"{{ range|tojson }}", ""}, {"{{ joiner(1, 2) }}", ""}}},
    {MOTE_ERR_LIMIT,
     "this test takes one argument",
     {{"{{ 1 is divisibleby }}", ""}, {"{{ 1 is sameas }}", ""}}},
    {MOTE_ERR_LIMIT,
     "division by zero",
     {{"{{ 1 is divisibleby(0) }}", ""},
      {"{{ 1 / 0 }}", ""},
      {"{{ 1 % 0 }}", ""},
      {"{{ 1.5 / 0 }}", ""},
      {"{{ 1.5 // 0 }}", ""},
      {"{{ 1.5 % 0 }}", ""},
      {"{{ 0 ** -1 }}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "formatting with % is not supported",
     {{"{{ 'a' is divisibleby(2) }}", ""}, {"{{ 'a' is odd }}", ""}}},
    {MOTE_ERR_LIMIT, "only a string can be in a string", {{"{{ 1 in 'abc' }}", ""}}},
    {MOTE_ERR_LIMIT,
     "the operator does not fit these values",
     {{"{{ [1] + (1,) }}", ""}, {"{{ [1] * [1] }}", ""}, {"{{ {} + {} }}", ""}}},
    {MOTE_ERR_LIMIT, "this value has no sign", {{"{{ -'a' }}", ""}, {"{{ +'a' }}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "a whole number needs more than 64 bits",
     {{"{{ 2 ** 0.5 }}", ""},
      {"{{ 2.5 ** 0.5 }}", ""},
      {"{{ 9223372036854775807 + 1 }}", ""},
      {"{{ -9223372036854775807 - 2 }}", ""},
      {"{{ 4611686018427387904 * 2 }}", ""},
      {"{{ 3037000500 ** 2 }}", ""},
      {"{{ 2 ** 63 }}", ""},
      {"{{ -(-9223372036854775807 - 1) }}", ""},
      {"{{ (-9223372036854775807 - 1) // -1 }}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "this number is too large",
     {{"{{ 9223372036854775808 }}", "9223372036854775808"}}},
    {MOTE_ERR_LIMIT,
     "this cannot be a key of a dict",
     {{"{{ {[1]: 2} }}", ""}, {"{{ {{}: 3} }}", ""}}},
    {MOTE_ERR_UNSUPPORTED, "this cannot be a key of a dict", {{"{{ {(1, 2): 3} }}", ""}}},
    {MOTE_ERR_LIMIT, "indent must be a number or a string", {{"{{ [1]|tojson(indent=[]) }}", ""}}},
    {MOTE_ERR_LIMIT,
     "separators must be two strings",
     {{"{{ [1]|tojson(separators=(1, 2)) }}", ""}}},
    {MOTE_ERR_LIMIT, "an undefined value cannot be written as JSON", {{"{{ nope|tojson }}", ""}}},
    {MOTE_ERR_LIMIT,
     "a whole number is wanted as an argument",
     {{"{{ range(1.5) }}", ""}, {"{{ range('a') }}", ""}}},
    {MOTE_ERR_LIMIT,
     "range() takes 1 to 3 whole numbers, the step not 0",
     {{"{{ range(1, 2, 3, 4) }}", ""}}},
    {MOTE_ERR_LIMIT,
     "a range is limited to 100000 values",
     {{"{{ range(100001) }}", ""}, {"{{ range(0, -200002, -2) }}", ""}}},
    {MOTE_ERR_LIMIT,
     "names in a namespace must not begin with _",
     {{"{% set ns = namespace() %}{% set ns._x = 1 %}", ""}}},
    {MOTE_ERR_LIMIT, "only attributes of a namespace can be set", {{"{% set n.x = 1 %}", ""}}},
    {MOTE_ERR_LIMIT,
     "there are not as many values as names",
     {{"{% set a, b = [1] %}", ""},
      {"{% set a, b = [1, 2, 3] %}", ""},
      {"{% for a, b in [[1, 2, 3]] %}{% endfor %}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "this list of names is not supported",
     {{"{% for a, (b, c) in l %}{% endfor %}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "is not supported",
     {{"{% for x in l recursive %}{% endfor %}", "recursive"}, {"{{ '\\N{DASH}' }}", "\\N"}}},
    {MOTE_ERR_FILE,
     "this tag does not fit the open block",
     {{"{% for x in l %}{% else %}{% else %}{% endfor %}", ""},
      {"{% elif t %}", "t"},
      {"{% else %}", ""},
      {"{% endfor %}", ""},
      {"{% for x in l %}{% endif %}", ""},
      {"{% if t %}{% endfor %}", ""}}},
    {MOTE_ERR_FILE,
     "there is an else before this",
     {{"{% if t %}{% else %}{% else %}{% endif %}", ""},
      {"{% if t %}{% else %}{% elif t %}{% endif %}", "t"}}},
    {MOTE_ERR_FILE,
     "this is not inside a loop",
     {{"{% macro m() %}{% continue %}{% endmacro %}", ""},
      {"{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", ""}}},
    {MOTE_ERR_LIMIT,
     "the macro has fewer parameters",
     {{"{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", ""}}},
    {MOTE_ERR_LIMIT,
     "the macro has no parameter of this name",
     {{"{% macro m(a) %}{% endmacro %}{{ m(b=2) }}", ""},
      {"{% macro m(a) %}{% endmacro %}{{ m(1, a=2) }}", ""}}},
    {MOTE_ERR_FILE,
     "a name was expected here",
     {{"{% macro (a) %}{% endmacro %}", "("},
      {"{% set %}", ""},
      {"{% set 5 = 1 %}", ""},
      {"{% for %}{% endfor %}", ""},
      {"{{ l. }}", ""},
      {"{{ n| }}", ""},
      {"{{ n is }}", ""},
      {"{{ n is not }}", ""},
      {"{% filter %}{% endfilter %}", ""}}},
    {MOTE_ERR_FILE, "the template ends inside a tag", {{"{% macro m(a %}{% endmacro %}", ""}}},
    {MOTE_ERR_FILE,
     "a value was expected here",
     {{"{% set x = %}", ""},
      {"{% for x in %}{% endfor %}", ""},
      {"{{ }}", ""},
      {"{{ {1: } }}", "}"},
      {"{{ f( }}", "}"},
      {"{{ f(1, }}", "}"},
      {"{{ l[] }}", "]"},
      {"{{ 1 if }}", ""},
      {"{{ 1 if t else }}", ""},
      {"{{ not }}", ""}}},
    {MOTE_ERR_FILE, "something else was expected here", {{"{% for x %}{% endfor %}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "this statement is not supported",
     {{"{% nosuch %}", "nosuch"},
      {"{% include 'x' %}", "include"},
      {"{% import 'x' as y %}", "import"},
      {"{% from 'x' import y %}", "from"},
      {"{% extends 'x' %}", "extends"},
      {"{% block x %}{% endblock %}", "block"},
      {"{% autoescape true %}{% endautoescape %}", "autoescape"},
      {"{% call m() %}{% endcall %}", "call"}}},
    {MOTE_ERR_FILE, "the name of a statement was expected here", {{"{% %}", ""}}},
    {MOTE_ERR_FILE,
     "this tag has more than was expected",
     {{"{{ 1 2 }}", ""},
      {"{{ l.5x }}", "x"},
      {"{% with 5 %}{% endwith %}", ""},
      {"{{ 1e }}", "e"},
      {"{{ 1_ }}", "_"},
      {"{{ 1__0 }}", "__0"}}},
    {MOTE_ERR_FILE, "a string has no end", {{"{{ 'a }}", ""}, {"{{ \"a\\ }}", ""}}},
    {MOTE_ERR_FILE,
     "this does not fit the open bracket",
     {{"{{ [1 }}", "}"}, {"{{ {1} }}", "}"}, {"{{ l[1:2:3:4] }}", ":"}}},
    {MOTE_ERR_FILE, "a bracket is still open", {{"{{ {'a' 1} }}", ""}}},
    {MOTE_ERR_FILE,
     "an argument without a name stands behind one with a name",
     {{"{{ f(a=1, 2) }}", ")"}}},
    {MOTE_ERR_UNSUPPORTED,
     "arguments with * are not supported",
     {{"{{ f(*l) }}", ""}, {"{{ f(**d) }}", ""}}},
    {MOTE_ERR_FILE,
     "this character means nothing here",
     {{"{{ 1 ! 2 }}", "!"}, {"{{ a ? b }}", "?"}}},
    {MOTE_ERR_FILE,
     "an escape of a string is not complete",
     {{"{{ '\\x4' }}", "\\x4"}, {"{{ '\\U00110000' }}", "\\U00110000"}}},
    {MOTE_ERR_FILE, "a raw block has no end", {{"{% raw %}x", ""}}},
    {MOTE_ERR_LIMIT,
     "a separator must be a string that is not empty",
     {{"{{ 'a'.split('') }}", ""}, {"{{ 'a'.split(5) }}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "rsplit() wants a separator",
     {{"{{ 'a'.rsplit('', 1) }}", ""},
      {"{{ 'a'.rsplit(none, 1) }}", ""},
      {"{{ 'a'.rsplit(maxsplit=1) }}", ""}}},
    {MOTE_ERR_LIMIT,
     "a string is wanted as an argument",
     {{"{{ 'a'.partition(5) }}", ""},
      {"{{ 'a'.replace('a') }}", ""},
      {"{{ 'a'.startswith(5) }}", ""},
      {"{{ 'a'.removeprefix() }}", ""}}},
    {MOTE_ERR_UNSUPPORTED, "this takes one argument here", {{"{{ 'a'.endswith() }}", ""}}},
    {MOTE_ERR_UNSUPPORTED,
     "this method is not supported",
     {{"{{ 'a'.rindex('b') }}", "rindex"},
      {"{{ 'a'.format(1) }}", "format"},
      {"{{ s.nope() }}", "nope"}}},
    {MOTE_ERR_LIMIT,
     "templates must not change lists and dicts",
     {{"{{ d.update({}) }}", ""},
      {"{{ d.pop('b') }}", ""},
      {"{{ l.extend([1]) }}", ""},
      {"{{ l.sort() }}", ""},
      {"{{ d.setdefault('a', 1) }}", ""}}},
    {MOTE_ERR_LIMIT, "cycler() wants values", {{"{{ cycler().next() }}", ""}}},
    {MOTE_ERR_LIMIT, "dictsort wants a dict", {{"{{ l|dictsort }}", ""}}},
};

static bool is_refused(const char *source, mote_status status, const char *name, const char *what,
                       void *mem)
{
    mote_rendered out;
    mote_error err = {0};
    char place[80];
    mote_status s = test_render(&out, source, strlen(source), TEMPLATE_MEMORY, mem, &err);
    snprintf(place, sizeof place, "line 1%s%s", *name ? ": " : "", name);
    bool ok = s == status && err.status == s && (*name == '*' || !strcmp(err.name, place)) &&
              !strcmp(err.what, what) && !out.text.bytes;
    if (!ok)
        printf("  %s gave %d %s: %s\n", source, (int)s, err.name, s ? err.what : "");
    return ok;
}

TEST(templates_are_refused_with_a_reason)
{
    void *mem = malloc(TEMPLATE_MEMORY);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        for (size_t k = 0; k < 16 && refusals[i].of[k].source; k++)
            CHECK(is_refused(refusals[i].of[k].source, refusals[i].status, refusals[i].of[k].name,
                             refusals[i].what, mem));
    free(mem);
}

#define NEST "{% set ns = namespace(x=1, y=1) %}"
#define PUT "{% set ns.x = [ns.x] %}{% set ns.y = [ns.y] %}"

/* head, times x part, middle, times x end, tail. */
static const struct {
    const char *head, *part, *middle, *end, *tail;
    size_t most;
    mote_status status;
    const char *what;
} limits[] = {
    {"{{ ", "(", "1", ")", " }}", 191, MOTE_ERR_UNSUPPORTED, "the expression is nested too deeply"},
    {"{{ ", "n|default(", "1", ")", " }}", 191, MOTE_ERR_UNSUPPORTED,
     "the expression is nested too deeply"},
    {"{{ ", "1 if t else ", "1", "", " }}", 191, MOTE_ERR_UNSUPPORTED,
     "the expression is nested too deeply"},
    {"", "{% if t %}", "x", "{% endif %}", "", 64, MOTE_ERR_UNSUPPORTED,
     "statements are nested too deeply"},
    {"", "{% set q %}", "x", "{% endset %}", "", 64, MOTE_ERR_UNSUPPORTED,
     "statements are nested too deeply"},
    {"{{ cycler(", "1,", "1", "", ").next() }}", 31, MOTE_ERR_UNSUPPORTED,
     "a call has too many arguments"},
    {"{{ dict({},", "a=1,", "a=1", "", ").a }}", 30, MOTE_ERR_UNSUPPORTED,
     "a call has too many arguments"},
    {"{% macro m(", "a,", "a", "", ") %}x{% endmacro %}{{ m() }}", 31, MOTE_ERR_FILE,
     "a macro has too many parameters"},
    {"{% for ", "a,", "a", "", " in [] %}{% endfor %}", 7, MOTE_ERR_UNSUPPORTED,
     "this list of names is not supported"},
    {"{% with ", "a=1,", "a=1", "", " %}x{% endwith %}", 7, MOTE_ERR_FILE,
     "there are too many names"},
    {"{% macro f(n) %}{% if n > 1 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(0", "+1", "", "",
     ") }}", 96, MOTE_ERR_LIMIT, "the template is nested too deeply"},
    {"{{ ", "[", "", "]", " }}", 64, MOTE_ERR_LIMIT, "the value is nested too deeply"},
    {"{{ ", "[", "", "]", "|tojson }}", 64, MOTE_ERR_LIMIT, "the value is nested too deeply"},
    {NEST "{{ ns.x == ns.y }}{% for i in range(0", "+1", "", "",
     ") %}" PUT "{% endfor %}{{ ns.x == ns.y }}", 64, MOTE_ERR_LIMIT,
     "the value is nested too deeply"},
    {"{{ 1", "0", "", "", " }}", 18, MOTE_ERR_UNSUPPORTED, "this number is too large"},
    {"{{ 1.", "0", "", "", " }}", 57, MOTE_ERR_UNSUPPORTED, "this number is too large"},
    {"{{ 1e", "0", "1", "", " }}", 56, MOTE_ERR_UNSUPPORTED, "this number is too large"},
    {"{{ range(1", "+9999", "", "", ") }}", 10, MOTE_ERR_LIMIT,
     "a range is limited to 100000 values"},
};

static void repeat(char *to, const char *part, size_t times)
{
    for (to += strlen(to); times; times--, to += strlen(part))
        strcpy(to, part);
}

TEST(template_limits_hold_exactly)
{
    char *source = malloc(1 << 16);
    void *mem = malloc(TEMPLATE_MEMORY);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        for (size_t n = limits[i].most; n <= limits[i].most + 1; n++) {
            mote_rendered out;
            mote_error err = {0};
            strcpy(source, limits[i].head);
            repeat(source, limits[i].part, n);
            strcat(source, limits[i].middle);
            repeat(source, limits[i].end, n);
            strcat(source, limits[i].tail);
            if (n > limits[i].most)
                CHECK(is_refused(source, limits[i].status, "*", limits[i].what, mem));
            else if (!CHECK(!test_render(&out, source, strlen(source), TEMPLATE_MEMORY, mem, &err)))
                printf("  %s: %s\n", source, err.what);
        }
    free(source);
    free(mem);
}

/* Memory: some length suffices, and none below it; what is there need not be aligned. */
TEST(templates_need_a_certain_memory)
{
    static const char source[] = "{% for x in l %}{{ [x, 'a' ~ x]|join('-') }}{% endfor %}{{ u }}";
    enum { BYTES = 100000 };
    mote_value none = {.kind = MOTE_VALUE_NONE}, empty = {.kind = MOTE_VALUE_DICT};
    mote_rendered out;
    mote_error err;
    char *mem = malloc(BYTES + 16);
    size_t low = 0, high = BYTES;
    while (high - low > 1) {
        size_t mid = (low + high) / 2;
        mote_status s = test_render(&out, source, sizeof source - 1, mid, mem, &err);
        CHECK(!s || s == MOTE_ERR_MEMORY);
        *(s ? &low : &high) = mid;
    }
    for (size_t n = 0; n < high; n += n < 64 || n > high - 64 ? 1 : 61) {
        char *exact = malloc(n + 1);
        CHECK(test_render(&out, source, sizeof source - 1, n, exact + 1, &err) == MOTE_ERR_MEMORY);
        free(exact);
    }
    CHECK(!test_render(&out, source, sizeof source - 1, high + 16, mem + 1, &err));
    CHECK(mote_template_render(&out, (mote_text){source, sizeof source - 1}, &none, 0, mem, BYTES,
                               &err) == MOTE_ERR_LIMIT);
    CHECK(mote_template_render(&out, (mote_text){source, UINT32_MAX / 2}, &empty, 0, mem, BYTES,
                               &err) == MOTE_ERR_LIMIT);
    CHECK(!test_render(&out, "", 0, BYTES, mem, &err) && !out.text.bytes && !out.n_untrusted);
    free(mem);
}

/* Each thing that takes memory, with every length too little for it. */
TEST(templates_without_enough_memory_end_in_an_error)
{
    static const char *const sources[] = {
        "{{ s|upper }}{{ s|title }}{{ s|replace('l', 'LL') }}{{ ws|trim }}",
        "{{ 'a,b,c'.split(',') }}{{ 'a,b'.rsplit(',', 1) }}{{ 'a.b'.partition('.') }}",
        "{{ l|sort }}{{ w|unique|list }}{{ d|dictsort }}{{ l|reverse|list }}{{ l[::-1] }}",
        "{{ d|tojson(indent=2) }}{{ messages|tojson }}{{ [1.5, none, {'a': 'b'}] }}",
        "{% macro m(a, b=2) %}{{ a ~ b }}{% endmacro %}{{ m('x') }}{{ m(b=3, a=s) }}",
        "{% set x %}{{ s }}{{ u }}{% endset %}{{ x * 3 }}{{ x[::-1] }}{{ 'ab' * 20 }}",
        "{% for k, v in d.items() %}{% set q = loop.cycle(k, v) %}{{ q }}{% endfor %}",
        ("{% set ns = namespace(a=[]) %}{% for x in l %}{% set ns.a = ns.a + [x] %}{% endfor %}{{ "
         "ns.a }}"),
        "{{ strftime_now('%c') }}{{ range(20)|list }}{{ dict(a=1, b=2) }}{{ 'a\\nb'|indent }}",
        "{{ messages|map(attribute='role')|list }}{{ l|select('odd')|list }}{{ 'x'.zfill(40) }}",
    };
    char *mem = malloc(TEMPLATE_MEMORY);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        size_t enough = 0, n = strlen(sources[i]);
        for (size_t bytes = 0; bytes < TEMPLATE_MEMORY && enough < 64; bytes += 24) {
            mote_rendered out;
            mote_error err;
            mote_status s = test_render(&out, sources[i], n, bytes, mem, &err);
            enough += !s;
            CHECK(enough ? !s : s == MOTE_ERR_MEMORY);
        }
        CHECK(enough == 64);
    }
    free(mem);
}

/* A template is not read behind its end, where a page cannot be read. */
TEST(templates_are_not_read_behind_their_end)
{
    static const char *const sources[] = {
        "a\r",      "{",        "{{",     "{{ 1",  "{{ 'a\\", "{%",         "{% i",   "{#",
        "{{ 1.",    "{{ 1e",    "{{ 1e+", "{{ n|", "{{ '",    "{% raw %}{", "{{ 1 }", "{{-",
        "{{ '\\x4", "\xe2\x82", "{{ l[",  "a\n",   "{{ n /",  "{{ n *"};
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *mem = malloc(TEMPLATE_MEMORY);
    REQUIRE(page != MAP_FAILED && !mprotect(page + 4096, 4096, PROT_NONE));
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        size_t n = strlen(sources[i]);
        char *at = page + 4096 - n;
        mote_rendered out;
        mote_error err;
        memcpy(at, sources[i], n);
        mote_status s = test_render(&out, at, n, TEMPLATE_MEMORY, mem, &err);
        bool text = !memchr(at, '{', n);
        CHECK(text ? !s : s == MOTE_ERR_FILE || (n == 1 && !s));
    }
    munmap(page, 8192);
    free(mem);
}
