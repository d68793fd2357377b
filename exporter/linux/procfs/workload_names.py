"""
The names of workloads: a cgroup's path in, the name that people know it by out. Pure.

The forms of the paths are those of systemd, Docker, containerd, CRI-O, Podman, LXC and the kubelet,
with systemd's cgroup driver (kubepods.slice/.../cri-containerd-ID.scope) and without
(kubepods/burstable/podUID/ID).
"""

import re
from collections.abc import Mapping

_HEX = "[0-9a-f]"
_POD = re.compile(
    rf"[-/]pod({_HEX}{{8}}(?:[-_]{_HEX}{{4}}){{3}}[-_]{_HEX}{{12}}|{_HEX}{{32}})(?=[./:]|$)"
)
"""The pod's uid, in which systemd's driver writes _ for -; a static pod has a hash instead."""
_CONTAINER = re.compile(rf"[-/:]({_HEX}{{12}}){_HEX}{{52}}(?=[./]|$)")
_USER = re.compile(r"/(user-\d+\.slice)(?=/)")
_LXC = re.compile(r"/lxc(?:\.payload\.|/)([^/]+)")
_UNIT = re.compile(r"/([^/]+\.(?:service|scope|socket|mount|swap))(?=/|$)")


def workload_name(cgroup: str, pods: Mapping[str, str]) -> str:
    """
    The name of the workload that a cgroup, given by its path from the root, belongs to.

    A pod is named by pods, which holds namespace/name by uid, else by its uid. Then come a
    container's short id, a user with all their sessions, a systemd unit. What is none of these is
    its path. Of things within one another the outermost has the name: that is the one this host
    knows. What users run may only be named as their containers: below their slice they can make
    cgroups of any name.
    """
    if name := container_name(cgroup, pods):
        return name
    for known in (_USER, _UNIT):
        if found := known.search(cgroup):
            return found[1]
    return cgroup


def container_name(cgroup: str, pods: Mapping[str, str]) -> str | None:
    """
    The name of the pod or container that a cgroup belongs to; None if it is in neither.
    """
    if not _USER.search(cgroup) and (pod := _POD.search(cgroup)):
        uid = pod[1].replace("_", "-")
        return pods.get(uid, uid)
    found = _CONTAINER.search(cgroup) or _LXC.search(cgroup)
    return found[1] if found else None
