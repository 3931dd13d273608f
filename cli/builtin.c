/* builtin.c: the model that is a part of the program: the bytes of models/story-q8.mote, which lie
 * among its constants and are used there like those of a mapped file. With BUILTIN=0 there are
 * none; this is the only file that differs then. Read docs/machine.md and engine.c first.
 */
#include "cli/cli.h"

const char cli_builtin_name[] = "story";

#if defined(MOTE_BUILTIN) && MOTE_BUILTIN

#ifdef __APPLE__
#define BEGIN_CONSTANTS ".section __TEXT,__const\n"
#define END_CONSTANTS ".text\n"
#define HIDDEN ".private_extern "
#else
#define BEGIN_CONSTANTS ".pushsection mote_builtin, \"a\"\n"
#define END_CONSTANTS ".popsection\n"
#define HIDDEN ".hidden "
#endif

/* In a section of its own: between other constants it would keep them on pages far apart, some 200
 * KB more of a process. The path is seen from the root, where make runs; 64 is MOTE_ALIGN. Global,
 * as with -flto the C code may get into another object. */
__asm__(BEGIN_CONSTANTS ".globl mote_builtin_begin, mote_builtin_end\n" HIDDEN
                        "mote_builtin_begin\n" HIDDEN "mote_builtin_end\n"
                        ".p2align 6\n"
                        "mote_builtin_begin:\n"
                        ".incbin \"models/story-q8.mote\"\n"
                        "mote_builtin_end:\n" END_CONSTANTS);

extern const uint8_t begin[] __asm__("mote_builtin_begin") __attribute__((visibility("hidden")));
extern const uint8_t end[] __asm__("mote_builtin_end") __attribute__((visibility("hidden")));

mote_file cli_builtin(void) { return (mote_file){begin, (uintptr_t)end - (uintptr_t)begin}; }

#else

mote_file cli_builtin(void) { return (mote_file){0}; }

#endif

mote_status cli_map(mote_file *out, const char *path, mote_error *err)
{
    if (!cli_is_builtin(path))
        return mote_file_map(out, path, err);
    *out = cli_builtin();
    return MOTE_OK;
}

void cli_unmap(mote_file *file)
{
    if (file->base != cli_builtin().base)
        mote_file_unmap(file);
    *file = (mote_file){0};
}
