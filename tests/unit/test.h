/* test.h: the unit tests' frame. A test is a function TEST(name) { ... } in any tests/unit/ file;
 * it registers itself. CHECK goes on after a failure, REQUIRE leaves the test. */
#ifndef MOTE_TEST_H
#define MOTE_TEST_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct test_case {
    const char *file, *name;
    void (*run)(void);
    struct test_case *next;
} test_case;

void test_register(test_case *t);
bool test_check(bool ok, const char *file, int line, const char *text);
/* Marks the running test as skipped, with the reason. */
void test_skip(const char *why);
/* A folder for scratch files of this run, removed at its end. */
const char *test_folder(void);
/* How often to do what one wants to do often: $MOTE_TEST_ALL asks for all. */
static inline size_t test_times(size_t few, size_t all)
{
    return getenv("MOTE_TEST_ALL") ? all : few;
}
/* Reference data: $GOLDENS or ../shared/goldens; NULL when there is none (then skip). */
const char *test_goldens(void);
/* The same pseudo-random numbers everywhere: splitmix64. */
uint64_t test_random(uint64_t *state);

#define TEST(fn)                                                                                   \
    static void fn(void);                                                                          \
    static test_case case_##fn = {__FILE__, #fn, fn, NULL};                                        \
    __attribute__((constructor)) static void register_##fn(void) { test_register(&case_##fn); }    \
    static void fn(void)

#define CHECK(cond) test_check((cond), __FILE__, __LINE__, #cond)
#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!CHECK(cond))                                                                          \
            return;                                                                                \
    } while (0)

#endif
