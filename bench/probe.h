/* probe.h: what this machine can do at best: bytes read from memory, integer and float operations.
 * `mote bench --roofline` and check --bench compare with it what they measure.
 */
#ifndef MOTE_PROBE_H
#define MOTE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/mote.h"

/* All a second, all threads together; a multiplication with its addition is two operations. */
typedef struct probe_peaks {
    uint32_t n_threads;
    size_t buffer_bytes; /* what the reading probe reads, a multiple of the last cache */
    double read_bytes;
    /* Products of 8-bit integers with the tier's instruction for them, added to what is there (AVX2
     * and NEON: in 16 bits, without widening to 32). 0: not known, as for `ref`. */
    double int_ops;
    double float_ops; /* fused multiply-adds of f32; 0: not known */
    double sgemm_ops; /* the BLAS library's product of matrices of 512 x 512; 0: not built in */
} probe_peaks;

/* Takes some tenths of a second. tier: whose instructions to use, one that this CPU has. team NULL:
 * one thread. False: no memory for the buffer. */
bool probe_machine(probe_peaks *out, const char *tier, const mote_team *team);

/* Bytes of the first CPU's cache of a level (1: data), 1 to 3; 0: none or unknown. */
size_t probe_cache_bytes(unsigned level);

#endif
