/* Functions that the booted machine's busybox lacks:

     guest set-clock SECONDS                       sets the clock, even past 2038
     guest on-an-old-kernel PROGRAM [ARGUMENT...]  runs a program under a seccomp filter that fails newer
                                                   system calls with ENOSYS, as an old kernel does */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef __arm__
/* The newest call of 3.1 is setns; 3.2 added process_vm_readv. From 0xf0000 on are old calls of ARM's own. */
#define NEWEST SYS_setns
#define OWN 0xf0000
#else
/* The newest call of 3.7, the first kernel for ARM64, is process_vm_writev; kcmp came later. */
#define NEWEST SYS_process_vm_writev
#define OWN 0xffffffff
#endif

static int fail(const char *what) {
    fprintf(stderr, "guest: %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int count, char **arguments) {
    if (count == 3 && !strcmp(arguments[1], "set-clock")) {
        struct timespec time = {.tv_sec = strtoll(arguments[2], NULL, 10)};
        return clock_settime(CLOCK_REALTIME, &time) ? fail("clock_settime") : 0;
    }
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, OWN, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NEWEST, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    struct sock_fprog filter = {sizeof steps / sizeof *steps, steps};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
        return fail("prctl");
    char byte;
    if (syscall(SYS_getrandom, &byte, 1, 0) != -1 || errno != ENOSYS) {
        fprintf(stderr, "guest: the filter does not filter\n");
        return 1;
    }
    execv(arguments[2], arguments + 2);
    return fail(arguments[2]);
}
