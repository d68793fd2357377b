"""
Cgroup ids resolved in the kernel's own cgroup2 file system.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.linux.procfs import cgroups
from exporter.linux.procfs.cgroups import Workloads
from exporter.model import UNKNOWN_WORKLOAD, CollectorError
from tests.cgroups import cgroup_tree
from tests.lab import LAB_MARKS

pytestmark = LAB_MARKS

UID = "0a1b2c3d-1111-2222-3333-444455556666"


@pytest.fixture
def tree() -> Iterator[Path]:
    """
    A cgroup to make others in.
    """
    with cgroup_tree() as path:
        yield path


def made(path: Path) -> int:
    """
    The id of a cgroup that is made for it.
    """
    path.mkdir(parents=True)
    return path.stat().st_ino


def test_names(tree: Path) -> None:
    """
    Cgroups are found wherever they are, the root too; what is not there is unknown, and so is 0.
    """
    service = made(tree / "system.slice/a.service")
    plain = made(tree / "plain/deep/er")
    root = tree.parent.stat().st_ino
    names = Workloads().names([service, plain, root, 0, 4_000_000_000])
    assert names == {
        service: "a.service",
        plain: f"/{tree.name}/plain/deep/er",
        root: "/",
        0: UNKNOWN_WORKLOAD,
        4_000_000_000: UNKNOWN_WORKLOAD,
    }


def test_removed(tree: Path) -> None:
    """
    A cgroup that has been removed keeps its name; one removed before it was asked for has none.
    """
    early, late = (made(tree / name) for name in ("early.service", "late.service"))
    workloads = Workloads()
    assert workloads.names([early])[early] == "early.service"
    for name in ("early.service", "late.service"):
        (tree / name).rmdir()
    assert workloads.names([early, late]) == {early: "early.service", late: UNKNOWN_WORKLOAD}


def test_new(tree: Path) -> None:
    """
    One that is made later is found when it is asked for.
    """
    workloads = Workloads()
    workloads.names([made(tree / "a.service")])
    later = made(tree / "b.service")
    assert workloads.names([later])[later] == "b.service"


def test_searches_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is known, be it that nothing can be, is not searched for again.
    """
    workloads = Workloads()
    ids = [made(tree / "a.service"), 0, 4_000_000_000]
    expected = dict(workloads.names(ids))
    monkeypatch.setattr(cgroups, "_mount", None)
    assert workloads.names(ids) == expected


def test_remembers_a_bounded_number(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Of cgroups that are no longer asked for, the latest are remembered; of those asked for, all.
    """
    monkeypatch.setattr(cgroups, "_REMEMBERED", 2)
    workloads = Workloads()
    ids = [made(tree / f"{number}.service") for number in range(6)]
    for cgroup in ids[:4]:
        workloads.names([cgroup])
    assert list(workloads.names(ids[4:])) == ids[2:]
    assert list(workloads.names(ids)) == ids


def test_search_is_bounded(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    So many cgroups are looked at and no more, the upper ones first.
    """
    upper = made(tree / "upper.service")
    for number in range(50):
        made(tree / f"crowd/{number}")
    lower = made(tree / "crowd/0/lower.service")
    monkeypatch.setattr(cgroups, "_MOST_VISITED", 40)
    assert Workloads().names([upper, lower]) == {upper: "upper.service", lower: UNKNOWN_WORKLOAD}


def test_any_bytes(tree: Path) -> None:
    """
    A name that is no text is one that can be published; only newlines the kernel refuses.
    """
    cgroup = made(Path(os.fsdecode(os.fsencode(tree) + b"/\xff\x1b")))
    assert Workloads().names([cgroup])[cgroup] == f"/{tree.name}/\\xff\x1b"


def test_pods(tree: Path, tmp_path: Path) -> None:
    """
    Pods have the names that their directories of logs have; without those, their uids.
    """
    cgroup = made(tree / f"kubepods/burstable/pod{UID}/container")
    (tmp_path / f"shop_cart-1_{UID}").mkdir()
    (tmp_path / "something else").mkdir()
    assert Workloads(pod_logs=tmp_path).names([cgroup]) == {cgroup: "shop/cart-1"}
    shutil.rmtree(tmp_path)
    assert Workloads(pod_logs=tmp_path).names([cgroup]) == {cgroup: UID}


def mounts(directory: Path, *lines: str) -> Workloads:
    """
    The workloads of a process that has these mounts, given by root and point.
    """
    file = directory / "mountinfo"
    other = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
    file.write_text(
        other
        + "".join(f"41 31 0:38 {line} rw,relatime shared:9 - cgroup2 none rw\n" for line in lines)
    )
    return Workloads(file)


def test_mounts(tree: Path, tmp_path: Path) -> None:
    """
    The mount that shows most is searched; names begin where the process sees its root.
    """
    cgroup = made(tree / "plain")
    top, whole = str(tree.parent), f"/{tree.name}/plain"
    cases = {
        (f"/ {top}",): whole,
        (f"/containers/one {tree}", f"/ {top}"): whole,
        (f"/ {tree}", f"/../../.. {top}"): whole,  # a container that sees its host's cgroups too
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
    Where there is no such file system, or it has gone, that is said; nobody is named.
    """
    with pytest.raises(CollectorError, match="no cgroup2 file system is mounted"):
        mounts(tmp_path).names([1])
    with pytest.raises(CollectorError, match=f"cannot read {tmp_path}/gone: No such file"):
        mounts(tmp_path, f"/ {tmp_path}/gone").names([1])
    with pytest.raises(CollectorError, match=f"cannot read {tmp_path}/none: No such file"):
        Workloads(tmp_path / "none").names([1])
    assert mounts(tmp_path).names([0]) == {0: UNKNOWN_WORKLOAD}
