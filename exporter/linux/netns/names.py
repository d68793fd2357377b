"""
What network namespaces are called: by their name in /run/netns, else by the pod or container whose
processes are in them, else by number.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from exporter.linux.procfs.cgroups import pod_names
from exporter.linux.procfs.workload_names import container_name
from exporter.model import HOST_NETNS

_BY_CNI = re.compile(r"cni-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Names in /run/netns that container runtimes make up, and that say nothing."""
_NAMESPACE_OF_PROCESS = "/ns/net"


class Names:
    """
    Gives names, no two alike, and to a namespace the same as long as it lives.
    """

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def choose(
        self, namespaces: Mapping[int, Iterable[str]], given: Mapping[int, str]
    ) -> dict[int, str]:
        """
        The names of all namespaces there are, by inode number.

        namespaces are the files that lead into each, given the names that some have in /run/netns.
        """
        pods = pod_names()
        before, names = self._names, {}
        taken = {HOST_NETNS, *before.values()}
        for inode, entrances in namespaces.items():
            number = f"net:[{inode}]"
            name = given.get(inode)
            if name is None or _BY_CNI.fullmatch(name):
                name = _container(entrances, pods) or name or number
            candidates = (name, f"{name} {number}")
            if before.get(inode) in candidates:
                names[inode] = before[inode]
            else:
                names[inode] = candidates[name in taken]
            taken.add(names[inode])
        self._names = names
        return names


def _container(entrances: Iterable[str], pods: Mapping[str, str]) -> str | None:
    """
    The pod or container of the first process that there is.
    """
    for entrance in entrances:
        process = entrance.removesuffix(_NAMESPACE_OF_PROCESS)
        if process == entrance:
            continue
        try:
            cgroups = Path(process, "cgroup").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has just ended
        # In all hierarchies: on some hosts containers show in those of version 1 only.
        for line in cgroups.splitlines():
            if name := container_name(line.split(":", 2)[-1], pods):
                return name
        return None
    return None
