"""
Which process holds a socket, by the links in /proc/PID/fd.

The kernel has no shorter way from a socket to its processes. Those of other users can be looked
into with CAP_DAC_READ_SEARCH, to open that directory, and CAP_SYS_PTRACE, to read its links; those
outside our PID namespace, not at all.
"""

import contextlib
import os
import sys
import time
from collections.abc import Collection
from pathlib import Path

from exporter.model import Holder

if sys.platform != "linux":
    raise ImportError("/proc/PID/fd exists on Linux only")

_PROC = Path("/proc")
_LONGEST_SEARCH = 3.0
"""Seconds: enough for half a million open files."""


class Processes:
    """
    Remembers who was found to hold a socket, for as long as that is asked for.
    """

    def __init__(self) -> None:
        self._holders: dict[int, Holder] = {}

    def holders(self, uids: dict[int, int]) -> dict[int, Holder]:
        """
        Who holds each of the sockets, which are given by inode with the uid that made it.

        Of several processes that hold one it is that of the lowest number, as a rule the oldest.
        Sockets of which no holder may be seen, or was found in time, are left out.
        """
        found = {inode: self._holders[inode] for inode in uids if self._still_holds(inode)}
        missing = {_link(inode): inode for inode in uids if inode and inode not in found}
        end = time.monotonic() + _LONGEST_SEARCH
        for pid in _pids(set(uids.values())):
            if not missing or time.monotonic() > end:
                break
            if held := _take(missing, pid):
                name = _name(pid)
                found |= {inode: Holder(pid, name, number) for inode, number in held.items()}
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
    All processes, those of the users first: most hold the sockets that they have made themselves.
    """
    others: dict[int, bool] = {}
    for place in _PROC.iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):  # it has just ended
                others[int(place.name)] = place.stat().st_uid not in uids
    return sorted(others, key=lambda pid: (others[pid], pid))


def _take(missing: dict[str, int], pid: int) -> dict[int, int]:
    """
    Take from the missing sockets, given by link and inode, those that the process holds.

    Returns its file descriptors by inode; none if we may not know, or it has ended.
    """
    held: dict[int, int] = {}
    try:
        directory = os.open(_PROC / str(pid) / "fd", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return held
    try:
        for number in os.listdir(directory):  # noqa: PTH208  a Path is no descriptor
            try:
                link = os.readlink(number, dir_fd=directory)
            except FileNotFoundError:  # it has just been closed
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
    The name that the process gives itself, which may hold any bytes.
    """
    try:
        name = (_PROC / str(pid) / "comm").read_bytes()
    except OSError:
        return "?"
    return name.removesuffix(b"\n").decode(errors="backslashreplace")
