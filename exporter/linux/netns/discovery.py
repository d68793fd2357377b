"""
Which network namespaces there are: those of processes, and those that have a name in /run/netns.

Not found is one that only an open file holds, or only a thread other than its process' main one.
"""

import contextlib
import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

from exporter.linux.netns.enter import OWN, inside, refusal
from exporter.linux.netns.names import Names
from exporter.model import OWN_NAMESPACE, CollectorError, Found, Namespace

if sys.platform != "linux":
    raise ImportError("network namespaces exist on Linux only")

MOST = 512
"""How many other namespaces are read at most: each costs time, an open file and some 18 series."""

_NAMES = Path("/run/netns")
_PROCESSES = "/proc"
_ENTRANCES = 8
"""How many of the files that lead into a namespace are remembered."""

Entrances = dict[int, list[str]]
"""Files that lead into namespaces, by the namespace's inode number."""


class Finder:
    """
    Finds the namespaces time and again, and calls each by the same name as long as it lives.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._own = OWN.stat()
        self._known: dict[int, Namespace] = {}
        self._names = Names()

    def find(self) -> Found:
        """
        The namespaces there are now.
        """
        entrances, given = self._in_run_netns()
        hidden = self._add_processes(entrances)
        # Those read before come first, so that too many of them do not take turns.
        order = [*filter(entrances.__contains__, self._known), *entrances]
        inodes = list(dict.fromkeys(order))[: self._limit()]
        names = self._names.choose({inode: entrances[inode] for inode in inodes}, given)
        self._known = {
            inode: Namespace(name, inode, tuple(entrances[inode][:_ENTRANCES]))
            for inode, name in names.items()
        }
        passed_over = {}
        if hidden and (number := _count_hidden(hidden, self._known.values())):
            passed_over[refusal("CAP_SYS_PTRACE", "to see those of others' processes")] = number
        if left := len(entrances) - len(inodes):
            passed_over[f"there are more than {len(inodes)}"] = left
        return Found((OWN_NAMESPACE, *self._known.values()), passed_over)

    def _limit(self) -> int:
        open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return min(self._most, open_files // 2)

    def _in_run_netns(self) -> tuple[Entrances, dict[int, str]]:
        """
        The namespaces in /run/netns other than the own, and their names there.
        """
        entrances: Entrances = {}
        names: dict[int, str] = {}
        with contextlib.suppress(OSError):  # there is none, or it may not be listed
            for path in sorted(_NAMES.iterdir()):
                with contextlib.suppress(OSError):  # it has just been removed
                    found = path.stat()
                    # Of another device is an empty file that `ip netns` has left behind.
                    if found.st_dev == self._own.st_dev and found.st_ino != self._own.st_ino:
                        entrances.setdefault(found.st_ino, []).append(str(path))
                        # Names of files are bytes, labels are text.
                        name = os.fsencode(path.name).decode(errors="replace")
                        names.setdefault(found.st_ino, name)
        return entrances, names

    def _add_processes(self, entrances: Entrances) -> set[int]:
        """
        Add the processes' namespaces. Returns marks of those that may not be seen.
        """
        hidden = set()
        for process in psutil.pids():
            entrance = f"{_PROCESSES}/{process}/ns/net"
            try:
                link = os.readlink(entrance)  # noqa: PTH115  Path() would double the time
            except PermissionError:
                with contextlib.suppress(OSError):
                    hidden.add(_mark(process))
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has just ended
            else:
                inode = int(link.removeprefix("net:[").removesuffix("]"))
                if inode != self._own.st_ino:
                    entrances.setdefault(inode, []).append(entrance)
        return hidden


def _mark(process: int | str) -> int:
    """
    What tells a process' namespace from others, though not which one it is: unlike ns/net, the
    inode number of its statistics may be asked for by anyone (get_proc_task_net in fs/proc).
    """
    return Path(f"{_PROCESSES}/{process}/net/netstat").stat().st_ino


def _count_hidden(marks: set[int], known: Iterable[Namespace]) -> int:
    """
    How many namespaces have these marks and are not known.

    Those that cannot be entered either are taken for some of them: they will be counted as known.
    """
    marks = marks - {_mark("thread-self")}
    unmarked = 0
    for namespace in known:
        try:
            with inside(namespace):
                marks.discard(_mark("thread-self"))
        except CollectorError:
            unmarked += 1
    return max(len(marks) - unmarked, 0)
