/* reads.c: a plugin for qemu that counts how often each byte of the model is loaded during one
 * call (or stored: version 7.2 takes one for the other, and nobody writes there). Arguments: from=,
 * bytes= (where the model lies), begin=, end= (addresses whose execution is the call's begin and
 * end), skip= (calls before it), out= (a file of 32-bit counts). reads.py builds and uses it. The
 * emulator's own header is not installed with it: what is used is declared here.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block;
struct instruction;
typedef void on_block(uint64_t id, struct block *block);
typedef void on_run(unsigned cpu, void *user);
typedef void on_access(unsigned cpu, uint32_t what, uint64_t address, void *user);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, on_block *call);
size_t qemu_plugin_tb_n_insns(const struct block *block);
struct instruction *qemu_plugin_tb_get_insn(const struct block *block, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct instruction *instruction);
void qemu_plugin_register_vcpu_insn_exec_cb(struct instruction *instruction, on_run *call,
                                            int registers, void *user);
void qemu_plugin_register_vcpu_mem_cb(struct instruction *instruction, on_access *call,
                                      int registers, int loads_or_stores, void *user);
unsigned qemu_plugin_mem_size_shift(uint32_t what);

enum { LOADS_AND_STORES = 3 };
int qemu_plugin_version = API;
int qemu_plugin_install(uint64_t id, const void *info, int n, char **args);

static struct {
    uint64_t from, bytes, begin, end, skip;
    uint32_t *counts;
    const char *out;
    bool running;
} me;

static void access(unsigned cpu, uint32_t what, uint64_t address, void *user)
{
    (void)cpu;
    (void)user;
    if (!me.running)
        return;
    for (uint64_t i = 0; i < (uint64_t)1 << qemu_plugin_mem_size_shift(what); i++)
        if (address + i - me.from < me.bytes)
            me.counts[address + i - me.from]++;
}

static void begins(unsigned cpu, void *user)
{
    (void)cpu;
    (void)user;
    me.running = !me.skip;
    me.skip -= me.skip > 0;
}

static void ends(unsigned cpu, void *user)
{
    (void)cpu;
    (void)user;
    if (!me.running)
        return;
    FILE *out = fopen(me.out, "wb");
    bool written = out && fwrite(me.counts, 4, me.bytes, out) == me.bytes;
    _Exit(out && !fclose(out) && written ? 0 : 1); /* the rest of the program is of no interest */
}

static void translate(uint64_t id, struct block *block)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
        struct instruction *one = qemu_plugin_tb_get_insn(block, i);
        uint64_t at = qemu_plugin_insn_vaddr(one);
        if (at == me.begin || at == me.end)
            qemu_plugin_register_vcpu_insn_exec_cb(one, at == me.begin ? begins : ends, 0, NULL);
        qemu_plugin_register_vcpu_mem_cb(one, access, 0, LOADS_AND_STORES, NULL);
    }
}

int qemu_plugin_install(uint64_t id, const void *info, int n, char **args)
{
    static const char *const names[] = {"from=", "bytes=", "begin=", "end=", "skip="};
    uint64_t *const values[] = {&me.from, &me.bytes, &me.begin, &me.end, &me.skip};
    (void)info;
    for (int i = 0; i < n; i++) {
        for (size_t j = 0; j < sizeof names / sizeof *names; j++)
            if (!strncmp(args[i], names[j], strlen(names[j])))
                *values[j] = strtoull(args[i] + strlen(names[j]), NULL, 0);
        if (!strncmp(args[i], "out=", 4))
            me.out = strdup(args[i] + 4);
    }
    me.counts = calloc(me.bytes + 1, 4);
    if (!me.counts || !me.out)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    return 0;
}
