/* error.c: filling a mote_error. Read include/mote_error.h first. */
#include "include/mote_error.h"

#if MOTE_ERROR_TEXTS

mote_status mote_fail_text(mote_error *err, mote_status status, const char *what, mote_text name)
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

mote_status mote_fail(mote_error *err, mote_status status, const char *what, const char *name)
{
    return mote_fail_text(err, status, what, mote_text_of(name));
}

mote_status mote_fail_got(mote_error *err, mote_status status, const char *what, const char *name,
                          uint64_t got, uint64_t wanted)
{
    mote_fail(err, status, what, name);
    if (err) {
        err->has_numbers = true;
        err->got = got;
        err->wanted = wanted;
    }
    return status;
}

#else

mote_status mote_fail_numbers(mote_error *err, mote_status status, uint32_t got, uint32_t wanted)
{
    if (err) {
        err->status = status;
        err->what = "";
        err->name[0] = 0;
        err->has_numbers = got || wanted;
        err->got = got;
        err->wanted = wanted;
    }
    return status;
}

mote_status mote_fail_status(mote_error *err, mote_status status)
{
    return mote_fail_numbers(err, status, 0, 0);
}

#endif
