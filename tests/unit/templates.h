/* templates.h: what the tests of templates share. Variables: messages (two), l = [3, 1, 2],
 * w = ["apple", "Banana", "apple"], d = {b: 1, a: none, c: true}, n = 7, f = 2.5, s, u and ws
 * (untrusted), t = true, z = none. */
#ifndef MOTE_TESTS_TEMPLATES_H
#define MOTE_TESTS_TEMPLATES_H

#include "include/mote.h"
#include "tests/unit/test.h"

enum { TEMPLATE_MEMORY = 1 << 20, TEMPLATE_NOW = 1736942400 /* 2025-01-15 12:00:00 */ };

mote_status test_render_at(mote_rendered *out, const char *source, size_t bytes, int64_t now,
                           size_t mem_bytes, void *mem, mote_error *err);

/* At TEMPLATE_NOW. */
mote_status test_render(mote_rendered *out, const char *source, size_t bytes, size_t mem_bytes,
                        void *mem, mote_error *err);

/* Whether it gives this text; says so if it does not. */
bool test_gives_at(const char *source, const char *expected, int64_t now, void *mem);
bool test_gives(const char *source, const char *expected, void *mem);

#endif
