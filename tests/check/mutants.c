#include "tests/check/check.h"
bool check_mutants(check *c, bool verbose)
{
    (void)c;
    (void)verbose;
    return true;
}
