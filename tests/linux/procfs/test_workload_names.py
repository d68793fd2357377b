"""
Workload names of cgroup paths created by systemd, container runtimes and the kubelet.
"""

import pytest

from exporter.linux.procfs.workload_names import workload_name

ID = "4f2a9c1b7d3e" + "0123456789abcdef" * 3 + "0123"
OTHER_ID = "aa" * 32
UID = "0a1b2c3d-1111-2222-3333-444455556666"
UID_ = UID.replace("-", "_")
STATIC = "9e107d9d372bb6826bd81d3542a419d6"
PODS = {UID: "shop/cart-7c9f", STATIC: "kube-system/etcd-node1"}
BURSTABLE = "kubepods-burstable"

NAMES = {
    # systemd
    "/system.slice/postgresql.service": "postgresql.service",
    "/system.slice/system-getty.slice/getty@tty1.service": "getty@tty1.service",
    "/system.slice/ssh.socket": "ssh.socket",
    "/system.slice/docker.service/buildkit": "docker.service",
    "/init.scope": "init.scope",
    "/user.slice/user-1000.slice/session-3.scope": "user-1000.slice",
    "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service": "user-1000.slice",
    "/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service": (
        "systemd-nspawn@web.service"
    ),
    # containers
    f"/system.slice/docker-{ID}.scope": ID[:12],
    f"/docker/{ID}": ID[:12],
    f"/docker/{ID}/init.scope": ID[:12],
    f"/docker/{ID}/docker/{OTHER_ID}": ID[:12],
    f"/machine.slice/libpod-{ID}.scope/container": ID[:12],
    f"/machine.slice/libpod-conmon-{ID}.scope": ID[:12],
    f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope": ID[:12],
    f"/ecs/0123456789abcdef0123456789abcdef/{ID}": ID[:12],
    "/lxc.payload.web/system.slice/nginx.service": "web",
    "/lxc/db": "db",
    # pods
    f"/kubepods.slice/{BURSTABLE}.slice/{BURSTABLE}-pod{UID_}.slice/cri-containerd-{ID}.scope": (
        "shop/cart-7c9f"
    ),
    f"/kubepods.slice/kubepods-pod{UID_}.slice/crio-{ID}.scope": "shop/cart-7c9f",
    f"/kubepods/besteffort/pod{UID}/{ID}": "shop/cart-7c9f",
    f"/system.slice/containerd.service/{BURSTABLE}-pod{UID_}.slice:cri-containerd:{ID}": (
        "shop/cart-7c9f"
    ),
    f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{UID_}.slice": "shop/cart-7c9f",
    f"/kubepods/burstable/pod{STATIC}/{ID}": "kube-system/etcd-node1",
    "/kubepods/podffffffff-1111-2222-3333-444455556666/x": "ffffffff-1111-2222-3333-444455556666",
    # none of these
    "/": "/",
    "/system.slice": "/system.slice",
    "/batch/worker-3": "/batch/worker-3",
    f"/batch/{ID[:63]}": f"/batch/{ID[:63]}",
    f"/batch/{ID}0": f"/batch/{ID}0",
    "/batch/podium": "/batch/podium",
    "/batch/user-1000.slice": "/batch/user-1000.slice",
}


@pytest.mark.parametrize("cgroup", NAMES)
def test_names(cgroup: str) -> None:
    """
    Each cgroup path has the expected workload name.
    """
    assert workload_name(cgroup, PODS) == NAMES[cgroup]


def test_users_cannot_forge_pods() -> None:
    """
    A cgroup named like a pod below a user's slice, where users can create any name, is not a pod.
    """
    forged = f"/user.slice/user-1000.slice/user@1000.service/kubepods/pod{UID}/x"
    assert workload_name(forged, PODS) == "user-1000.slice"
