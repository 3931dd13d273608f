/* tiers.c: which kernel tiers this CPU can run, for people and programs that ask. */
#include "include/mote.h"
#include "kernels/kernels.h"

const char *mote_usable_tier(size_t i)
{
    unsigned usable = mote_cpu_features(), wanted;
    const char *name;
    for (size_t tier = 0; (name = mote_tier_name(tier)) != NULL; tier++)
        if (mote_tier_features(name, &wanted) && (wanted & usable) == wanted && i-- == 0)
            return name;
    return NULL;
}
