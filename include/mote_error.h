/* mote_error.h: how the library fills a mote_error. Internal: used by loader/, tokenizer/,
 * model/. The functions are in loader/error.c. */
#ifndef MOTE_ERROR_H
#define MOTE_ERROR_H

#include "mote.h"
#include "mote_features.h"

/* A terminated text with its length (NULL: empty). volatile: or compilers make a call of strlen of
 * the loop, which a freestanding library may not have. */
static inline mote_text mote_text_of(const char *text)
{
    mote_text t = {text ? text : "", 0};
    while (((const volatile char *)t.ptr)[t.bytes])
        t.bytes++;
    return t;
}

#if MOTE_ERROR_TEXTS
/* Fills err (may be NULL) and returns status. `what` must be a constant; name is copied, cut to fit
 * and made printable: a name from a file may hold terminal escapes. */
mote_status mote_fail_text(mote_error *err, mote_status status, const char *what, mote_text name);
/* The same with a terminated name (NULL: none). */
mote_status mote_fail(mote_error *err, mote_status status, const char *what, const char *name);
/* The same with the number found and the number wanted. */
mote_status mote_fail_got(mote_error *err, mote_status status, const char *what, const char *name,
                          uint64_t got, uint64_t wanted);
#else
/* The words are never compiled; numbers remain where memory is short, cut to 32 bits. */
mote_status mote_fail_numbers(mote_error *err, mote_status status, uint32_t got, uint32_t wanted);
mote_status mote_fail_status(mote_error *err, mote_status status);
#define mote_fail_text(err, status, what, name) ((void)(name), mote_fail(err, status, what, 0))
#define mote_fail(err, status, what, name)                                                         \
    ((void)sizeof(what), (void)sizeof(name), mote_fail_status((err), (status)))
#define mote_fail_got(err, status, what, name, got, wanted)                                        \
    ((void)sizeof(what), (void)sizeof(name),                                                       \
     (status) == MOTE_ERR_MEMORY                                                                   \
         ? mote_fail_numbers((err), (status), (uint32_t)(got), (uint32_t)(wanted))                 \
         : mote_fail_status((err), (status)))
#endif

#endif
