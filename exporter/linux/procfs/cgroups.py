"""
Cgroup ids, as the kernel reports them for sockets, resolved to the workloads they belong to.

The id is the inode of the cgroup's directory in the cgroup2 hierarchy, which on hybrid hosts is
mounted beside those of version 1; here its lower half, as the history has it. A socket stays with
the cgroup in which it was made. When that has been removed its id leads nowhere any more.
"""

import os
import re
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.linux.procfs.workload_names import workload_name
from exporter.model import UNKNOWN_WORKLOAD, CollectorError

_MOUNTS = Path("/proc/self/mountinfo")
POD_LOGS = Path("/var/log/pods")
"""Where the kubelet makes a directory NAMESPACE_NAME_UID for each pod."""
_MOST_VISITED = 20_000
"""How many cgroups are looked at in one search, from the root down: for some 0.2 s."""
_LEAF_LINKS = 2
"""kernfs counts a directory's subdirectories among its links; files do not count."""
_NO_CGROUP = 0
_HALF_MASK = 0xFFFFFFFF
_REMEMBERED = 4096
"""How many names are remembered, the latest, of cgroups that have no connections any more."""


@dataclass(frozen=True, slots=True)
class _Mount:
    """
    A mounted cgroup2 file system: the cgroup that it shows, and where.
    """

    root: str
    point: str

    @property
    def breadth(self) -> tuple[int, int]:
        """
        The larger, the more of the hierarchy it shows.

        What lies above the root of the process's own cgroup namespace is shown as /.. .
        """
        return self.root.count("/.."), -len(self.root)


class Workloads:
    """
    The names of cgroups' workloads, remembered: connections may outlive their cgroup.
    """

    def __init__(self, mounts: Path = _MOUNTS, pod_logs: Path = POD_LOGS) -> None:
        self._mounts = mounts
        self._pod_logs = pod_logs
        self._names: dict[int, str] = {}

    def names(self, cgroups: Collection[int]) -> dict[int, str]:
        """
        The names for the cgroups, and all others that are remembered.

        It is UNKNOWN_WORKLOAD for one that is not there. Raises CollectorError.
        """
        found = {_NO_CGROUP: UNKNOWN_WORKLOAD}
        if unknown := set(cgroups) - self._names.keys() - {_NO_CGROUP}:
            found |= dict.fromkeys(unknown, UNKNOWN_WORKLOAD) | self._search(unknown)
        used = {cgroup: self._names.get(cgroup) or found[cgroup] for cgroup in cgroups}
        others = [item for item in self._names.items() if item[0] not in used]
        self._names = dict(others[-_REMEMBERED:]) | used
        return self._names

    def _search(self, wanted: Collection[int]) -> dict[int, str]:
        mount = _mount(self._mounts)
        pods = pod_names(self._pod_logs)
        return {
            cgroup: workload_name(path, pods)
            for cgroup, path in _find(mount, set(wanted), _MOST_VISITED)
        }


def _mount(mounts: Path) -> _Mount:
    """
    The mounted cgroup2 file system that shows the most.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError as error:
        raise CollectorError(f"cannot read {mounts}: {error.strerror}") from error
    found = []
    for line in lines:
        place, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            root, point = place.split(" ")[3:5]
            found.append(_Mount(root, _unescape(point)))
    if not found:
        raise CollectorError("workloads cannot be named: no cgroup2 file system is mounted here")
    return max(found, key=lambda mount: mount.breadth)


def _unescape(field: str) -> str:
    """
    The kernel writes spaces and the like as octal numbers.
    """
    return re.sub(r"\\([0-7]{3})", lambda digits: chr(int(digits[1], 8)), field)


def _find(mount: _Mount, wanted: set[int], most: int) -> Iterator[tuple[int, str]]:
    """
    Id and path of each of the wanted cgroups, which are taken out of the set.

    Searches the upper ones first, and ends when all are found or so many have been looked at.
    """
    above = "" if mount.root.startswith("/..") else mount.root.rstrip("/")
    try:
        root = Path(mount.point).stat().st_ino & _HALF_MASK
    except OSError as error:
        raise CollectorError(f"cannot read {mount.point}: {error.strerror}") from error
    if root in wanted:
        wanted.discard(root)
        yield root, _printable(above) or "/"
    places = deque([mount.point])
    while places and wanted:
        for entry in _subdirectories(places.popleft()):
            most -= 1
            if most < 0:
                return
            places.append(entry.path)
            if (cgroup := entry.inode() & _HALF_MASK) in wanted:
                wanted.discard(cgroup)
                yield cgroup, _printable(above + entry.path.removeprefix(mount.point))


def _subdirectories(place: str) -> list["os.DirEntry[str]"]:
    try:
        # Not with a Path, which costs as much as the call itself.
        if os.stat(place).st_nlink == _LEAF_LINKS:  # noqa: PTH116
            return []
        with os.scandir(place) as entries:
            return [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:  # it has just been removed
        return []


def pod_names(logs: Path = POD_LOGS) -> dict[str, str]:
    """
    The names of pods by uid, namespace/name; none where there are none, or they may not be read.
    """
    try:
        parts = [_printable(place.name).split("_") for place in logs.iterdir()]
    except OSError:
        return {}
    return {part[2]: f"{part[0]}/{part[1]}" for part in parts if len(part) == 3}


def _printable(path: str) -> str:
    """
    The path as text that can be encoded, though it may hold any bytes.
    """
    return os.fsencode(path).decode(errors="backslashreplace")
