"""
Workload names from cgroup paths. Pure.

Supported are the path formats of systemd, Docker, containerd, CRI-O, Podman, LXC and the kubelet,
with systemd's cgroup driver (kubepods.slice/.../cri-containerd-ID.scope) and without it
(kubepods/burstable/podUID/ID).
"""

import re
from collections.abc import Mapping

_HEX = "[0-9a-f]"
_POD = re.compile(
    rf"[-/]pod({_HEX}{{8}}(?:[-_]{_HEX}{{4}}){{3}}[-_]{_HEX}{{12}}|{_HEX}{{32}})(?=[./:]|$)"
)
"""The pod's uid; systemd's driver replaces - by _. A static pod has a hash instead."""
_CONTAINER = re.compile(rf"[-/:]({_HEX}{{12}}){_HEX}{{52}}(?=[./]|$)")
_USER = re.compile(r"/(user-\d+\.slice)(?=/)")
_LXC = re.compile(r"/lxc(?:\.payload\.|/)([^/]+)")
_UNIT = re.compile(r"/([^/]+\.(?:service|scope|socket|mount|swap))(?=/|$)")


def workload_name(cgroup: str, pods: Mapping[str, str]) -> str:
    """
    The workload name of a cgroup, given by its path from the root.

    In this order: the pod, named by pods (namespace/name by uid) or its uid; the container's short
    id; the user, with all sessions; the systemd unit; else the path. If several of a kind are
    nested, the outermost is used, because it is the one that this host manages. Below a user's
    slice only containers are recognized, because users can create cgroups of any name there.
    """
    if name := container_name(cgroup, pods):
        return name
    for known in (_USER, _UNIT):
        if found := known.search(cgroup):
            return found[1]
    return cgroup


def container_name(cgroup: str, pods: Mapping[str, str]) -> str | None:
    """
    The name of the cgroup's pod or container; None if it is in neither.
    """
    if not _USER.search(cgroup) and (pod := _POD.search(cgroup)):
        uid = pod[1].replace("_", "-")
        return pods.get(uid, uid)
    found = _CONTAINER.search(cgroup) or _LXC.search(cgroup)
    return found[1] if found else None
