"""
Discovery of network namespaces: those of processes, and those with a name in /run/netns.

A namespace is not found if only an open file, or a thread other than a process's main thread,
refers to it.
"""

import contextlib
import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

from exporter.linux.netns.enter import OWN, inside, refusal
from exporter.linux.netns.names import NamespaceNames
from exporter.model import OWN_NAMESPACE, CollectorError, DiscoveredNamespaces, Namespace

if sys.platform != "linux":
    raise ImportError("network namespaces exist on Linux only")

MOST = 512
"""Maximum number of other namespaces read; each costs time, an open file and about 18 series."""

_NAMES = Path("/run/netns")
_PROCESSES = "/proc"
_ENTRANCES = 8
"""Maximum number of entrances kept per namespace."""

Entrances = dict[int, list[str]]
"""Files through which namespaces can be entered, by inode number of the namespace."""


class NamespaceDiscovery:
    """
    Finds the current namespaces. A namespace keeps its name for its lifetime.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._own = OWN.stat()
        self._known: dict[int, Namespace] = {}
        self._names = NamespaceNames()

    def find(self) -> DiscoveredNamespaces:
        """
        The current namespaces.
        """
        entrances, given = self._in_run_netns()
        hidden = self._add_processes(entrances)
        # Known ones first, so that the selection is stable if there are too many.
        order = [*filter(entrances.__contains__, self._known), *entrances]
        inodes = list(dict.fromkeys(order))[: self._limit()]
        names = self._names.choose({inode: entrances[inode] for inode in inodes}, given)
        self._known = {
            inode: Namespace(name, inode, tuple(entrances[inode][:_ENTRANCES]))
            for inode, name in names.items()
        }
        skipped = {}
        if hidden and (number := _count_hidden(hidden, self._known.values())):
            purpose = "to see network namespaces of other users' processes"
            skipped[refusal("CAP_SYS_PTRACE", purpose)] = number
        if left := len(entrances) - len(inodes):
            skipped[f"more than the limit of {len(inodes)}"] = left
        return DiscoveredNamespaces((OWN_NAMESPACE, *self._known.values()), skipped)

    def _limit(self) -> int:
        open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return min(self._most, open_files // 2)

    def _in_run_netns(self) -> tuple[Entrances, dict[int, str]]:
        """
        The namespaces in /run/netns except the exporter's own, and their names there.
        """
        entrances: Entrances = {}
        names: dict[int, str] = {}
        with contextlib.suppress(OSError):  # the directory does not exist or is not readable
            for path in sorted(_NAMES.iterdir()):
                with contextlib.suppress(OSError):  # just removed
                    found = path.stat()
                    # A file on another device is an empty file that `ip netns` left behind.
                    if found.st_dev == self._own.st_dev and found.st_ino != self._own.st_ino:
                        entrances.setdefault(found.st_ino, []).append(str(path))
                        # File names are bytes, labels are text.
                        name = os.fsencode(path.name).decode(errors="replace")
                        names.setdefault(found.st_ino, name)
        return entrances, names

    def _add_processes(self, entrances: Entrances) -> set[int]:
        """
        Add the namespaces of processes. Returns the marks of namespaces without read permission.
        """
        hidden = set()
        for process in psutil.pids():
            entrance = f"{_PROCESSES}/{process}/ns/net"
            try:
                link = os.readlink(entrance)  # noqa: PTH115  Path() doubles the time
            except PermissionError:
                with contextlib.suppress(OSError):
                    hidden.add(_mark(process))
            except (FileNotFoundError, ProcessLookupError):
                continue  # just ended
            else:
                inode = int(link.removeprefix("net:[").removesuffix("]"))
                if inode != self._own.st_ino:
                    entrances.setdefault(inode, []).append(entrance)
        return hidden


def _mark(process: int | str) -> int:
    """
    A number that is unique for the process's namespace, but does not identify it: the inode number
    of its statistics, which needs no permission, unlike ns/net (get_proc_task_net in fs/proc).
    """
    return Path(f"{_PROCESSES}/{process}/net/netstat").stat().st_ino


def _count_hidden(marks: set[int], known: Iterable[Namespace]) -> int:
    """
    The number of namespaces with these marks that are not known.

    Known namespaces that cannot be entered are assumed to be among them, because they are counted
    as known.
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
