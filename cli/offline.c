/* offline.c: --offline. mote never opens a socket; with this the kernel makes sure of it for this
 * process, all its threads and all that it starts. io_uring could make sockets too.
 */
#define _GNU_SOURCE
#include "cli/cli.h"

#ifdef __linux__

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define OWN_ARCH AUDIT_ARCH_AARCH64
#else
#define OWN_ARCH 0
#endif
#define IO_URING_SETUP 425
#define X32_BIT 0x40000000u

#define LOAD(field)                                                                                \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
/* Jumps over `skip` steps if what is loaded is the number. */
#define SKIP_IF(number, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), (skip), 0)
#define SKIP_IF_AT_LEAST(number, skip) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (number), (skip), 0)
#define REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

int cli_go_offline(void)
{
    struct sock_filter steps[] = {LOAD(arch),
                                  SKIP_IF(OWN_ARCH, 1),
                                  REFUSE, /* another numbering of calls */
                                  LOAD(nr),
                                  SKIP_IF(__NR_socket, 4),
                                  SKIP_IF(__NR_socketpair, 3),
                                  SKIP_IF(IO_URING_SETUP, 2),
                                  SKIP_IF_AT_LEAST(X32_BIT, 1),
                                  ALLOW,
                                  REFUSE};
    struct sock_fprog program = {sizeof steps / sizeof *steps, steps};
    if (OWN_ARCH && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0)
        return 0;
    return cli_error(MOTE_ERR_UNSUPPORTED, "--offline", "the system cannot forbid the network: %s",
                     strerror(OWN_ARCH ? errno : ENOSYS));
}

#else

int cli_go_offline(void)
{
    return cli_error(MOTE_ERR_UNSUPPORTED, "--offline", "this system cannot forbid the network");
}

#endif
