/* test_template_rows.c: a row or more for each filter, test, method, operator and directive of a
 * date that templates know, most of them at their edges. All expected texts are Jinja2 3.1.6's and
 * Python's (strftime). Read test_template.c first. */
#include "tests/unit/templates.h"

static const struct {
    const char *source, *expected;
} rows[] = {
    {"{% for x in l %}{{ loop.first }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.index0 }}{{ "
     "loop.depth }}{{ loop.depth0 }} {% endfor %}",
     "True32010 False21110 False10210 "},
    {"{% set c = cycler('a', 'b') %}{{ c.current }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ "
     "c.current }}",
     "aabba"},
    {"{{ s.nope }}|{{ n.nope }}|{{ f.nope }}|{{ l[3] is defined }}|{{ l[2] }}|{{ l[-3] }}|{{ l[-4] "
     "is defined }}|{{ s[11] is defined }}|{{ s[10] }}|{{ s[-11] }}|{{ s[-12] is defined }}|{{ "
     "l[none] is defined }}",
     "|||False|2|3|False|False|d|h|False|False"},
    {"{{ l[-3:] }}{{ l[-4:] }}{{ l[:-3] }}{{ l[:-2] }}{{ l[3:] }}{{ l[2:] }}{{ l[5:1] }}{{ "
     "l[4::-1] }}{{ l[2::-1] }}{{ l[-9::-1] }}{{ l[::4] }}{{ l[::-4] }}{{ l[:true] }}",
     "[3, 1, 2][3, 1, 2][][3][][2][][2, 1, 3][2, 1, 3][][3][2][3]"},
    {"{{ (1, 2, 3)[1:] }}{{ (1, 2, 3)[::-2] }}{{ range(9)[2:8:3]|list }}{{ 'abcdef'[-2:0:-2] }}{{ "
     "'abcdef'[10**15:] }}|{{ 'abcdef'[:10**15:10**15] }}|{{ 'abcdef'[::-10**15] }}",
     "(2, 3)(3, 1)[2, 5]ec|a|f"},
    {"{% for x in l %}{{ loop.cycle('a', 'b', 'c') }}{% endfor %}", "abc"},
    {"{{ joiner() is defined }}{% set j = joiner() %}{{ j() }}{{ j() }}{{ j() }}", "True, , "},
    {"{{ strftime_now('%c|%x|%D|%F|%R|%r|%X|%T|%h') }}",
     "Wed Jan 15 12:00:00 2025|01/15/25|01/15/25|2025-01-15|12:00|12:00:00 "
     "PM|12:00:00|12:00:00|Jan"},
    {"{{ strftime_now('%C %y %m %e %k %I %l %M %S %f %j %u %w %p %A %B %Z%z%%') }}",
     "20 25 01 15 12 12 12 00 00 000000 015 3 3 PM Wednesday January %"},
    {"{{ strftime_now('%-m %-d %-H %-I %-M %-S %-j %-y') }}{{ strftime_now('') }}{{ "
     "strftime_now('plain') }}{{ strftime_now('a%nb%tc') }}",
     "1 15 12 12 0 0 15 25plaina\nb\tc"},
    {"{{ '3.7'|float }} {{ '-2.5'|float }} {{ '+2.5'|float }} {{ 3|float }} {{ 2.5|float }} {{ "
     "z|float }} {{ l|float(9.5) }} {{ 'x'|float(1) }} {{ true|float }} {{ ''|float }} {{ "
     "'1e3'|float }} {{ '1.5x'|float(-1) }}",
     "3.7 -2.5 2.5 3.0 2.5 0.0 9.5 1 1.0 0.0 1000.0 -1"},
    {"{{ '12'|int }} {{ '-12'|int }} {{ '+12'|int }} {{ '0x1F'|int(0, 16) }} {{ '1f'|int(0, 16) }} "
     "{{ '1F'|int(0, 16) }} {{ '1g'|int(7, 16) }} {{ '777'|int(0, 8) }} {{ '778'|int(5, 8) }} {{ "
     "'101'|int(0, 2) }} {{ 'zz'|int(0, 36) }} {{ true|int }} {{ 3.99|int }} {{ -3.99|int }} {{ "
     "z|int(4) }} {{ ''|int(3) }} {{ '-'|int(2) }} {{ '-3.9'|int }}",
     "12 -12 12 31 31 31 7 511 778 5 1295 1 3 -3 4 3 2 -3"},
    {"{{ '9223372036854775807'|int }} {{ '-9223372036854775808'|int }}",
     "9223372036854775807 -9223372036854775808"},
    {"{{ 5|abs }} {{ 0|abs }} {{ -2.5|abs }} {{ 2.5|abs }} {{ true|abs }}", "5 0 2.5 2.5 1"},
    {"{{ 42.55|round(1, 'floor') }} {{ 42.51|round(1, 'ceil') }} {{ -42.55|round(1, 'ceil') }} {{ "
     "-42.55|round(1, 'floor') }} {{ 42|round(0, 'ceil') }} {{ 1234.5|round(-2, 'floor') }} {{ "
     "1234.5|round(-2, 'ceil') }} {{ 42.0|round(0, 'floor') }} {{ 42.0|round(0, 'ceil') }}",
     "42.5 42.6 -42.5 -42.6 42.0 1200.0 1300.0 42.0 42.0"},
    {"{{ 42|round }} {{ 0.5|round }} {{ 1.5|round }} {{ 2.5|round }} {{ -0.5|round }} {{ "
     "-1.5|round }} {{ 1234.5|round(-2) }} {{ 1250.0|round(-2) }} {{ 2.675|round(2) }} {{ "
     "1e300|round(2) }} {{ 0.125|round(2) }} {{ 0.375|round(2) }}",
     "42 0.0 2.0 2.0 -0.0 -2.0 1200.0 1200.0 2.67 1e+300 0.12 0.38"},
    {"{{ \"a b_c 1d-e \xc3\xa9\"|wordcount }} {{ \"\"|wordcount }} {{ \"_\"|wordcount }} {{ "
     "\"\xe2\x80\xa6"
     "a\"|wordcount }} {{ \"A-Z z0 9\"|wordcount }}",
     "5 0 1 1 4"},
    {"{{ \"a\\n\\nb\"|indent }}|{{ \"a\\nb\"|indent(2, true) }}|{{ \"a\\n\\nb\"|indent(2, false, "
     "true) }}|{{ \"a\\nb\"|indent('> ') }}|{{ \"a\\nb\\n\"|indent(1) }}|{{ \"\"|indent(2) }}|{{ "
     "\"\\nb\"|indent(3, first=true) }}|{{ \"a\"|indent(0) }}",
     "a\n\n    b|  a\n  b|a\n  \n  b|a\n> b|a\n b\n||   \n   b|a"},
    {"{{ 'aaa'|replace('a', 'b', 2) }} {{ 'aaa'|replace('a', 'b', 0) }} {{ 'aaa'|replace('aa', '') "
     "}} {{ 12321|replace('2', 'x') }}",
     "bba aaa a 1x3x1"},
    {"{{ d|items|list }} {{ nope|items|list }} {{ {}|items|list }} {{ 'AbC'|lower }} {{ "
     "'x'|attr('y') is defined }} {{ n|string }} {{ n|string is string }} {{ 'a b'|list }} {{ "
     "d|list }}",
     "[('b', 1), ('a', None), ('c', True)] [] [] abc False 7 True ['a', ' ', 'b'] ['b', 'a', 'c']"},
    {"{{ ''|default('e') }}|{{ ''|default('e', true) }}|{{ 0|default(5, boolean=true) }}|{{ "
     "z|default(1) }}|{{ z|default(1, true) }}|{{ nope|default }}|{{ 'x'|default('e', true) }}",
     "|e|5|None|1||x"},
    {"{{ nope is undefined }} {{ n is undefined }} {{ s is iterable }} {{ l is iterable }} {{ d is "
     "iterable }} {{ n is iterable }} {{ s is sequence }} {{ l is sequence }} {{ d is sequence }} "
     "{{ n is sequence }} {{ n is number }} {{ f is number }} {{ t is number }} {{ s is number }} "
     "{{ t is boolean }} {{ n is boolean }} {{ t is true }} {{ 1 is true }} {{ false is true }} {{ "
     "false is false }} {{ 0 is false }} {{ range is callable }} {{ s.upper is callable }} {{ n is "
     "callable }} {{ nope is callable }} {{ z is not none }} {{ n is integer }} {{ t is integer }} "
     "{{ f is integer }} {{ l is mapping }}",
     "True False True True True False True True True False True True True False True False True "
     "False False True False True True False True False True False False False"},
    {"{{ 'ab' is lower }} {{ 'aB' is lower }} {{ 'AB' is upper }} {{ 'Ab' is upper }} {{ n is even "
     "}} {{ 8 is even }} {{ 8 is odd }} {{ 9 is divisibleby(3) }} {{ 9 is divisibleby(2) }} {{ l "
     "is sameas(l) }} {{ [1] is sameas([1]) }} {{ n is sameas(7) }} {{ z is sameas(none) }} {{ "
     "true is sameas(true) }}",
     "True False True False False True False True False True False True True True"},
    {"{{ 1 is eq 1 }} {{ 1 is ne 1 }} {{ 1 is lt 2 }} {{ 2 is lt 2 }} {{ 2 is le 2 }} {{ 3 is le 2 "
     "}} {{ 3 is gt 2 }} {{ 2 is gt 2 }} {{ 2 is ge 2 }} {{ 1 is ge 2 }} {{ 1 is in [1, 2] }} {{ 3 "
     "is in [1, 2] }} {{ 1 is equalto(1) }} {{ 2 is greaterthan 1 }} {{ 1 is lessthan(2) }}",
     "True False True False True False True False True False True False True True True"},
    {"{{ l|reject('odd')|list }} {{ l|select('gt', 1)|list }} {{ [0, 1, '', 'a', none]|select|list "
     "}} {{ [0, 1, '', 'a']|reject|list }} {{ messages|rejectattr('role', 'eq', "
     "'user')|map(attribute='role')|list }} {{ messages|selectattr('nope')|list }} {{ "
     "messages|selectattr('role')|list|length }} {{ messages|rejectattr('nope', "
     "'defined')|list|length }} {{ messages|map(attribute='nope', default='D')|list }} {{ "
     "messages|map(attribute='role', default='D')|list }} {{ [[1, 2], [3, "
     "4]]|map(attribute=1)|list }} {{ [[1, 2], [3, 4]]|map('last')|list }} {{ [[1, 2], "
     "[3]]|map('sum')|list }} {{ [{'a': [5, 6]}]|map(attribute='a.1')|list }} {{ ['a', "
     "'b']|map('replace', 'a', 'c')|list }} {{ [1.25, 2.35]|map('round', 1)|list }}",
     "[2] [3, 2] [1, 'a'] [0, ''] ['assistant'] [] 2 2 ['D', 'D'] ['user', 'assistant'] [2, 4] [2, "
     "4] [3, 3] [6] ['c', 'b'] [1.2, 2.4]"},
    {"{{ 'ab'.endswith('') }} {{ ''.endswith('a') }} {{ '\xc3\x80"
     "B'.isupper() }} {{ '\xc3\xa0"
     "b'.islower() }} {{ '\xc3\xa9"
     "a'.isalpha() }} {{ '\xc3\xa9"
     "1'.isalnum() }} {{ '1a'.isdigit() }} {{ ''.isalpha() }} {{ 'abc'.count('bc') }} {{ "
     "''.count('') }} {{ 'aaa'.count('a') }} {{ ''.zfill(2) }} {{ 'a'.zfill(1) }} {{ 'ab'.zfill(1) "
     "}} {{ 'a'.zfill(2) }} {{ '-'.zfill(2) }}|{{ 'a'.upper() }}",
     "True False True True True True False False 1 1 3 00 a ab 0a -0|A"},
    {"{{ 1.0 }} {{ -0.0 }} {{ 123456789.125 }} {{ 1e15 }} {{ 9999999999999998.0 }} {{ 1e17 }} {{ "
     "1.5e300 }} {{ 0.0001 }} {{ 0.00012345 }} {{ 0.00001 }} {{ 1.2345e-7 }} {{ "
     "12345678901234567.0 }} {{ 1e22 }} {{ 5e-324 }} {{ 1.7976931348623157e308 }} {{ "
     "2.2250738585072014e-308 }} {{ 0.1 }} {{ 100.5 }} {{ 1e999 }} {{ -1e999 }} {{ 1e999 - 1e999 "
     "}}",
     "1.0 -0.0 123456789.125 1000000000000000.0 9999999999999998.0 1e+17 1.5e+300 0.0001 "
     "0.00012345 1e-05 1.2345e-07 1.2345678901234568e+16 1e+22 5e-324 1.7976931348623157e+308 "
     "2.2250738585072014e-308 0.1 100.5 inf -inf nan"},
    {"{{ True }} {{ False }} {{ None }} {{ true }} {{ false }} {{ none }} {{ 1_000 }} {{ 1_0.5 }} "
     "{{ 1E2 }} {{ 1e+2 }} {{ 12e-1 }}",
     "True False None True False None 1000 10.5 100.0 100.0 1.2"},
    {"{{ 'y' if 1.5 }}{{ 'n' if 0.0 }}{{ 'y' if [1] }}{{ 'n' if [] }}{{ 'y' if (1,) }}{{ 'n' if () "
     "}}{{ 'y' if {'a': 1} }}{{ 'n' if {} }}{{ 'n' if range(0) }}{{ 'y' if range(1) }}{{ 'y' if "
     "range }}{{ 'n' if '' }}{{ 'n' if nope }}{{ 'y' if 'a' }}{{ 'y' if loop is undefined }}{{ 'n' "
     "if d.nope }}{{ 'y' if d }}",
     "yyyyyyyyy"},
    {"{{ 1.5 < 2 }} {{ 2 < 1.5 }} {{ 1 == 1.0 }} {{ 1.5 == 1.5 }} {{ 1.0 != 1 }} {{ true == 1 }} "
     "{{ none == none }} {{ none == 0 }} {{ 'a' == 1 }} {{ nope == nope2 }} {{ [1, 2] == [1, 2] }} "
     "{{ [1, 2] == [1, 3] }} {{ [1] == [1, 2] }} {{ [1] == (1,) }} {{ {'a': 1} == {'a': 1} }} {{ "
     "{'a': 1} == {'b': 1} }} {{ {'a': 1} == {'a': 2} }} {{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} "
     "}} {{ [[1, [2]]] == [[1, [2]]] }} {{ [[1, [2]]] == [[1, [3]]] }}",
     "True False True True False True True False False True True False False False True False "
     "False True True False"},
    {"{{ 'b' > 'a' }} {{ 'a' < 'ab' }} {{ 'ab' < 'a' }} {{ '' < 'a' }} {{ 'a' <= 'a' }} {{ 'a' >= "
     "'b' }} {{ [1, 2] < [1, 3] }} {{ [1, 2] < [1, 2, 0] }} {{ [2] < [1, 9] }} {{ (1, 2) > (1, 1) "
     "}} {{ [1] <= [1] }} {{ ['b'] > ['a'] }} {{ 1e999 > 5 }}",
     "True True False True True False True True False True True True True"},
    {"{{ 'b' in d }} {{ 'x' in d }} {{ 'b' not in d }} {{ 3 in l }} {{ 4 in l }} {{ '' in 'a' }} "
     "{{ 'lo w' in 'hello world' }} {{ 1 in (1, 2) }} {{ none in [none] }} {{ 1.0 in l }} {{ true "
     "in l }} {{ 5 in range(6) }} {{ 6 in range(6) }} {{ 'x' in nope }} {{ [1] in [[1]] }} {{ 1 in "
     "{1: 2} }}",
     "True False False True False True True True True True True True False False True True"},
    {"{{ 2 ** 0 }} {{ 2 ** -1 }} {{ 2.0 ** 3 }} {{ 4 ** -2 }} {{ (-2) ** 3 }} {{ 0 ** 0 }} {{ 2 ** "
     "62 }} {{ 1 ** 99999 }} {{ (-1) ** 3 }}",
     "1 0.5 8.0 0.0625 -8 1 4611686018427387904 1 -1"},
    {"{{ 7 // -1 }} {{ 7 % -1 }} {{ -7 // -2 }} {{ -7 % -3 }} {{ 7 % -3 }} {{ 6 % 3 }} {{ 6 // 3 "
     "}} {{ -6 // 3 }} {{ -6 % 3 }} {{ 0 // 5 }} {{ 7.5 // 2 }} {{ -7.5 // 2 }} {{ 7.5 // -2 }} {{ "
     "6.0 // 2 }} {{ 7.5 * 2 }} {{ 7.5 + 2 }} {{ 7.5 - 2 }} {{ 2 - 7.5 }} {{ 7.5 / 2 }} {{ 6 / 3 "
     "}} {{ true + true }} {{ -true }} {{ +n }} {{ -f }} {{ - -n }} {{ not n }}",
     "-7 0 3 -1 -2 0 2 -2 0 0 3.0 -4.0 -4.0 3.0 15.0 9.5 5.5 -5.5 3.75 2.0 2 -1 7 -2.5 7 False"},
    {"{{ 9223372036854775806 + 1 }} {{ -9223372036854775807 - 1 }} {{ 4611686018427387903 * 2 }} "
     "{{ -4611686018427387904 * 2 }} {{ 3037000499 ** 2 }} {{ 9223372036854775807 // 1 }} {{ "
     "-9223372036854775807 // -1 }}",
     "9223372036854775807 -9223372036854775808 9223372036854775806 -9223372036854775808 "
     "9223372030926249001 9223372036854775807 9223372036854775807"},
    {"{{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ 'ab' * 0 }}|{{ 'ab' * -1 }}|{{ [1, 2] * 2 }} {{ 2 * [1] }} "
     "{{ [1] * 0 }} {{ (1,) * 2 }} {{ [1] + [2, 3] }} {{ (1,) + (2,) }} {{ [] + [] }} {{ true * 3 "
     "}} {{ 'a' ~ 1 ~ none ~ 2.5 ~ true ~ [1] }} {{ ([1] + l)|length }}",
     "ababab ababab ||[1, 2, 1, 2] [1, 1] [] (1, 1) [1, 2, 3] (1, 2) [] 3 a1None2.5True[1] 4"},
    {"{{ [1e999, -1e999]|tojson }} {{ [0.5, 1e16, 3.0, none, true, false]|tojson }} {{ {1: 2, "
     "none: 3, true: 4, 1.5: 6}|tojson }} {{ (1, (2,))|tojson }} {{ []|tojson }} {{ {}|tojson }} "
     "{{ ''|tojson }} {{ range(2)|list|tojson }} {{ [[]]|tojson(indent=1) }} {{ {'a': {'b': [1, "
     "2]}}|tojson(indent=1) }} {{ {'a': 1}|tojson(indent='--') }} {{ [1, 2]|tojson(separators=(' , "
     "', ' : ')) }}",
     "[Infinity, -Infinity] [0.5, 1e+16, 3.0, null, true, false] {\"1\": 4, \"null\": 3, \"1.5\": "
     "6} [1, [2]] [] {} \"\" [0, 1] [\n []\n] {\n \"a\": {\n  \"b\": [\n   1,\n   2\n  ]\n }\n} "
     "{\n--\"a\": 1\n} [1 , 2]"},
    {"{{ \"\\r\\t\\b\\f\\n\\\"\\\\\\x01\\x7f/'\"|tojson }} {{ "
     "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\u2028\"|tojson(ensure_ascii=true) }} {{ "
     "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\u2028\\x7f\"|tojson }} {{ [{'b': 1, 'a': {'d': 1, "
     "'c': 2}}]|tojson(sort_keys=true) }}",
     "\"\\r\\t\\b\\f\\n\\\"\\\\\\u0001\x7f/'\" \"\\u00e9\\u20ac\\ud83d\\ude00\\u2028\" "
     "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xe2\x80\xa8\x7f\" [{\"a\": {\"c\": 2, \"d\": 1}, "
     "\"b\": 1}]"},
    {"{{ [\"\\r\\t\\b\\f\\n\\\\\", \"a'b\", 'a\"b', \"a'b\\\"c\", \"\\x01\\x7f\", \"\xc3\xa9\", "
     "\"\\xa0\\xad\", \"\xe2\x82\xac\\u200b\\u2028\", \"\xf0\x9f\x98\x80\", \"\\U000e0001\", "
     "\"\\ue000\", \"\\ufffe\"] }} {{ ['\\x1b\\x80\\x9f\\xa1'] }} {{ [\"\\u0378\"] if false }}",
     "['\\r\\t\\x08\\x0c\\n\\\\', \"a'b\", 'a\"b', 'a\\'b\"c', '\\x01\\x7f', '\xc3\xa9', "
     "'\\xa0\\xad', '\xe2\x82\xac\\u200b\\u2028', '\xf0\x9f\x98\x80', '\\U000e0001', '\\ue000', "
     "'\\ufffe'] ['\\x1b\\x80\\x9f\xc2\xa1'] "},
    {"{{ range(3) }} {{ range(1, 3) }} {{ range(0, 6, 2) }} {{ [range(2)] }} {{ range(5, 0, "
     "-2)|length }} {{ range(5, 0, -2)[1] }} {{ range(0, 7, 2)|last }} {{ range(0)|list }} {{ "
     "range(-3)|list }} {{ range(1, 8, 3)|list }} {{ range(1, 7, 3)|list }}",
     "range(0, 3) range(1, 3) range(0, 6, 2) [range(0, 2)] 3 3 6 [] [] [1, 4, 7] [1, 4]"},
    {"{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b is defined }}{% for a, b in "
     "[[1, 2], (3, 4), 'xy'] %}{{ a }}{{ b }} {% endfor %}",
     "1False12 34 xy "},
    {"{% for x in [1, 2] %}{% set q %}{{ x }}{% if x == 1 %}{% continue %}{% endif %}c{% endset "
     "%}{{ q }}{% endfor %}|{% for x in [1, 2] %}{% filter upper %}a{% if x == 1 %}{% break %}{% "
     "endif %}{% endfilter %}{% endfor %}|{% for x in [1, 2] %}{% with y = x %}{% if y == 1 %}{% "
     "continue %}{% endif %}{{ y }}{% endwith %}{% endfor %}",
     "2c||2"},
    {"{% for k in d %}{{ k }}{% endfor %}{% for x in 'h\xc3\xa9' %}[{{ x }}]{% endfor %}{% for x "
     "in (1, 2) %}{{ x }}{% endfor %}{% for x in nope %}{% else %}E{% endfor %}{% for x in "
     "range(2) %}{{ x }}{% endfor %}{% for a in l %}{% for b in l %}{{ loop.index }}{{ loop.depth "
     "}}{% endfor %}{{ loop.index }}{% endfor %}",
     "bac[h][\xc3\xa9]12E01112131111213121121313"},
    {"{{ l|sort(reverse=true) }} {{ ['b', 'A', 'c']|sort }} {{ ['b', 'A', "
     "'c']|sort(case_sensitive=true) }} {{ ['b', 'A', 'c']|sort(true) }} {{ "
     "messages|sort(attribute='role')|map(attribute='role')|list }} {{ [[2, 'a'], [1, 'b']]|sort "
     "}} {{ [[2, 'a'], [1, 'b'], [1, 'a']]|sort(attribute=0) }} {{ [{'a': {'b': 2}}, {'a': {'b': "
     "1}}]|sort(attribute='a.b') }} {{ []|sort }} {{ [1]|sort }} {{ [2, 1]|sort }} {{ [5, 4, 3, 2, "
     "1, 0, 9, 8, 7, 6]|sort }} {{ ['a', 'A', 'b', 'B', 'a']|sort }} {{ 'hello'|sort }} {{ d|sort "
     "}}",
     "[3, 2, 1] ['A', 'b', 'c'] ['A', 'b', 'c'] ['c', 'b', 'A'] ['assistant', 'user'] [[1, 'b'], "
     "[2, 'a']] [[1, 'b'], [1, 'a'], [2, 'a']] [{'a': {'b': 1}}, {'a': {'b': 2}}] [] [1] [1, 2] "
     "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9] ['a', 'A', 'a', 'b', 'B'] ['e', 'h', 'l', 'l', 'o'] ['a', "
     "'b', 'c']"},
    {"{{ l|min }} {{ l|max }} {{ w|min }} {{ w|max }} {{ ['b', 'A']|min }} {{ ['b', "
     "'A']|min(case_sensitive=true) }} {{ messages|max(attribute='role') == messages[0] }} {{ "
     "messages|min(attribute='role') == messages[1] }} {{ []|min }}|{{ []|max }}|{{ [2.5, 2]|min "
     "}} {{ [2.5, 3]|max }} {{ [1, 1.0]|max }} {{ 'hello'|max }}",
     "1 3 apple Banana A A True True ||2 3 1 o"},
    {"{{ l|sum }} {{ [1.5, 2]|sum }} {{ []|sum }} {{ []|sum(start=5) }} {{ [1]|sum(start=5) }} {{ "
     "[{'a': 1}, {'a': 2}]|sum(attribute='a') }} {{ [{'a': 1}, {'a': 2}]|sum('a', 10) }} {{ ['a', "
     "'b']|join }} {{ [1, none, 2.5]|join('+') }} {{ messages|join(',', attribute='role') }} {{ "
     "'abc'|join('-') }} {{ []|join('x') }}|{{ ['a']|join('x') }}",
     "6 3.5 0 5 6 3 13 ab 1+None+2.5 user,assistant a-b-c |a"},
    {"{{ [1, 1, 2, 1]|unique|list }} {{ ['a', 'A', 'b']|unique|list }} {{ ['a', 'A', "
     "'b']|unique(true)|list }} {{ [{'a': 1}, {'a': 1}, {'a': "
     "2}]|unique(attribute='a')|list|length }} {{ []|unique|list }} {{ 'hello'|reverse }} {{ "
     "'h\xc3\xa9'|reverse }} {{ ''|reverse }}|{{ (1, 2)|reverse|list }} {{ 'abc'|first }} {{ "
     "'abc'|last }} {{ []|first is defined }} {{ []|last is defined }} {{ ''|first is defined }} "
     "{{ '\xc3\xa9'|first }} {{ d|first }}",
     "[1, 2] ['a', 'b'] ['a', 'A', 'b'] 2 [] olleh \xc3\xa9h |[2, 1] a c False False False "
     "\xc3\xa9 b"},
    {"{{ d|dictsort(by='value', reverse=true) if false }}{{ {'b': 2, 'A': 1, 'c': 0}|dictsort }} "
     "{{ {'b': 2, 'A': 1, 'c': 0}|dictsort(true) }} {{ {'b': 2, 'A': 1, 'c': "
     "0}|dictsort(by='value') }} {{ {'b': 2, 'A': 1, 'c': 0}|dictsort(false, 'value', true) }} {{ "
     "{'b': 2, 'A': 1}|dictsort(reverse=true) }} {{ {}|dictsort }} {{ d|count }} {{ "
     "'\xc3\xa9'|length }} {{ ()|length }} {{ [1, 2]|count }}",
     "[('A', 1), ('b', 2), ('c', 0)] [('A', 1), ('b', 2), ('c', 0)] [('c', 0), ('A', 1), ('b', 2)] "
     "[('b', 2), ('A', 1), ('c', 0)] [('b', 2), ('A', 1)] [] 3 1 0 2"},
    {"{{ 'a b  c'.split() }} {{ ' a b '.split() }} {{ 'a b c'.split(none, 1) }} {{ ''.split() }} "
     "{{ ' '.split() }} {{ ''.split(',') }} {{ ','.split(',') }} {{ 'a,,b'.split(',') }} {{ "
     "'a,b,c'.split(',', 0) }} {{ 'a,b,c'.split(',', 2) }} {{ 'a,b,c'.split(',', 3) }} {{ "
     "'a--b'.split('--') }} {{ 'a  b c '.split(none, 1) }} {{ 'a b'.split(none, 0) }} {{ 'a "
     "b'.split(maxsplit=1) }} {{ 'a,b,c'.split(',', -1) }} {{ 'a,b'.split(',')[0] }}",
     "['a', 'b', 'c'] ['a', 'b'] ['a', 'b c'] [] [] [''] ['', ''] ['a', '', 'b'] ['a,b,c'] ['a', "
     "'b', 'c'] ['a', 'b', 'c'] ['a', 'b'] ['a', 'b c '] ['a b'] ['a', 'b'] ['a', 'b', 'c'] a"},
    {"{{ 'a,b,c'.rsplit(',') }} {{ 'a,b,c'.rsplit(',', 2) }} {{ 'a,b,c'.rsplit(',', 0) }} {{ "
     "'a,b,c'.rsplit(',', 3) }} {{ 'a--b--c'.rsplit('--', 1) }} {{ ''.rsplit(',', 1) }} {{ 'a "
     "b'.rsplit() }} {{ 'aaa'.rsplit('aa', 1) }}",
     "['a', 'b', 'c'] ['a', 'b', 'c'] ['a,b,c'] ['a', 'b', 'c'] ['a--b', 'c'] [''] ['a', 'b'] "
     "['a', '']"},
    {"{{ 'abab'.rfind('ab') }} {{ 'abab'.rfind('') }} {{ ''.rfind('a') }} {{ ''.find('') }} {{ "
     "'a'.rfind('ab') }} {{ '\xc3\xa9"
     "a\xc3\xa9"
     "a'.rfind('a') }} {{ '\xc3\xa9"
     "a'.find('a') }} {{ 'abab'.find('ab') }} {{ 'abc'.find('c') }} {{ 'abc'.find('cd') }} {{ "
     "'aab'.find('ab') }} {{ 'ab'.rpartition('b') }} {{ 'a.b.c'.rpartition('.') }} {{ "
     "'ab'.partition('a') }}",
     "2 4 -1 0 -1 3 1 0 2 -1 1 ('a', 'b', '') ('a.b', '.', 'c') ('', 'a', 'b')"},
    {"{{ \"a\\nb\\r\\nc\\rd\\x0be\\x0cf\\x1cg\\x85h\\u2028i\\u2029\".splitlines() }} {{ "
     "\"a\\r\\nb\\n\".splitlines(true) }} {{ \"\".splitlines() }} {{ \"\\n\".splitlines() }} {{ "
     "\"a\\r\".splitlines(true) }} {{ \"\\r\\n\\r\\n\".splitlines() }}",
     "['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'] ['a\\r\\n', 'b\\n'] [] [''] ['a\\r'] ['', '']"},
    {"{{ 'xxabxx'.strip('x') }} {{ 'xxabxx'.lstrip('x') }} {{ 'xxabxx'.rstrip('x') }} {{ "
     "'xyabyx'.strip('xy') }} {{ ''.strip() }}|{{ '   '.strip() }}|{{ 'xxx'.strip('x') }}|{{ ' a "
     "'|trim }}|{{ 'xax'|trim('x') }}|{{ '\xc3\xa9"
     "a\xc3\xa9'.strip('\xc3\xa9') }}|{{ ' a'.strip(none) }}|{{ 'ab'.strip('') }}|{{ "
     "'a\\x1c'.strip() }}|{{ '\\u2003a\\u2003'.strip() }}|{{ '\\u200ba'.strip()|length }}|{{ "
     "'\\x08a'.strip()|length }}|{{ '\\x0ea'.strip()|length }}|{{ '\\x1ba'.strip()|length }}|{{ "
     "'\\x21a'.strip()|length }}|{{ '\\u1680a\\u205f'.strip() }}|{{ "
     "'\\u2000\\u200aa\\u202f'.strip() }}|{{ '\\u1fff\\u200b'.strip()|length }}",
     "ab abxx xxab ab |||a|a|a|a|ab|a|a|2|2|2|2|2|a|a|2"},
    {"{{ 'AZaz[`@{'.lower() }} {{ 'AZaz[`@{'.upper() }} {{ "
     "'\xc3\x80\xc3\x96\xc3\x97\xc3\x98\xc3\x9e\xc3\x9f\xc3\xb7\xc3\xa0\xc3\xb6\xc3\xb8\xc3\xbe\xc3"
     "\xbf'.lower() }} {{ "
     "'\xc3\x80\xc3\x96\xc3\x97\xc3\x98\xc3\x9e\xc3\xb7\xc3\xa0\xc3\xb6\xc3\xb8\xc3\xbe\xc3\xbf'."
     "upper() }} {{ '\xce\x91\xce\xa1\xce\xa3\xce\xa9\xce\xb1\xcf\x81\xcf\x83\xcf\x82'.lower() }} "
     "{{ '\xce\xb1\xcf\x81\xcf\x83\xcf\x82\xcf\x89'.upper() }} {{ "
     "'\xd0\x80\xd0\x8f\xd0\x90\xd0\xaf\xd1\x90\xd1\x9f\xd0\xb0\xd1\x8f'.lower() }} {{ "
     "'\xd0\x80\xd0\x8f\xd0\x90\xd0\xaf\xd1\x90\xd1\x9f\xd0\xb0\xd1\x8f'.upper() }} {{ "
     "'\xc4\x80\xc4\xb6\xc4\xb7\xc4\x81\xc5\x8a\xc5\xb6\xc5\xb7\xc5\x8b'.lower() }} {{ "
     "'\xc4\x80\xc4\xb6\xc4\xb7\xc4\x81\xc5\x8a\xc5\xb6\xc5\xb7\xc5\x8b'.upper() }}",
     "azaz[`@{ AZAZ[`@{ "
     "\xc3\xa0\xc3\xb6\xc3\x97\xc3\xb8\xc3\xbe\xc3\x9f\xc3\xb7\xc3\xa0\xc3\xb6\xc3\xb8\xc3\xbe\xc3"
     "\xbf "
     "\xc3\x80\xc3\x96\xc3\x97\xc3\x98\xc3\x9e\xc3\xb7\xc3\x80\xc3\x96\xc3\x98\xc3\x9e\xc5\xb8 "
     "\xce\xb1\xcf\x81\xcf\x83\xcf\x89\xce\xb1\xcf\x81\xcf\x83\xcf\x82 "
     "\xce\x91\xce\xa1\xce\xa3\xce\xa3\xce\xa9 "
     "\xd1\x90\xd1\x9f\xd0\xb0\xd1\x8f\xd1\x90\xd1\x9f\xd0\xb0\xd1\x8f "
     "\xd0\x80\xd0\x8f\xd0\x90\xd0\xaf\xd0\x80\xd0\x8f\xd0\x90\xd0\xaf "
     "\xc4\x81\xc4\xb7\xc4\xb7\xc4\x81\xc5\x8b\xc5\xb7\xc5\xb7\xc5\x8b "
     "\xc4\x80\xc4\xb6\xc4\xb6\xc4\x80\xc5\x8a\xc5\xb6\xc5\xb6\xc5\x8a"},
    {"{{ 'hello-world foo_bar (baz [x {y <z'|title }} {{ \"it's 3d\"|title }} {{ "
     "'HELLO'|capitalize }} {{ '\xc3\xa9"
     "a'|capitalize }} {{ ''|capitalize }}|{{ ''|title }}|{{ 'ab cd'.title() }} {{ \"it's "
     "3d\".title() }} {{ 'a\xc3\x9f'.upper() }} {{ 'ab'.capitalize() }}",
     "Hello-World Foo_bar (Baz [X {Y <Z It's 3d Hello \xc3\x89"
     "a ||Ab Cd It'S 3D ASS Ab"},
    {"{{ '\\x41\\u00e9\\U0001F600\\101\\7\\n\\t\\r\\b\\f\\v\\a\\\\\\'\\\"\\q' }}|{{ 'a\\\nb' }}|{{ "
     "'\\U0001f600\\u0041'|length }} {{ '\\u20ac' }}",
     "A\xc3\xa9\xf0\x9f\x98\x80"
     "A\x07\n\t\r\x08\x0c\x0b\x07\\'\"\\q|ab|2 \xe2\x82\xac"},
    {"{{ '\xc3\xa9'[0] }} {{ '\xe2\x82\xac\xc3\xa9'[1] }} {{ '\xf0\x9f\x98\x80"
     "a'[1] }} {{ '\xf0\x9f\x98\x80'|length }} {{ 'a\xf0\x9f\x98\x80\xc3\xa9\xe2\x82\xac'[::-1] }} "
     "{{ 'a\xf0\x9f\x98\x80\xc3\xa9\xe2\x82\xac'[1:3] }}",
     "\xc3\xa9 \xc3\xa9 a 1 \xe2\x82\xac\xc3\xa9\xf0\x9f\x98\x80"
     "a \xf0\x9f\x98\x80\xc3\xa9"},
    {"{% macro m(a, b='x', c=none) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 2) }} "
     "{{ m(1, 2, 3) }} {{ m(1, c=3) }}{% macro k() %}K{% endmacro %}{{ k() ~ k() }}",
     "1xNone 12None 123 1x3KK"},
    {"{% if n == 7 and not z and (t or nope.x) %}A{% elif t %}B{% else %}C{% endif %}{% if z %}A{% "
     "elif z %}B{% else %}C{% endif %}{% if z %}{% elif t %}B{% endif %}{% if z %}x{% endif %}",
     "ACB"},
    {"{% set a, b = (1, 2) %}{{ a }}{{ b }}{% set a = b %}{{ a }}{% set x = namespace(v=[1, 2]) "
     "%}{{ x.v[1] }}{% with %}{% set n = 1 %}{{ n }}{% endwith %}{{ n }}{% with a = 1, b = 2 %}{{ "
     "a + b }}{% endwith %}",
     "1222173"},
    {"{{ 1 < 2 > 1 }} {{ 1 < 2 < 2 }} {{ 1 == 1 != 2 }} {{ 3 > 2 > 1 > 0 }} {{ 1 < 3 > 2 < 1 }} {{ "
     "1 in [1] in [[1]] }} {{ 5 > 4 >= 4 <= 4 == 4 }}",
     "True False True True False True True"},
    {"{{ 'a' if t else nope.x.y }} {{ t or nope.x }} {{ z and nope.x }} {{ [] or 'd' }} {{ 'x' and "
     "'y' }} {{ 0 or 0.0 or '' or 'last' }} {{ (n if t) }}",
     "a True None d y last 7"},
    {"{{ messages[0]['role'] }} {{ messages[0].role }} {{ messages[-1]['role'] }} {{ "
     "messages|length }} {{ (messages|last).role }} {{ d['nope'] is defined }} {{ d.b }} {{ d['a'] "
     "is none }} {{ {'a': {'b': 1}}.a.b }} {{ {1: 'x'}[1] }} {{ {'a': 1, 'a': 2}.a }} {{ {'a': 1, "
     "'a': 2}|length }} {{ {1: 'a', 1.0: 'b', true: 'c'} }}",
     "user user assistant 2 assistant False 1 True 1 x 2 1 {1: 'c'}"},
    {"{{ d.items()|map('first')|list }} {{ d.get('b', 9) }} {{ d.get('q', 9) }} {{ d.keys()|length "
     "}} {{ d|length }} {{ d.items()|length }} {{ d.values()|map('string')|join }}",
     "['b', 'a', 'c'] 1 9 3 3 3 1NoneTrue"},
    {"{#- a -#}  b  {%- if t -%}  c  {%- endif -%}  d  {{- 1 -}}  e", "bcd1e"},
    {"{% raw %}{{ a }}{% b %}{# c #}{% endraw %}{%- raw -%}  x  {%- endraw -%} y",
     "{{ a }}{% b %}{# c #}xy"},
    {"a{% if t %}\n\nb{% endif %}\n  {%- set q = 1 %}\n  {{ q }}  {# c #}\nc", "a\nb  1  c"},
    {"{{ 'a\\r\\nb'[:2].splitlines(true) }}{{ 'a\\nb'[:1].splitlines() }}", "['a\\r']['a']"},
    /* Jinja keeps halves of pairs, which are no text. */
    {"{{ '\\ud800' }}|{{ '\\udfff' }}|{{ '\\ud83d\\ude00'|length }}|{{ '\\ud83d\\u0041' }}",
     "\xef\xbf\xbd|\xef\xbf\xbd|1|\xef\xbf\xbd"
     "A"},
};

TEST(template_rows_give_what_jinja_gives)
{
    void *mem = malloc(TEMPLATE_MEMORY);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK(test_gives(rows[i].source, rows[i].expected, mem));
    free(mem);
}

TEST(template_dates_are_those_of_the_calendar)
{
    static const struct {
        int64_t now;
        const char *expected;
    } dates[] = {
        {0, "1970-01-01 00:00:00 Thu Thursday Jan January 001 44 19 70  1  0 12 12 AM 110121"},
        {-1,
         "1969-12-31 23:59:59 Wed Wednesday Dec December 365 33 19 69 31 23 11 11 PM 31122311365"},
        {1, "1970-01-01 00:00:01 Thu Thursday Jan January 001 44 19 70  1  0 12 12 AM 110121"},
        {59, "1970-01-01 00:00:59 Thu Thursday Jan January 001 44 19 70  1  0 12 12 AM 110121"},
        {60, "1970-01-01 00:01:00 Thu Thursday Jan January 001 44 19 70  1  0 12 12 AM 110121"},
        {3599, "1970-01-01 00:59:59 Thu Thursday Jan January 001 44 19 70  1  0 12 12 AM 110121"},
        {3600, "1970-01-01 01:00:00 Thu Thursday Jan January 001 44 19 70  1  1 01  1 AM 11111"},
        {43199, "1970-01-01 11:59:59 Thu Thursday Jan January 001 44 19 70  1 11 11 11 AM 1111111"},
        {43200, "1970-01-01 12:00:00 Thu Thursday Jan January 001 44 19 70  1 12 12 12 PM 1112121"},
        {46800, "1970-01-01 13:00:00 Thu Thursday Jan January 001 44 19 70  1 13 01  1 PM 111311"},
        {86399, "1970-01-01 23:59:59 Thu Thursday Jan January 001 44 19 70  1 23 11 11 PM 1123111"},
        {86400, "1970-01-02 00:00:00 Fri Friday Jan January 002 55 19 70  2  0 12 12 AM 210122"},
        {951782400,
         "2000-02-29 00:00:00 Tue Tuesday Feb February 060 22 20 00 29  0 12 12 AM 29201260"},
        {951868800,
         "2000-03-01 00:00:00 Wed Wednesday Mar March 061 33 20 00  1  0 12 12 AM 1301261"},
        {951868799,
         "2000-02-29 23:59:59 Tue Tuesday Feb February 060 22 20 00 29 23 11 11 PM 292231160"},
        {68169600,
         "1972-02-29 00:00:00 Tue Tuesday Feb February 060 22 19 72 29  0 12 12 AM 29201260"},
        {68256000,
         "1972-03-01 00:00:00 Wed Wednesday Mar March 061 33 19 72  1  0 12 12 AM 1301261"},
        {4107456000,
         "2100-02-28 00:00:00 Sun Sunday Feb February 059 70 21 00 28  0 12 12 AM 28201259"},
        {4107542400,
         "2100-03-01 00:00:00 Mon Monday Mar March 060 11 21 00  1  0 12 12 AM 1301260"},
        {4107542399,
         "2100-02-28 23:59:59 Sun Sunday Feb February 059 70 21 00 28 23 11 11 PM 282231159"},
        {-2203891200,
         "1900-03-01 00:00:00 Thu Thursday Mar March 060 44 19 00  1  0 12 12 AM 1301260"},
        {-2203977600,
         "1900-02-28 00:00:00 Wed Wednesday Feb February 059 33 19 00 28  0 12 12 AM 28201259"},
        {-2208988800,
         "1900-01-01 00:00:00 Mon Monday Jan January 001 11 19 00  1  0 12 12 AM 110121"},
        {1735603200,
         "2024-12-31 00:00:00 Tue Tuesday Dec December 366 22 20 24 31  0 12 12 AM 3112012366"},
        {1735689599,
         "2024-12-31 23:59:59 Tue Tuesday Dec December 366 22 20 24 31 23 11 11 PM 31122311366"},
        {1709164800,
         "2024-02-29 00:00:00 Thu Thursday Feb February 060 44 20 24 29  0 12 12 AM 29201260"},
        {253402300799,
         "9999-12-31 23:59:59 Fri Friday Dec December 365 55 99 99 31 23 11 11 PM 31122311365"},
        {1582934400,
         "2020-02-29 00:00:00 Sat Saturday Feb February 060 66 20 20 29  0 12 12 AM 29201260"},
        {978307199,
         "2000-12-31 23:59:59 Sun Sunday Dec December 366 70 20 00 31 23 11 11 PM 31122311366"},
    };
    void *mem = malloc(TEMPLATE_MEMORY);
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++)
        CHECK(test_gives_at("{{ strftime_now('%F %T %a %A %b %B %j %u%w %C %y %e %k %I %l %p "
                            "%-d%-m%-H%-I%-j') }}",
                            dates[i].expected, dates[i].now, mem));
    free(mem);
}
