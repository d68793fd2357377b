"""
Discovery and naming of network namespaces.

Namespaces of other tests may be found too; tests check only their own.
"""

import contextlib
import os
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from exporter.linux.netns import discovery as finder
from exporter.linux.netns.discovery import NamespaceDiscovery
from exporter.linux.netns.names import NamespaceNames
from exporter.model import DiscoveredNamespaces, Namespace
from tests.cgroups import cgroup_tree
from tests.lab import LAB_MARKS, Host
from tests.lab.hosts import NAMESPACES
from tests.linux.rights import become_nobody

pytestmark = LAB_MARKS

T = TypeVar("T")

CONTAINER = "0123456789abcdef" * 4
POD = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
CNI = "cni-01234567-89ab-cdef-0123-456789abcdef"
JOIN = 'echo $$ >"$0/cgroup.procs" && exec "$@"'


@dataclass(frozen=True)
class Anonymous:
    """
    A namespace without a name, and the process in it.
    """

    inode: int
    process: int


@contextlib.contextmanager
def anonymous(*argv: str) -> Iterator[Anonymous]:
    """
    Create one for the block; argv is put before its process's command.
    """
    command = [*argv, "unshare", "--net", "sh", "-c", "echo; exec sleep infinity"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield Anonymous(Path(f"/proc/{process.pid}/ns/net").stat().st_ino, process.pid)
        finally:
            process.kill()


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[int]], None]:
    """
    A function that restricts discovery to these processes, without names in /run/netns.
    """

    def restrict(processes: list[int]) -> None:
        monkeypatch.setattr(finder, "_NAMES", Path("/nowhere"))
        monkeypatch.setattr(psutil, "pids", lambda: processes)

    return restrict


def names(found: DiscoveredNamespaces) -> dict[int, str]:
    """
    The names of the found namespaces, by inode.
    """
    return {namespace.inode: namespace.name for namespace in found.namespaces}


def inode(host: Host) -> int:
    """
    The inode of a host's namespace.
    """
    return (NAMESPACES / host.name).stat().st_ino


def test_own_first() -> None:
    """
    The exporter's own namespace is first, is named host, and is not found twice.
    """
    first, *others = NamespaceDiscovery().find().namespaces
    assert first == Namespace("host")
    own = Path("/proc/self/ns/net").stat().st_ino
    assert own not in {namespace.inode for namespace in others}


def test_names_and_numbers() -> None:
    """
    Names in /run/netns are used; a namespace without a name is named by its inode.
    """
    with Host() as host, anonymous() as bare:
        found = names(NamespaceDiscovery().find())
        assert found[inode(host)] == host.name
        assert found[bare.inode] == f"net:[{bare.inode}]"


def test_nested() -> None:
    """
    A namespace created inside another one is found.
    """
    with anonymous() as outer, anonymous("nsenter", f"--net=/proc/{outer.process}/ns/net") as inner:
        assert outer.inode != inner.inode
        assert {outer.inode, inner.inode} <= names(NamespaceDiscovery().find()).keys()


def test_named_with_processes() -> None:
    """
    A named namespace with processes is found once; the number of its entrances is limited.
    """
    with Host() as host:
        processes = [host.start(["sleep", "infinity"]) for _ in range(10)]
        (found,) = (
            each for each in NamespaceDiscovery().find().namespaces if each.inode == inode(host)
        )
        files = [str(NAMESPACES / host.name), *(f"/proc/{each.pid}/ns/net" for each in processes)]
        assert found.entrances == tuple(files[: finder._ENTRANCES])


def test_leftover_file() -> None:
    """
    A file in /run/netns that is not a namespace is ignored.
    """
    with Host():
        leftover = NAMESPACES / f"lab-{os.getpid()}-leftover"
        leftover.touch()
        try:
            assert leftover.name not in names(NamespaceDiscovery().find()).values()
        finally:
            leftover.unlink()


def test_name_that_is_no_text() -> None:
    """
    A name with bytes that are not text is converted to a valid label.
    """
    with Host("\udcff") as host:
        assert names(NamespaceDiscovery().find())[inode(host)] == host.name.replace(
            "\udcff", "\ufffd"
        )


def test_unique() -> None:
    """
    Names are unique, only the exporter's own is named host, and a namespace keeps its name. One
    that is recreated under the same name has the name alone, once the old one is gone.
    """
    chosen = NamespaceNames()
    entrances = {7: ["/run/netns/host"], 8: ["/run/netns/a"], 9: ["/run/netns/b"]}
    given = {7: "host", 8: "x", 9: "x"}
    first = {7: "host net:[7]", 8: "x", 9: "x net:[9]"}
    assert chosen.choose(entrances, given) == first
    assert chosen.choose(dict(reversed(entrances.items())), given) == first
    del entrances[8]
    assert chosen.choose(entrances, given) == {7: "host net:[7]", 9: "x"}
    del entrances[9]
    entrances[10], given[10] = ["/run/netns/c"], "x"
    assert chosen.choose(entrances, given)[10] == "x"
    entrances[11], given[11] = ["/run/netns/d"], "x"
    assert chosen.choose(entrances, given)[10] == "x", "the older one keeps the name"


@pytest.mark.parametrize(
    ("cgroup", "name"),
    [
        (f"docker-{CONTAINER}.scope", CONTAINER[:12]),
        (f"kubepods/pod{POD}/{CONTAINER}", POD),
        ("some.service", None),
    ],
)
def test_containers(cgroup: str, name: str | None) -> None:
    """
    A namespace without a name is named by its container or pod, but not by a systemd unit, whose
    processes may be in any namespace.
    """
    with cgroup_tree() as tree:
        place = tree / cgroup
        place.mkdir(parents=True)
        with anonymous("sh", "-c", JOIN, str(place)) as bare:
            assert names(NamespaceDiscovery().find())[bare.inode] == (name or f"net:[{bare.inode}]")


def test_names_by_runtimes() -> None:
    """
    The name of the container replaces a name generated by a container runtime.
    """
    assert NamespaceNames().choose({7: ["/run/netns/x"]}, {7: CNI}) == {7: CNI}
    with cgroup_tree() as tree:
        place = tree / f"cri-containerd-{CONTAINER}.scope"
        place.mkdir()
        with anonymous("sh", "-c", JOIN, str(place)) as bare:
            entrances = {7: ["/run/netns/x", f"/proc/{bare.process}/ns/net"]}
            assert NamespaceNames().choose(entrances, {7: CNI}) == {7: CONTAINER[:12]}


def test_too_many(only: Callable[[list[int]], None]) -> None:
    """
    Namespaces above the limit are counted; the selected ones stay, in any order of discovery.
    """
    with anonymous() as one, anonymous() as two, anonymous() as three:
        limited = NamespaceDiscovery(most=2)
        only([one.process, two.process])
        assert limited.find().skipped == {}
        only([three.process, two.process, one.process])
        found = limited.find()
        assert names(found).keys() == {0, one.inode, two.inode}
        assert found.skipped == {"more than the limit of 2": 1}


def test_limit_of_files(only: Callable[[list[int]], None]) -> None:
    """
    Each namespace needs an open file; at most half of the process's limit is used.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with anonymous() as one, anonymous() as two:
        only([one.process, two.process])
        limited = NamespaceDiscovery()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            assert limited._limit() == 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_processes_of_others(only: Callable[[list[int]], None]) -> None:
    """
    Without CAP_SYS_PTRACE, the namespaces of other users' processes are still counted.
    """
    sleep = ["sleep", "infinity"]
    with anonymous() as one, anonymous() as two, subprocess.Popen(sleep) as here:
        enter = ["nsenter", f"--net=/proc/{one.process}/ns/net", *sleep]
        with subprocess.Popen(enter) as beside:
            only([os.getpid(), here.pid, one.process, beside.pid, two.process])
            found = as_nobody(NamespaceDiscovery().find)
            beside.kill()
        here.kill()
    assert found.namespaces == (Namespace("host"),)
    ((reason, number),) = found.skipped.items()
    assert "CAP_SYS_PTRACE" in reason
    assert number == 2


def as_nobody(function: Callable[[], T]) -> T:
    """
    The result of function without any privilege.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        become_nobody()
        outcome.set_result(function())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome.result(timeout=0)
