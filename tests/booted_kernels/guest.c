/* What busybox cannot do for the booted machine:

     guest set-clock SECONDS                       past 2038, too
     guest on-an-old-kernel PROGRAM [ARGUMENT...]  becomes a program to whose newer system calls a seccomp
                                                   filter answers ENOSYS, as the old kernel did */
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
/* 3.1's newest is setns; 3.2 brought process_vm_readv. From 0xf0000 on, ARM's own, as old as it. */
#define NEWEST SYS_setns
#define OWN 0xf0000
#else
/* 3.7, the first for ARM64, ended with process_vm_writev; then came kcmp. */
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
