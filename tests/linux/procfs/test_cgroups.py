"""
Resolution of cgroup ids in the kernel's cgroup2 file system.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.linux.procfs import cgroups
from exporter.linux.procfs.cgroups import WorkloadNames
from exporter.model import UNKNOWN_WORKLOAD, CollectorError
from tests.cgroups import cgroup_tree
from tests.lab import LAB_MARKS

pytestmark = LAB_MARKS

UID = "0a1b2c3d-1111-2222-3333-444455556666"


@pytest.fixture
def tree() -> Iterator[Path]:
    """
    A cgroup in which tests create others.
    """
    with cgroup_tree() as path:
        yield path


def made(path: Path) -> int:
    """
    Create a cgroup; returns its id.
    """
    path.mkdir(parents=True)
    return path.stat().st_ino


def test_names(tree: Path) -> None:
    """
    Cgroups are found at any depth, including the root; absent ones and 0 are unknown.
    """
    service = made(tree / "system.slice/a.service")
    plain = made(tree / "plain/deep/er")
    root = tree.parent.stat().st_ino
    names = WorkloadNames().names([service, plain, root, 0, 4_000_000_000])
    assert names == {
        service: "a.service",
        plain: f"/{tree.name}/plain/deep/er",
        root: "/",
        0: UNKNOWN_WORKLOAD,
        4_000_000_000: UNKNOWN_WORKLOAD,
    }


def test_removed(tree: Path) -> None:
    """
    A removed cgroup keeps its name; one removed before its first request is unknown.
    """
    early, late = (made(tree / name) for name in ("early.service", "late.service"))
    workloads = WorkloadNames()
    assert workloads.names([early])[early] == "early.service"
    for name in ("early.service", "late.service"):
        (tree / name).rmdir()
    assert workloads.names([early, late]) == {early: "early.service", late: UNKNOWN_WORKLOAD}


def test_new(tree: Path) -> None:
    """
    A cgroup created later is found.
    """
    workloads = WorkloadNames()
    workloads.names([made(tree / "a.service")])
    later = made(tree / "b.service")
    assert workloads.names([later])[later] == "b.service"


def test_searches_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Known names, including unknown workloads, are not searched for again.
    """
    workloads = WorkloadNames()
    ids = [made(tree / "a.service"), 0, 4_000_000_000]
    expected = dict(workloads.names(ids))
    monkeypatch.setattr(cgroups, "_mount", None)
    assert workloads.names(ids) == expected


def test_cache_is_bounded(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Of cgroups no longer requested, the latest names are kept; of requested ones, all.
    """
    monkeypatch.setattr(cgroups, "_REMEMBERED", 2)
    workloads = WorkloadNames()
    ids = [made(tree / f"{number}.service") for number in range(6)]
    for cgroup in ids[:4]:
        workloads.names([cgroup])
    assert list(workloads.names(ids[4:])) == ids[2:]
    assert list(workloads.names(ids)) == ids


def test_search_is_bounded(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The number of cgroups visited is limited, and the search is breadth-first.
    """
    upper = made(tree / "upper.service")
    for number in range(50):
        made(tree / f"crowd/{number}")
    lower = made(tree / "crowd/0/lower.service")
    monkeypatch.setattr(cgroups, "_MOST_VISITED", 40)
    assert WorkloadNames().names([upper, lower]) == {
        upper: "upper.service",
        lower: UNKNOWN_WORKLOAD,
    }


def test_any_bytes(tree: Path) -> None:
    """
    A name with bytes that are not text is escaped; the kernel rejects only newlines.
    """
    cgroup = made(Path(os.fsdecode(os.fsencode(tree) + b"/\xff\x1b")))
    assert WorkloadNames().names([cgroup])[cgroup] == f"/{tree.name}/\\xff\x1b"


def test_pods(tree: Path, tmp_path: Path) -> None:
    """
    Pod names are taken from the log directories; without those, the uid is used.
    """
    cgroup = made(tree / f"kubepods/burstable/pod{UID}/container")
    (tmp_path / f"shop_cart-1_{UID}").mkdir()
    (tmp_path / "something else").mkdir()
    assert WorkloadNames(pod_logs=tmp_path).names([cgroup]) == {cgroup: "shop/cart-1"}
    shutil.rmtree(tmp_path)
    assert WorkloadNames(pod_logs=tmp_path).names([cgroup]) == {cgroup: UID}


def mounts(directory: Path, *lines: str) -> WorkloadNames:
    """
    The workload names for these mounts, given by root and mount point.
    """
    file = directory / "mountinfo"
    other = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
    file.write_text(
        other
        + "".join(f"41 31 0:38 {line} rw,relatime shared:9 - cgroup2 none rw\n" for line in lines)
    )
    return WorkloadNames(file)


def test_mounts(tree: Path, tmp_path: Path) -> None:
    """
    The mount with the largest part of the hierarchy is searched; names start at the visible root.
    """
    cgroup = made(tree / "plain")
    top, whole = str(tree.parent), f"/{tree.name}/plain"
    cases = {
        (f"/ {top}",): whole,
        (f"/containers/one {tree}", f"/ {top}"): whole,
        (f"/ {tree}", f"/../../.. {top}"): whole,  # a container with its host's cgroups mounted
        (f"/containers/one {tree}",): "/containers/one/plain",
    }
    for lines, name in cases.items():
        assert mounts(tmp_path, *lines).names([cgroup]) == {cgroup: name}


def test_mount_point_with_a_space(tree: Path, tmp_path: Path) -> None:
    """
    The kernel escapes spaces in mount points.
    """
    cgroup = made(tree / "a b/x.service")
    names = mounts(tmp_path, f"/ {tree}/a\\040b").names([cgroup])
    assert names == {cgroup: "x.service"}


def test_no_cgroup2(tmp_path: Path) -> None:
    """
    If no cgroup2 file system is mounted, or it is gone, the error has the reason.
    """
    with pytest.raises(CollectorError, match="cgroup2"):
        mounts(tmp_path).names([1])
    with pytest.raises(CollectorError, match=f"cannot read {tmp_path}/gone: No such file"):
        mounts(tmp_path, f"/ {tmp_path}/gone").names([1])
    with pytest.raises(CollectorError, match=f"cannot read {tmp_path}/none: No such file"):
        WorkloadNames(tmp_path / "none").names([1])
    assert mounts(tmp_path).names([0]) == {0: UNKNOWN_WORKLOAD}
