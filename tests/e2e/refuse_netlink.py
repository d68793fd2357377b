"""
Run a command that cannot create netlink sockets, as under a container's seccomp profile.

Usage: `python -m tests.e2e.refuse_netlink ERRNO COMMAND...`. It needs no privileges.
"""

import ctypes
import os
import platform
import socket
import struct
import sys

_SYS_SOCKET = {"x86_64": 41, "aarch64": 198}
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_SECCOMP_MODE_FILTER = 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data, little endian


class _Program(ctypes.Structure):
    """
    struct sock_fprog.
    """

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_netlink(errno: int) -> None:
    """
    Make socket(AF_NETLINK, ...) fail with errno in this process and in programs it executes.
    """
    instructions = [
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_IF_EQUAL, 0, 3, _SYS_SOCKET[platform.machine()]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_IF_EQUAL, 0, 1, socket.AF_NETLINK),
        (_RETURN, 0, 0, _ERRNO | errno),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(_Program(len(instructions), code)))


def _prctl(option: int, *arguments: object) -> None:
    # prctl is variadic and expects longs.
    four = (*arguments, 0, 0, 0)[:4]
    longs = (ctypes.c_long(value) if isinstance(value, int) else value for value in four)
    if ctypes.CDLL(None, use_errno=True).prctl(option, *longs) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    refuse_netlink(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
