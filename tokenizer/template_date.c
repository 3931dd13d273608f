/* template_date.c: strftime_now() of chat templates: the date given by the caller, in English,
 * as C's strftime() writes it in the "C" locale.
 */
#include "tokenizer/template.h"

typedef struct date {
    int64_t year;
    int month, day;       /* 0 .. 11, 1 .. 31 */
    int weekday, yearday; /* from Sunday, from January 1st, both from 0 */
    int hour, minute, second;
} date;

/* Gregorian calendar, counted in years that begin with March. */
static date split_time(int64_t seconds)
{
    date d;
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    d.hour = (int)(rest / 3600);
    d.minute = (int)(rest / 60 % 60);
    d.second = (int)(rest % 60);
    d.weekday = (int)((days % 7 + 11) % 7);
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = (int)(of_era - (365 * y + y / 4 - y / 100));
    int m = (5 * of_year + 2) / 153;
    d.day = of_year - (153 * m + 2) / 5 + 1;
    d.month = m < 10 ? m + 2 : m - 10;
    d.year = y + era * 400 + (m >= 10);
    bool leap = (d.year % 4 == 0 && d.year % 100 != 0) || d.year % 400 == 0;
    d.yearday = m < 10 ? of_year + 59 + leap : of_year - 306;
    return d;
}

static void put_number(tpl *t, int64_t n, size_t width, char fill)
{
    char text[TPL_NUMBER_BYTES], *out = mote_tpl_alloc(t, 2 * TPL_NUMBER_BYTES, 1);
    size_t bytes = mote_tpl_int_text(text, n), at = 0;
    tpl_value s = mote_tpl_str("");
    if (!out)
        return;
    while (at + bytes < width)
        out[at++] = fill;
    memcpy(out + at, text, bytes);
    s.as.s.p = out;
    s.n = (uint32_t)(at + bytes);
    mote_tpl_put(t, s);
}

static void put_name(tpl *t, const char *const *names, int i, bool whole)
{
    tpl_value name = mote_tpl_str(names[i]);
    mote_tpl_put(t, whole ? name : mote_tpl_substr(name, 0, 3));
}

/* Directives that stand for others. */
static const char *expand(char c)
{
    switch (c) {
    case 'c': return "%a %b %e %H:%M:%S %Y";
    case 'x':
    case 'D': return "%m/%d/%y";
    case 'F': return "%Y-%m-%d";
    case 'R': return "%H:%M";
    case 'r': return "%I:%M:%S %p";
    case 'X':
    case 'T': return "%H:%M:%S";
    case 'h': return "%b";
    default: return NULL;
    }
}

static void put_directive(tpl *t, const date *d, char c, bool bare)
{
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    size_t two = bare ? 1 : 2;
    switch (c) {
    case 'Y': put_number(t, d->year, 1, '0'); return;
    case 'C': put_number(t, d->year / 100, two, '0'); return;
    case 'y': put_number(t, d->year % 100, two, '0'); return;
    case 'm': put_number(t, d->month + 1, two, '0'); return;
    case 'd': put_number(t, d->day, two, '0'); return;
    case 'e': put_number(t, d->day, two, ' '); return;
    case 'H': put_number(t, d->hour, two, '0'); return;
    case 'k': put_number(t, d->hour, two, ' '); return;
    case 'I': put_number(t, (d->hour + 11) % 12 + 1, two, '0'); return;
    case 'l': put_number(t, (d->hour + 11) % 12 + 1, two, ' '); return;
    case 'M': put_number(t, d->minute, two, '0'); return;
    case 'S': put_number(t, d->second, two, '0'); return;
    case 'f': mote_tpl_put_text(t, "000000", false); return;
    case 'j': put_number(t, d->yearday + 1, bare ? 1 : 3, '0'); return;
    case 'u': put_number(t, (d->weekday + 6) % 7 + 1, 1, '0'); return;
    case 'w': put_number(t, d->weekday, 1, '0'); return;
    case 'p': mote_tpl_put_text(t, d->hour < 12 ? "AM" : "PM", false); return;
    case 'B': put_name(t, months, d->month, true); return;
    case 'b': put_name(t, months, d->month, false); return;
    case 'A': put_name(t, days, d->weekday, true); return;
    case 'a': put_name(t, days, d->weekday, false); return;
    case 'n': mote_tpl_put_text(t, "\n", false); return;
    case 't': mote_tpl_put_text(t, "\t", false); return;
    case 'Z':
    case 'z': return; /* the date has no time zone */
    case '%': mote_tpl_put_text(t, "%", false); return;
    default:
        mote_tpl_fail(t, MOTE_ERR_UNSUPPORTED, "this part of a date format is not supported",
                      (mote_text){&c, 1});
    }
}

/* Everything but %: as it is. */
static void put_format(tpl *t, tpl_value format, const date *d)
{
    size_t begin = 0, i = 0;
    while (i < format.n && !t->status) {
        if (format.as.s.p[i++] != '%')
            continue;
        mote_tpl_put(t, mote_tpl_substr(format, begin, i - 1 - begin));
        bool bare = i < format.n && format.as.s.p[i] == '-';
        i += bare;
        char c = i < format.n ? format.as.s.p[i++] : '%';
        const char *longer = expand(c);
        begin = i;
        if (!longer)
            put_directive(t, d, c, bare);
        for (const char *p = longer; p && *p; p++) {
            tpl_value one = {.kind = TPL_STR, .n = 1};
            one.as.s.p = p;
            if (*p == '%')
                put_directive(t, d, *++p, false);
            else
                mote_tpl_put(t, one);
        }
    }
    mote_tpl_put(t, mote_tpl_substr(format, begin, format.n - begin));
}

tpl_value mote_tpl_strftime(tpl *t, tpl_value format)
{
    size_t mark = t->n_pieces;
    int64_t now = t->now, most = (int64_t)1 << 40;
    date d = split_time(now > most ? most : now < -most ? -most : now);
    if (format.kind != TPL_STR)
        mote_tpl_wrong(t, "strftime_now() wants a string");
    else
        put_format(t, format, &d);
    return mote_tpl_take(t, mark);
}
