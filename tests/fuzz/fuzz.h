/* fuzz.h: the frame of the fuzz targets. A target is FUZZ(name) { ... } in any fuzz_*.c: it
 * is given bytes and must come to an end without a fault; FUZZ_EXPECT says what else must hold.
 * engine.c runs one target under libFuzzer, replay.c all of them on the seeds, without clang. */
#ifndef MOTE_FUZZ_H
#define MOTE_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/mote.h"

/* What is left of the input. */
typedef struct fuzz_in {
    const uint8_t *p;
    size_t n;
} fuzz_in;

typedef struct fuzz_target {
    const char *name;
    void (*run)(fuzz_in in);
    struct fuzz_target *next;
} fuzz_target;

void fuzz_register(fuzz_target *t);
/* NULL: the first one, or there is none of that name. */
const fuzz_target *fuzz_find(const char *name);

#define FUZZ(fn)                                                                                   \
    static void run_##fn(fuzz_in in);                                                              \
    static fuzz_target target_##fn = {#fn, run_##fn, NULL};                                        \
    __attribute__((constructor)) static void register_##fn(void) { fuzz_register(&target_##fn); }  \
    static void run_##fn(fuzz_in in)

_Noreturn void fuzz_fail(const char *file, int line, const char *text);
#define FUZZ_EXPECT(cond) ((cond) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #cond))

/* Numbers from the front of the input; 0 when it is used up. */
uint8_t fuzz_u8(fuzz_in *in);
uint16_t fuzz_u16(fuzz_in *in);
uint32_t fuzz_u32(fuzz_in *in);
/* Any float, NaN and infinities too; half of them of the size that people give. */
float fuzz_float(fuzz_in *in);
/* At most `max` bytes from the front. */
fuzz_in fuzz_part(fuzz_in *in, size_t max);

/* Memory without room to spare, so that one byte too many is noticed; aligned to MOTE_ALIGN. Filled
 * with a pattern. free() it. */
void *fuzz_alloc(size_t bytes);
char *fuzz_copy(fuzz_in in);

/* A status of these bits (1 << status). */
bool fuzz_is(mote_status status, unsigned allowed);
#define FUZZ_STATUS(s) (1u << (s))

/* A scratch folder of this process, and a file in it. Removed at its end. */
const char *fuzz_folder(void);
const char *fuzz_write(const char *name, const void *data, size_t n);

#endif
