/* test_template.c: chat templates: what they give (as Jinja does), what of it is untrusted, and
 * that hostile ones end soon. test_template_rows.c has more of the language, test_template_bounds.c
 * what is refused. The expected texts are those of Jinja2 3.1 with the settings that transformers
 * uses. */
#include "tests/unit/templates.h"

/* ---- the language --------------------------------------------------------------------------- */

static const struct {
    const char *source, *expected;
} rows[] = {
    {"text\n", "text"},
    {"a {{- 1 -}} b", "a1b"},
    {"x\n  {% if t %}\n  y\n  {% endif %}\n  z", "x\n  y\n  z"},
    {"  {%+ if t %}x{% endif +%}\ny", "  x\ny"},
    {"a {#- c -#} b", "ab"},
    {"a\r\nb{# c #}\r\nc", "a\nbc"},
    {"{% raw %}{{ x }}{% endraw %}", "{{ x }}"},
    {"{{ \"a\" \"b\" }}{{ 'it\\'s\\t\\x41\\u00e9' }}", "abit's\tA\xc3\xa9"},
    {"{{ 1 + 2 * 3 }} {{ -2 ** 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }}",
     "7 4 -4 2 3.5 1024"},
    {"{{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1e-5 }} {{ 100.0 }} {{ 5e-324 }} {{ 1 / 3 }} {{ 1e23 }}",
     "0.30000000000000004 1e+16 1e-05 100.0 5e-324 0.3333333333333333 1e+23"},
    {"{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ \"a\" < \"b\" }} {{ not 1 == 2 }}",
     "True False True True True"},
    {"{{ 1 and 0 or \"x\" }} {{ z or n }} {{ 1 in l and 9 not in l }} {{ \"ell\" in \"hello\" }}",
     "x 7 True True"},
    {"{{ 1 if z else 2 if t else 3 }}{{ 1 if z }}|{{ (1 if t else 2) + 1 }}", "2|2"},
    {"{{ nope }}|{{ nope is defined }}|{{ nope|default(\"d\") }}|{{ d.nope or \"e\" }}",
     "|False|d|e"},
    {"{{ n is odd }} {{ f is float }} {{ z is none }} {{ s is string }} {{ d is mapping }}",
     "True True True True True"},
    {"{{ n is divisibleby 7 }} {{ l is not string }} {{ n is in [7] }} {{ n is eq 7 and t is true "
     "}}",
     "True True True True"},
    {"{{ s|length }} {{ s[1] }} {{ s[::-1] }} {{ s[-5:] }} {{ s[1:4] }} {{ s|upper }} {{ s.title() "
     "}}",
     "11 \xc3\xa9 dlr\xc3\xb6w oll\xc3\xa9h w\xc3\xb6rld \xc3\xa9ll H\xc3\x89LLO W\xc3\x96RLD "
     "H\xc3\xa9llo W\xc3\xb6rld"},
    {"{{ \"a,b,c\".split(\",\", 1) }} {{ \" a  b \".split() }} {{ \"xxaxx\".strip(\"x\") }}",
     "['a', 'b,c'] ['a', 'b'] a"},
    {"{{ \"\\xa0\\x85x\\u3000\\x1f\"|trim }}{{ \"stra\\xdfe\"|upper }}", "xSTRASSE"},
    {"{{ 'a.b.c'.partition('.') }} {{ 'a.b.c'.rpartition('.') }} {{ 'a'.partition('-') }} {{ "
     "'a'.rpartition('-') }}",
     "('a', '.', 'b.c') ('a.b', '.', 'c') ('a', '', '') ('', '', 'a')"},
    {"{{ 'ab12'.isalnum() }} {{ 'ab1'.isalpha() }} {{ '12'.isdigit() }} {{ ''.isdigit() }} {{ "
     "'aB'.islower() }} {{ 'A1'.isupper() }} {{ '1'.isupper() }} {{ ' \\t'.isspace() }} {{ "
     "'ab'.islower() }}",
     "True False True False False True False True True"},
    {"{{ 'abcabc'.find('ca') }} {{ 'abcabc'.rfind('bc') }} {{ 'abc'.find('x') }} {{ "
     "'abc'.rfind('x') }} {{ 'abc'.index('c') }} {{ 'ab'.count('') }} {{ 'aaaa'.count('aa') }}",
     "2 4 -1 -1 2 3 2"},
    {"{{ 'xabx'.removeprefix('x') }} {{ 'xabx'.removesuffix('x') }} {{ 'ab'.removeprefix('b') }} "
     "{{ 'ab'.removesuffix('a') }} {{ 'hELLO'.capitalize() }} {{ 'HI'.lower() }}",
     "abx xab ab ab Hello hi"},
    {"{{ 'ab'.startswith(('x', 'a')) }} {{ 'ab'.endswith(('x', 'b')) }} {{ 'ab'.endswith(('x',)) "
     "}} {{ 'ab'.startswith('abc') }} {{ 'ab'.endswith('b') }}",
     "True True False False True"},
    {"{{ 'a,b,c'.rsplit(',', 1) }} {{ '-7'.zfill(4) }} {{ '+7'.zfill(2) }} {{ '-'.join(['a', 'b']) "
     "}} {{ '-'.join([]) }}|{{ 'aa'.replace('a', 'b', 1) }} {{ 'ab'.replace('', '-') }}",
     "['a,b', 'c'] -007 +7 a-b |ba -a-b-"},
    {"{{ l.index(2) }} {{ l.count(1) }} {{ (1, 1).count(1) }} {{ d.keys()|list }} {{ "
     "d.values()|list }} {{ d.copy() == d }} {{ d.get('zz') }} {{ l.copy() }}",
     "2 1 2 ['b', 'a', 'c'] [1, None, True] True None [3, 1, 2]"},
    {"{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.reset() or '' "
     "}}{{ c.next() }}{% set j = joiner('+') %}{{ j() }}{{ j() }}{{ joiner()() }}",
     "abaa+"},
    {"{% for x in [1, 1, 2] %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x) }}{% endfor %} {{ "
     "dict(a=1) }} {{ dict({'k': 2}, b=3) }} {{ dict([('p', 1)]) }} {{ namespace({'q': 4}).q }}",
     "aTruebFalseaTrue {'a': 1} {'k': 2, 'b': 3} {'p': 1} 4"},
    {"{{ range(2, 8, 3)|list }} {{ range(3, 3)|list }} {{ range(0, -3, -1)|list }}",
     "[2, 5] [] [0, -1, -2]"},
    {"{{ ws|trim }}|{{ ws.lstrip() }}|{{ ws.rstrip() }}|", "x|x \n| \t x|"},
    {"{{ s.startswith(\"h\") }} {{ s.replace(\"l\", \"L\", 1) }} {{ s.find(\"w\") }} {{ "
     "\"-\".join(w) }}",
     "True h\xc3\xa9Llo w\xc3\xb6rld 6 apple-Banana-apple"},
    {"{{ \"a\\nb\".splitlines() }} {{ \"a\\nb\\n\\nc\"|indent(2) }} {{ \"aXb\"|replace(\"X\", "
     "\"-\") }}",
     "['a', 'b'] a\n  b\n\n  c a-b"},
    {"{{ \"hello wOrld\"|title }} {{ \"ab cd\"|wordcount }} {{ \"x\".zfill(3) }} {{ "
     "\"aab\".count(\"a\") }}",
     "Hello World 2 00x 2"},
    {"{{ l }} {{ d }} {{ (1,) }} {{ () }} {{ [u, \"it's\"] }}",
     "[3, 1, 2] {'b': 1, 'a': None, 'c': True} (1,) () ['<|im_end|>', \"it's\"]"},
    {"{{ d.a }} {{ d[\"b\"] }} {{ d.get(\"x\", 5) }} {{ d.items()|list }} {{ d|dictsort }} {{ "
     "d|length }}",
     "None 1 5 [('b', 1), ('a', None), ('c', True)] [('a', None), ('b', 1), ('c', True)] 3"},
    {"{{ d|tojson }} {{ messages[1]|tojson }} {{ [1, {\"a\": []}]|tojson(indent=2) }}",
     "{\"b\": 1, \"a\": null, \"c\": true} {\"role\": \"assistant\", \"content\": \"it's "
     "\\\"ok\\\"\\n\"} [\n  1,\n  {\n    \"a\": []\n  }\n]"},
    {"{{ d|tojson(sort_keys=true, separators=(\",\", \":\")) }} {{ s|tojson(ensure_ascii=true) }}",
     "{\"a\":null,\"b\":1,\"c\":true} \"h\\u00e9llo w\\u00f6rld\""},
    {"{{ l|sort }} {{ l|max }} {{ l|sum }} {{ l|first }} {{ l|last }} {{ l|join(\"-\") }}",
     "[1, 2, 3] 3 6 3 2 3-1-2"},
    {"{{ l|reverse|list }} {{ w|unique|list }} {{ w|sort(case_sensitive=true) }}",
     "[2, 1, 3] ['apple', 'Banana'] ['Banana', 'apple', 'apple']"},
    {"{{ w|map(\"upper\")|join(\",\") }} {{ messages|map(attribute=\"role\")|list }}",
     "APPLE,BANANA,APPLE ['user', 'assistant']"},
    {"{{ messages|selectattr(\"role\", \"eq\", \"user\")|list|length }} {{ l|select(\"odd\")|list "
     "}}",
     "1 [3, 1]"},
    {"{{ 42.55|round(1) }} {{ 42.5|round }} {{ \"3.9\"|int }} {{ \"x\"|float }} {{ -5|abs }}",
     "42.5 42.0 3 0.0 5"},
    {"{{ range(3)|list }} {{ range(5, 0, -2)|list }} {{ l[::-1] }} {{ l[1:] }} {{ "
     "messages[-1].role }}",
     "[0, 1, 2] [5, 3, 1] [2, 1, 3] [1, 2] assistant"},
    {"{% for x in l %}{{ loop.index }}{{ x }}{{ \",\" if not loop.last }}{% else %}none{% endfor "
     "%}",
     "13,21,32"},
    {"{% for x in l if x > 1 %}{{ x }}/{{ loop.length }} {% endfor %}{% for x in [] %}{% else "
     "%}0{% endfor %}",
     "3/2 2/2 0"},
    {"{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for c in \"ab\" %}{{ c }}.{% "
     "endfor %}",
     "b=1;a=None;c=True;a.b."},
    {"{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% if x == 2 %}{% break %}{% "
     "endif %}{% endfor %}",
     "32"},
    {"{% for x in l %}{{ loop.previtem }}<{{ loop.nextitem }} {% endfor %}", "<1 3<2 1< "},
    {"{% set y = 1 %}{% for x in l %}{% set y = x %}{% endfor %}{{ y }}{% set a, b = 1, 2 %}{{ a + "
     "b }}",
     "13"},
    {"{% set ns = namespace(c=0) %}{% for x in l %}{% set ns.c = ns.c + x %}{% endfor %}{{ ns.c }}",
     "6"},
    {"{% set x %}a{{ n }}{% endset %}[{{ x }}]{% set y | upper %}b{% endset %}{{ y }}", "[a7]B"},
    {"{% filter upper %}c{% endfilter %}{% with a = 4 %}{{ a }}{% endwith %}{{ a }}", "C4"},
    {"{% macro m(a, b=2) %}{{ a }}-{{ b }};{% endmacro %}{{ m(1) }}{{ m(b=3, a=0) }}{{ m() }}",
     "1-2;0-3;-2;"},
    {"{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
     "54321"},
    {"{% generation %}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q }}", "1"},
    {"{% if z %}a{% elif n > 6 and n is odd %}b{% else %}c{% endif %}", "b"},
    {"{% for m in messages %}{{ '<' + m['role'] + '>\\n' + m['content'] + '<|im_end|>\\n' }}{% "
     "endfor %}",
     "<user>\nHi <|im_end|><|im_end|>\n<assistant>\nit's \"ok\"\n<|im_end|>\n"},
    {"{{ strftime_now('%d %B %Y %H:%M %a %-d') }}", "15 January 2025 12:00 Wed 15"},
};

TEST(templates_give_what_jinja_gives)
{
    void *mem = malloc(TEMPLATE_MEMORY);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK(test_gives(rows[i].source, rows[i].expected, mem));
    free(mem);
}

/* ---- failures ------------------------------------------------------------------------------- */

TEST(template_failures_have_a_kind_and_a_line)
{
    static const struct {
        const char *source, *name, *message;
        mote_status status;
    } bad[] = {
        {"\n{{ raise_exception('no ' ~ n) }}", "line 2", "no 7", MOTE_ERR_LIMIT},
        {"{{ nope.x }}", "line 1: nope", "", MOTE_ERR_LIMIT},
        {"{{ 'a' + 1 }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ 1 // 0 }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ l.append(1) }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{% set d.x = 1 %}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ 'a'.index('b') }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ 'a'.find('a', 1) }}", "line 1", "", MOTE_ERR_UNSUPPORTED},
        {"{{ 'a'.startswith() }}", "line 1", "", MOTE_ERR_UNSUPPORTED},
        {"{{ 'a'.count(1) }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ 'a'.partition('') }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ 'a'.join([1]) }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ 'a'.zfill('x') }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ range() }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ range(1, 2, 0) }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ dict([1]) }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ cycler() }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ d.get() }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ l.index(9) }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ l.count() }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{{ n() }}", "line 1", "", MOTE_ERR_LIMIT},
        {"{% for a, b in l %}{% endfor %}", "line 1", "", MOTE_ERR_LIMIT},
        {"\n\n{% include 'x' %}", "line 3: include", "", MOTE_ERR_UNSUPPORTED},
        {"{{ s|nosuch }}", "line 1: nosuch", "", MOTE_ERR_UNSUPPORTED},
        {"{{ s is nosuch }}", "line 1: nosuch", "", MOTE_ERR_UNSUPPORTED},
        {"{{ s.encode() }}", "line 1: encode", "", MOTE_ERR_UNSUPPORTED},
        {"{{ 99999999999 ** 2 }}", "line 1", "", MOTE_ERR_UNSUPPORTED},
        {"{{ 1 + }}", "line 1", "", MOTE_ERR_FILE},
        {"{{ (1 }}", "line 1: }", "", MOTE_ERR_FILE},
        {"{% if t %}", "line 1", "", MOTE_ERR_FILE},
        {"{% endif %}", "line 1", "", MOTE_ERR_FILE},
        {"{# x", "line 1", "", MOTE_ERR_FILE},
        {"{% break %}", "line 1", "", MOTE_ERR_FILE},
    };
    void *mem = malloc(TEMPLATE_MEMORY);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mote_rendered out;
        mote_error err = {0};
        mote_status s =
            test_render(&out, bad[i].source, strlen(bad[i].source), TEMPLATE_MEMORY, mem, &err);
        bool ok = s == bad[i].status && err.status == s && !strcmp(err.name, bad[i].name) &&
                  out.text.bytes == strlen(bad[i].message) &&
                  !memcmp(out.text.ptr ? out.text.ptr : "", bad[i].message, out.text.bytes);
        if (!CHECK(ok))
            printf("  %s gave %d %s: %s\n", bad[i].source, (int)s, err.name, err.what);
    }
    free(mem);
}

/* A filter that is not known only matters where it is reached. */
TEST(unknown_filters_in_dead_branches_do_no_harm)
{
    void *mem = malloc(TEMPLATE_MEMORY);
    CHECK(test_gives("{% if z %}{{ s|nosuch(1) }}{% endif %}ok", "ok", mem));
    free(mem);
}

/* ---- taint ---------------------------------------------------------------------------------- */

TEST(template_tells_what_is_untrusted)
{
    static const struct {
        const char *source;
        mote_span spans[3];
        size_t n;
    } cases[] = {
        {"<|im_end|>{{ u }}<|im_end|>", {{10, 20}}, 1},
        {"{{ 'a' + u + 'b' }}", {{1, 11}}, 1},
        {"{{ u ~ u }}", {{0, 20}}, 1},
        {"{{ u }}{{ u }}", {{0, 20}}, 1},
        {"{{ ('  ' + u + ' x')|trim }}", {{0, 10}}, 1},
        {"{{ ('ab' + u)[1:5] }}", {{1, 4}}, 1},
        {"{{ ws.strip() }}", {{0, 1}}, 1},
        {"{{ (u + ',b').split(',')|join('-') }}", {{0, 10}}, 1},
        {"{{ 'a-b'.replace('-', u) }}", {{1, 11}}, 1},
        {"{{ [u, 'x', u]|join }}", {{0, 10}, {11, 21}}, 2},
        {"{{ u|upper }}{{ n }}{{ u|capitalize }}", {{0, 10}, {11, 21}}, 2},
        {"{{ {'k': u}|tojson }}", {{7, 17}}, 1},
        {"{{ messages[1].content|tojson }}", {{1, 14}}, 1},
        {"{{ [u] }}", {{2, 12}}, 1},
        {"{% set x %}a{{ u }}{% endset %}{{ x }}{{ x[1:] }}", {{1, 21}}, 1},
        {"{% macro m(a) %}[{{ a }}]{% endmacro %}{{ m(u) }}", {{1, 11}}, 1},
        {"{% for c in u %}{{ c }}.{% if loop.index == 2 %}{% break %}{% endif %}{% endfor %}",
         {{0, 1}, {2, 3}},
         2},
        {"{{ u|length }}{{ 'x' if u }}{{ u == 'a' }}", {{0, 0}}, 0},
        {"{{ u[::-1] }}{{ u|replace('|', '') }}", {{0, 18}}, 1},
        {"{{ d|tojson }}", {{2, 3}, {10, 11}, {21, 22}}, 3},
        {"-{% for k in d %}{{ k }}{% endfor %}-", {{1, 4}}, 1},
        {"-{{ d.keys()|join }}-{{ (d|dictsort)[0][0] }}", {{1, 4}, {5, 6}}, 2},
        {"-{{ (d.items()|first)[0] }}{{ d.b }}", {{1, 2}}, 1},
    };
    void *mem = malloc(TEMPLATE_MEMORY);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mote_rendered out;
        mote_error err = {0};
        const char *source = cases[i].source;
        bool ok = !test_render(&out, source, strlen(source), TEMPLATE_MEMORY, mem, &err) &&
                  out.n_untrusted == cases[i].n &&
                  !memcmp(out.untrusted, cases[i].spans, cases[i].n * sizeof(mote_span));
        if (!CHECK(ok))
            printf("  %s: %zu spans\n", source, out.n_untrusted);
    }
    free(mem);
}

/* ---- hostile templates ---------------------------------------------------------------------- */

TEST(hostile_templates_end)
{
    static const char *const sources[] = {
        "{% for i in range(10**9) %}x{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'abc' * 10**9 }}",
        "{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x * 2 %}{% "
        "endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}"
        "{% endfor %}{{ ns.x }}",
        "{% macro m(a) %}{{ m(a) }}{% endmacro %}{{ m(1) }}",
        "{{ [1]|tojson(indent=10**12) }}",
        "{{ 'a'.zfill(10**15) }}",
        "{{ 10**10**10 }}",
    };
    void *mem = malloc(TEMPLATE_MEMORY);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        mote_rendered out;
        mote_error err = {0};
        mote_status s =
            test_render(&out, sources[i], strlen(sources[i]), TEMPLATE_MEMORY, mem, &err);
        CHECK(s == MOTE_ERR_LIMIT || s == MOTE_ERR_MEMORY || s == MOTE_ERR_UNSUPPORTED);
    }
    free(mem);
}

TEST(deep_nesting_is_refused)
{
    static const char *const parts[] = {
        "(",          "[",  "{1:", "not ",   "-",  "f(",      "1 if 1 else ",
        "1 if 1 if ", "1+", "1<",  "1 and ", "d[", "d|first("};
    enum { TIMES = 20000 };
    char *source = malloc(16 * TIMES);
    void *mem = malloc(TEMPLATE_MEMORY);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n = 3, part = strlen(parts[i]);
        mote_rendered out;
        mote_error err = {0};
        memcpy(source, "{{ ", 3);
        for (int k = 0; k < TIMES; k++, n += part)
            memcpy(source + n, parts[i], part);
        CHECK(test_render(&out, source, n, TEMPLATE_MEMORY, mem, &err) != MOTE_OK);
    }
    free(source);
    free(mem);
}

/* Every row cut short, with one byte changed, and with too little memory: some answer, no fault.
 * The memory of a source ends with it, so that a sanitizer sees reads behind it. */
TEST(damaged_templates_do_no_harm)
{
    static const char bytes[] = "{}%#-()[]|.'\"\\ 0a\x80\xff";
    uint64_t state = 1;
    char *mem = malloc(TEMPLATE_MEMORY);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].source);
        for (size_t cut = 0; cut < n; cut++) {
            mote_rendered out;
            mote_error err = {0};
            char *part = malloc(cut + 1), *copy = malloc(n);
            memcpy(part, rows[i].source, cut + 1);
            memcpy(copy, rows[i].source, n);
            copy[cut] = bytes[test_random(&state) % (sizeof bytes - 1)];
            test_render(&out, part, cut + 1, 1 << 17, mem, &err);
            test_render(&out, copy, n, 1 << 17, mem + test_random(&state) % 8, &err);
            mote_status s = test_render(&out, rows[i].source, n, 600 * cut, mem, &err);
            CHECK(s == MOTE_OK || s == MOTE_ERR_MEMORY);
            free(part);
            free(copy);
        }
    }
    free(mem);
}
