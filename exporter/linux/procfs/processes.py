"""
Finds the process that holds a socket, by the links in /proc/PID/fd, and reads its command line.

The kernel has no shorter way from a socket to its processes. Processes of other users require
CAP_DAC_READ_SEARCH, to open that directory, and CAP_SYS_PTRACE, to read its links. Processes
outside the exporter's PID namespace are not visible.
"""

import contextlib
import os
import sys
import time
from collections.abc import Collection
from pathlib import Path

from exporter.model import OwningProcess

if sys.platform != "linux":
    raise ImportError("/proc/PID/fd exists on Linux only")

_PROC = Path("/proc")
_LONGEST_SEARCH = 3.0
"""Seconds, enough for half a million open files."""
_LONGEST_COMMAND = 32_768
"""Bytes that are read of a command line; those of Java have long class paths."""


class ProcessFinder:
    """
    Caches the holder of each socket, until the socket is no longer requested.
    """

    def __init__(self) -> None:
        self._holders: dict[int, OwningProcess] = {}

    def holders(self, uids: dict[int, int]) -> dict[int, OwningProcess]:
        """
        The holder of each socket, by inode; uids has the uid that created each socket.

        If several processes hold a socket, the holder is the one with the lowest pid, which is
        usually the oldest. A socket is left out if no holder is visible or found in time.
        """
        found = {inode: self._holders[inode] for inode in uids if self._still_holds(inode)}
        missing = {_link(inode): inode for inode in uids if inode and inode not in found}
        end = time.monotonic() + _LONGEST_SEARCH
        for pid in _pids(set(uids.values())):
            if not missing or time.monotonic() > end:
                break
            if held := _take(missing, pid):
                name = _name(pid)
                found |= {inode: OwningProcess(pid, name, number) for inode, number in held.items()}
        self._holders = found
        return found

    def _still_holds(self, inode: int) -> bool:
        holder = self._holders.get(inode)
        if holder is None:
            return False
        link = _PROC / str(holder.pid) / "fd" / str(holder.descriptor)
        with contextlib.suppress(OSError):
            return str(link.readlink()) == _link(inode)
        return False


def _pids(uids: Collection[int]) -> list[int]:
    """
    All processes, those of these users first, because a socket's holder usually has created it.
    """
    others: dict[int, bool] = {}
    for place in _PROC.iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):  # just ended
                others[int(place.name)] = place.stat().st_uid not in uids
    return sorted(others, key=lambda pid: (others[pid], pid))


def _take(missing: dict[str, int], pid: int) -> dict[int, int]:
    """
    Remove the sockets that the process holds from missing, which has inodes by link.

    Returns its file descriptors by inode; empty without permission, or if the process has ended.
    """
    held: dict[int, int] = {}
    try:
        directory = os.open(_PROC / str(pid) / "fd", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return held
    try:
        for number in os.listdir(directory):  # noqa: PTH208  not a Path
            try:
                link = os.readlink(number, dir_fd=directory)
            except FileNotFoundError:  # just closed
                continue
            if link in missing:
                held[missing.pop(link)] = int(number)
                if not missing:
                    break
    except OSError:  # the process has just ended
        pass
    finally:
        os.close(directory)
    return held


def _link(inode: int) -> str:
    return f"socket:[{inode}]"


def _name(pid: int) -> str:
    """
    The name of the process, which it sets itself and which may contain any bytes.
    """
    try:
        name = (_PROC / str(pid) / "comm").read_bytes()
    except OSError:
        return "?"
    return name.removesuffix(b"\n").decode(errors="backslashreplace")


def read_command(pid: int) -> tuple[str, ...]:
    """
    The arguments of the process, of a very long command line the first ones; empty without
    permission, or if the process has ended.

    They may hold passwords and any characters.
    """
    try:
        with (_PROC / str(pid) / "cmdline").open("rb") as file:
            line = file.read(_LONGEST_COMMAND)
    except OSError:
        return ()
    return tuple(part.decode(errors="backslashreplace") for part in line.split(b"\0") if part)
