"""
Resolution of cgroup ids of sockets to workload names.

The id is the inode number of the cgroup's directory in the cgroup2 hierarchy, which on hybrid hosts
is mounted in addition to those of version 1. Here ids are the lower half, as in the history. A
socket keeps the cgroup in which it was created. After that cgroup is removed, its id cannot be
resolved.
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
"""The kubelet's directory with a subdirectory NAMESPACE_NAME_UID for each pod."""
_MOST_VISITED = 20_000
"""Maximum number of cgroups visited in one search, breadth-first; takes about 0.2 s."""
_LEAF_LINKS = 2
"""Link count of a kernfs directory without subdirectories; files do not count."""
_NO_CGROUP = 0
_HALF_MASK = 0xFFFFFFFF
_REMEMBERED = 4096
"""Maximum number of latest names kept of cgroups that no longer have connections."""


@dataclass(frozen=True, slots=True)
class _Mount:
    """
    A mounted cgroup2 file system: its root cgroup, and its mount point.
    """

    root: str
    point: str

    @property
    def breadth(self) -> tuple[int, int]:
        """
        A key that is larger the more of the hierarchy is mounted.

        Cgroups above the root of the process's own cgroup namespace are written as /.. .
        """
        return self.root.count("/.."), -len(self.root)


class WorkloadNames:
    """
    The workload names of cgroups, cached, because connections may outlive their cgroup.
    """

    def __init__(self, mounts: Path = _MOUNTS, pod_logs: Path = POD_LOGS) -> None:
        self._mounts = mounts
        self._pod_logs = pod_logs
        self._names: dict[int, str] = {}

    def names(self, cgroups: Collection[int]) -> dict[int, str]:
        """
        The names of these cgroups, and all other cached names.

        The name of a cgroup that is not found is UNKNOWN_WORKLOAD. Raises CollectorError.
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
    The mounted cgroup2 file system with the largest part of the hierarchy.
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
        raise CollectorError("cannot resolve workload names: no cgroup2 file system is mounted")
    return max(found, key=lambda mount: mount.breadth)


def _unescape(field: str) -> str:
    """
    Decode octal escapes, which the kernel uses for spaces and similar characters.
    """
    return re.sub(r"\\([0-7]{3})", lambda digits: chr(int(digits[1], 8)), field)


def _find(mount: _Mount, wanted: set[int], most: int) -> Iterator[tuple[int, str]]:
    """
    Id and path of each wanted cgroup; found ones are removed from the set.

    The search is breadth-first, and ends when all are found or most cgroups have been visited.
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
        # Not with a Path, which takes as long as the call itself.
        if os.stat(place).st_nlink == _LEAF_LINKS:  # noqa: PTH116
            return []
        with os.scandir(place) as entries:
            return [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:  # just removed
        return []


def pod_names(logs: Path = POD_LOGS) -> dict[str, str]:
    """
    The names (namespace/name) of pods by uid; empty if there are none or they cannot be read.
    """
    try:
        parts = [_printable(place.name).split("_") for place in logs.iterdir()]
    except OSError:
        return {}
    return {part[2]: f"{part[0]}/{part[1]}" for part in parts if len(part) == 3}


def _printable(path: str) -> str:
    """
    The path, which may contain any bytes, as text that can be encoded.
    """
    return os.fsencode(path).decode(errors="backslashreplace")
