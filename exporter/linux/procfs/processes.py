"""
Finds the process that holds a socket, by the links in /proc/PID/fd, and reads its command line.

The kernel has no shorter way from a socket to its processes. Processes of other users require
CAP_DAC_READ_SEARCH, to open that directory, and CAP_SYS_PTRACE, to read its links. Processes
outside the exporter's PID namespace are not visible.
"""

import contextlib
import os
import re
import sys
import time
from collections.abc import Collection
from pathlib import Path

from exporter.model import CollectorError, OwningProcess

if sys.platform != "linux":
    raise ImportError("/proc/PID/fd exists on Linux only")

_PROC = Path("/proc")
_SOCKET = re.compile(r"socket:\[([0-9]+)\]")
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


class ChosenProcesses:
    """
    The sockets of processes that a user has chosen. Raises CollectorError if the open files of one
    of them cannot be read at the start; later, processes that have ended have no sockets.
    """

    def __init__(self, pids: Collection[int]) -> None:
        self._pids = pids
        for pid in pids:
            try:
                _read_links(pid)
            except (FileNotFoundError, ProcessLookupError):
                raise CollectorError(f"process {pid} does not exist") from None
            except PermissionError:
                raise CollectorError(
                    f"the open files of process {pid} are not readable; required: root, or"
                    " CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
                ) from None

    def inodes(self) -> frozenset[int]:
        """
        The inode numbers of their sockets.
        """
        return frozenset(inode for pid in self._pids for inode in self._sockets(pid))

    def holders(self, uids: dict[int, int]) -> dict[int, OwningProcess]:
        """
        The holder of each socket that one of them holds, by inode; uids has the sockets as keys.
        """
        found = {}
        for pid in self._pids:
            held = self._sockets(pid)
            name = _name(pid)
            for inode in held.keys() & uids:
                found[inode] = OwningProcess(pid, name, held[inode])
        return found

    @staticmethod
    def _sockets(pid: int) -> dict[int, int]:
        try:
            links = _read_links(pid)
        except OSError:  # ended
            return {}
        sockets = ((_SOCKET.fullmatch(link), number) for number, link in links.items())
        return {int(match[1]): number for match, number in sockets if match}


def _read_links(pid: int) -> dict[int, str]:
    """
    What a process's descriptors refer to. Raises OSError.
    """
    links = {}
    directory = os.open(_PROC / str(pid) / "fd", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for number in os.listdir(directory):  # noqa: PTH208  not a Path
            with contextlib.suppress(FileNotFoundError):  # just closed
                links[int(number)] = os.readlink(number, dir_fd=directory)
    finally:
        os.close(directory)
    return links


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
        links = _read_links(pid)
    except OSError:  # no permission, or the process has just ended
        return held
    for number, link in links.items():
        if link in missing:
            held[missing.pop(link)] = number
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
