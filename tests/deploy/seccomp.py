"""
Run a command under the system call filters that systemd derives from a service's unit:
`python -m tests.deploy.seccomp UNIT,DROP-IN,... COMMAND...`. Needs no privilege.
"""

import ctypes
import errno
import os
import socket
import sys
from pathlib import Path

from tests.deploy.unit import Unit

_seccomp = ctypes.CDLL("libseccomp.so.2")
_seccomp.seccomp_init.restype = ctypes.c_void_p
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EQUAL, _MASKED_EQUAL = 4, 7
_EVERY_FAMILY = range(46)  # AF_MAX
_CLONE_FLAGS = {
    "cgroup": 0x02000000,
    "ipc": 0x08000000,
    "mnt": 0x00020000,
    "net": 0x40000000,
    "pid": 0x20000000,
    "user": 0x10000000,
    "uts": 0x04000000,
}
_WRITE, _EXECUTE = 2, 4


class _Compared(ctypes.Structure):
    """
    struct scmp_arg_cmp: a system call's argument, an operator, and the operands.
    """

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class _Filter:
    """
    A filter of system calls with a default action and rules.
    """

    def __init__(self, action: int) -> None:
        self._context = ctypes.c_void_p(_seccomp.seccomp_init(ctypes.c_uint32(action)))

    def rule(self, action: int, call: str, *compared: tuple[int, int, int, int]) -> None:
        """
        Apply an action to a call whose arguments match.
        """
        number = _seccomp.seccomp_syscall_resolve_name(call.encode())
        if number < 0:
            return  # a call of another architecture, or newer than the library
        array = (_Compared * len(compared))(*(_Compared(*each) for each in compared))
        done = _seccomp.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), number, len(compared), array
        )
        if done != 0:
            raise OSError(-done, os.strerror(-done), call)

    def load(self) -> None:
        """
        Load the filter, in addition to those already loaded.
        """
        done = _seccomp.seccomp_load(self._context)
        if done != 0:
            raise OSError(-done, os.strerror(-done))


def _only(names: set[str]) -> _Filter:
    """
    The filter for SystemCallFilter=.
    """
    calls = _Filter(_ERRNO | errno.EPERM)
    for name in names:
        calls.rule(_ALLOW, name)
    return calls


def _families(names: list[str]) -> _Filter:
    """
    The filter for RestrictAddressFamilies=.
    """
    families = _Filter(_ALLOW)
    for family in set(_EVERY_FAMILY) - {getattr(socket, name) for name in names}:
        families.rule(_ERRNO | errno.EAFNOSUPPORT, "socket", (0, _EQUAL, family, 0))
    return families


def _namespaces(value: str) -> _Filter:
    """
    The filter for RestrictNamespaces=.
    """
    namespaces = _Filter(_ALLOW)
    # A filter cannot see clone3's flags, which are in memory.
    namespaces.rule(_ERRNO | errno.ENOSYS, "clone3")
    kept = () if value == "yes" else value.split()
    for flag in (flag for name, flag in _CLONE_FLAGS.items() if name not in kept):
        for name, argument in ("clone", 0), ("unshare", 0), ("setns", 1):
            namespaces.rule(_ERRNO | errno.EPERM, name, (argument, _MASKED_EQUAL, flag, flag))
    namespaces.rule(_ERRNO | errno.EPERM, "setns", (1, _EQUAL, 0, 0))  # of any kind
    return namespaces


def _memory() -> _Filter:
    """
    The filter for MemoryDenyWriteExecute=.
    """
    memory = _Filter(_ALLOW)
    both = _WRITE | _EXECUTE
    memory.rule(_ERRNO | errno.EPERM, "mmap", (2, _MASKED_EQUAL, both, both))
    for name in "mprotect", "pkey_mprotect":
        memory.rule(_ERRNO | errno.EPERM, name, (2, _MASKED_EQUAL, _EXECUTE, _EXECUTE))
    return memory


def restrict(unit: Unit) -> None:
    """
    Restrict this process, and everything it executes, according to the unit.
    """
    filters = [_families(unit.words("RestrictAddressFamilies"))]
    filters += [_namespaces(unit.last("RestrictNamespaces"))]
    if unit.last("MemoryDenyWriteExecute") == "yes":
        filters += [_memory()]
    for each in (*filters, _only(unit.calls())):  # last: it forbids loading filters
        each.load()


if __name__ == "__main__":
    restrict(Unit.read(*map(Path, sys.argv[1].split(","))))
    os.execvp(sys.argv[2], sys.argv[2:])
