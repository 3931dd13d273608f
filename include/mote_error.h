/* mote_error.h: how the library fills a mote_error. Internal: used by loader/, tokenizer/,
 * model/. */
#ifndef MOTE_ERROR_H
#define MOTE_ERROR_H

#include "mote.h"

/* Fills err (may be NULL) and returns status. `what` must be a constant; name is copied, cut to fit
 * and made printable: a name from a file may hold terminal escapes. */
static inline mote_status mote_fail_text(mote_error *err, mote_status status, const char *what,
                                         mote_text name)
{
    if (err) {
        size_t n = name.bytes < sizeof err->name - 1 ? name.bytes : sizeof err->name - 1;
        for (size_t i = 0; i < n; i++) {
            char c = name.ptr[i];
            err->name[i] = (c >= 0x20 && c < 0x7f) ? c : '?';
        }
        err->name[n] = 0;
        err->status = status;
        err->what = what;
        err->has_numbers = false;
        err->got = err->wanted = 0;
    }
    return status;
}

/* A terminated text with its length (NULL: empty). volatile: or compilers make a call of strlen of
 * the loop, which a freestanding library may not have. */
static inline mote_text mote_text_of(const char *text)
{
    mote_text t = {text ? text : "", 0};
    while (((const volatile char *)t.ptr)[t.bytes])
        t.bytes++;
    return t;
}

/* The same with a terminated name (NULL: none). */
static inline mote_status mote_fail(mote_error *err, mote_status status, const char *what,
                                    const char *name)
{
    return mote_fail_text(err, status, what, mote_text_of(name));
}

/* The same with the number found and the number wanted. */
static inline mote_status mote_fail_got(mote_error *err, mote_status status, const char *what,
                                        const char *name, uint64_t got, uint64_t wanted)
{
    mote_fail(err, status, what, name);
    if (err) {
        err->has_numbers = true;
        err->got = got;
        err->wanted = wanted;
    }
    return status;
}

#endif
