"""
Names of network namespaces: the name in /run/netns, else the pod or container of their processes,
else the inode number.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from exporter.linux.procfs.cgroups import pod_names
from exporter.linux.procfs.workload_names import container_name
from exporter.model import HOST_NETNS

_BY_CNI = re.compile(r"cni-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Names in /run/netns that container runtimes generate; not meaningful."""
_NAMESPACE_OF_PROCESS = "/ns/net"


class NamespaceNames:
    """
    Chooses unique names. A namespace keeps its name for its lifetime, except that its number is
    removed from it once no other namespace has the same name.
    """

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def choose(
        self, namespaces: Mapping[int, Iterable[str]], given: Mapping[int, str]
    ) -> dict[int, str]:
        """
        The names of all current namespaces, by inode number.

        namespaces has the entrances of each; given has the names in /run/netns.
        """
        pods = pod_names()
        before = {inode: self._names[inode] for inode in namespaces if inode in self._names}
        taken, names = {HOST_NETNS, *before.values()}, {}
        for inode, entrances in namespaces.items():
            number = f"net:[{inode}]"
            name = given.get(inode)
            if name is None or _BY_CNI.fullmatch(name):
                name = _container(entrances, pods) or name or number
            is_free = name not in taken or before.get(inode) == name
            names[inode] = name if is_free else f"{name} {number}"
            taken.add(names[inode])
        self._names = names
        return names


def _container(entrances: Iterable[str], pods: Mapping[str, str]) -> str | None:
    """
    The pod or container of the first entrance's process that still exists; None if it is in none.
    """
    for entrance in entrances:
        process = entrance.removesuffix(_NAMESPACE_OF_PROCESS)
        if process == entrance:
            continue
        try:
            cgroups = Path(process, "cgroup").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # just ended
        # In all hierarchies: on some hosts, containers have cgroups only in version 1.
        for line in cgroups.splitlines():
            if name := container_name(line.split(":", 2)[-1], pods):
                return name
        return None
    return None
