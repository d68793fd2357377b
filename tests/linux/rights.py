"""
Reduced privileges for the calling thread only, for its lifetime.

The kernel keeps user ids and system call filters per thread. The C library would change the ids of
all threads, so system calls are used directly.
"""

import ctypes
import os
import platform
import struct

CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN = 2, 12, 19, 21

_SETRESUID, _SOCKET, _CAPSET = {"x86_64": (117, 41, 126), "aarch64": (147, 198, 91)}.get(
    platform.machine(), (None, None, None)
)
NOBODY = 65534
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAPABILITY_VERSION = 0x20080522
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_SECCOMP_MODE_FILTER = 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_OFFSET, _FIRST_ARGUMENT_OFFSET = 0, 16
_AF_NETLINK = 16

_libc = ctypes.CDLL(None, use_errno=True)


def become_nobody(*capabilities: int) -> None:
    """
    Give up root and all capabilities except these, which programs that it starts inherit, as with
    systemd's AmbientCapabilities=.
    """
    _do(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    _do(_libc.syscall(_SETRESUID, NOBODY, NOBODY, NOBODY))
    kept = sum(1 << capability for capability in capabilities)
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    sets = struct.pack("=6I", kept, kept, kept, 0, 0, 0)  # effective, permitted, inheritable; twice
    _do(_libc.syscall(_CAPSET, header, sets))
    for capability in capabilities:
        _do(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0))


def refuse_netlink(error: int) -> None:
    """
    Make socket(AF_NETLINK, ...) fail with error, as a seccomp profile or systemd does.
    """
    instructions = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (_LOAD, 0, 0, _NUMBER_OFFSET),
            (_JUMP_IF_EQUAL, 0, 3, _SOCKET),
            (_LOAD, 0, 0, _FIRST_ARGUMENT_OFFSET),
            (_JUMP_IF_EQUAL, 0, 1, _AF_NETLINK),
            (_RETURN, 0, 0, _ERRNO | error),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    buffer = ctypes.create_string_buffer(instructions)
    program = struct.pack("@HP", len(instructions) // 8, ctypes.addressof(buffer))
    _do(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _do(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program))


def _do(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
