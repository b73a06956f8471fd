"""Becomes a program on a kernel as old as 3.1: kernel_3_1.py PROGRAM [ARGUMENT...]

A seccomp filter answers ENOSYS to every system call of x86-64 that is newer, as that kernel did; it
outlives the exec. 3.2 brought process_vm_readv (310) and process_vm_writev (311), later ones follow.
"""
import ctypes
import errno
import os
import struct
import sys

NEWEST = 309  # getcpu; 308, setns, is of 3.0

LOAD_NUMBER = (0x20, 0, 0, 0)  # BPF_LD | BPF_W | BPF_ABS, seccomp_data.nr
SKIP_IF_ABOVE = (0x25, 1, 0, NEWEST)  # BPF_JMP | BPF_JGT | BPF_K
ALLOW = (0x06, 0, 0, 0x7FFF0000)  # BPF_RET, SECCOMP_RET_ALLOW
NOT_THERE = (0x06, 0, 0, 0x00050000 | errno.ENOSYS)  # BPF_RET, SECCOMP_RET_ERRNO

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2

program = [LOAD_NUMBER, SKIP_IF_ABOVE, ALLOW, NOT_THERE]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
filter = struct.pack("@HP", len(program), ctypes.addressof(code))

prctl = ctypes.CDLL(None, use_errno=True).prctl
for call in (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter, 0, 0):
    if prctl(*map(lambda a: a if isinstance(a, bytes) else ctypes.c_ulong(a), call)) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")

try:
    os.getrandom(1)  # of 3.17
    sys.exit("the filter does not filter")
except OSError as error:
    if error.errno != errno.ENOSYS:
        raise

os.execv(sys.argv[1], sys.argv[1:])
