"""
Which network namespaces are found, and what they are called.

Other tests' namespaces are found too: what is looked at here are the own ones.
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
from exporter.linux.netns.discovery import Finder
from exporter.linux.netns.names import Names
from exporter.model import Found, Namespace
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
    A namespace without a name, and the process that is in it.
    """

    inode: int
    process: int


@contextlib.contextmanager
def anonymous(*argv: str) -> Iterator[Anonymous]:
    """
    A new one, until the block is left; argv is what comes before its process' command.
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
    Has but these processes be found, and no names.
    """

    def restrict(processes: list[int]) -> None:
        monkeypatch.setattr(finder, "_NAMES", Path("/nowhere"))
        monkeypatch.setattr(psutil, "pids", lambda: processes)

    return restrict


def names(found: Found) -> dict[int, str]:
    """
    The names of what was found, by inode.
    """
    return {namespace.inode: namespace.name for namespace in found.namespaces}


def inode(host: Host) -> int:
    """
    That of a host's namespace.
    """
    return (NAMESPACES / host.name).stat().st_ino


def test_own_first() -> None:
    """
    The own namespace comes first, is called host, and is not found a second time.
    """
    first, *others = Finder().find().namespaces
    assert first == Namespace("host")
    own = Path("/proc/self/ns/net").stat().st_ino
    assert own not in {namespace.inode for namespace in others}


def test_names_and_numbers() -> None:
    """
    Names in /run/netns are taken; what has none is called by its number.
    """
    with Host() as host, anonymous() as bare:
        found = names(Finder().find())
        assert found[inode(host)] == host.name
        assert found[bare.inode] == f"net:[{bare.inode}]"


def test_nested() -> None:
    """
    A namespace made within another one is found as any.
    """
    with anonymous() as outer, anonymous("nsenter", f"--net=/proc/{outer.process}/ns/net") as inner:
        assert outer.inode != inner.inode
        assert {outer.inode, inner.inode} <= names(Finder().find()).keys()


def test_processes_inside_one_with_a_name() -> None:
    """
    A named namespace with processes is one; of the ways in, some are remembered.
    """
    with Host() as host:
        processes = [host.start(["sleep", "infinity"]) for _ in range(10)]
        (found,) = (each for each in Finder().find().namespaces if each.inode == inode(host))
        ways = [str(NAMESPACES / host.name), *(f"/proc/{each.pid}/ns/net" for each in processes)]
        assert found.entrances == tuple(ways[: finder._ENTRANCES])


def test_leftover_file() -> None:
    """
    A file in /run/netns that is no namespace is none.
    """
    with Host():
        leftover = NAMESPACES / f"lab-{os.getpid()}-leftover"
        leftover.touch()
        try:
            assert leftover.name not in names(Finder().find()).values()
        finally:
            leftover.unlink()


def test_name_that_is_no_text() -> None:
    """
    A name of any bytes becomes one that can be a label.
    """
    with Host("\udcff") as host:
        assert names(Finder().find())[inode(host)] == host.name.replace("\udcff", "\ufffd")


def test_alike() -> None:
    """
    No two are called alike, the own one alone is called host, and a name once given stays.
    """
    chosen = Names()
    ways = {7: ["/run/netns/host"], 8: ["/run/netns/a"], 9: ["/run/netns/b"]}
    given = {7: "host", 8: "x", 9: "x"}
    first = {7: "host net:[7]", 8: "x", 9: "x net:[9]"}
    assert chosen.choose(ways, given) == first
    assert chosen.choose(dict(reversed(ways.items())), given) == first
    del ways[8]
    assert chosen.choose(ways, given) == {7: "host net:[7]", 9: "x net:[9]"}
    ways[10], given[10] = ["/run/netns/c"], "x"
    assert chosen.choose(ways, given)[10] == "x", "nobody has it any more"


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
    What has no name is called by its container or pod. A unit's processes may be in any namespace:
    its name says nothing.
    """
    with cgroup_tree() as tree:
        place = tree / cgroup
        place.mkdir(parents=True)
        with anonymous("sh", "-c", JOIN, str(place)) as bare:
            assert names(Finder().find())[bare.inode] == (name or f"net:[{bare.inode}]")


def test_names_by_runtimes() -> None:
    """
    What a container runtime calls a namespace says nothing: the container's name is the better one,
    if there is one.
    """
    assert Names().choose({7: ["/run/netns/x"]}, {7: CNI}) == {7: CNI}
    with cgroup_tree() as tree:
        place = tree / f"cri-containerd-{CONTAINER}.scope"
        place.mkdir()
        with anonymous("sh", "-c", JOIN, str(place)) as bare:
            ways = {7: ["/run/netns/x", f"/proc/{bare.process}/ns/net"]}
            assert Names().choose(ways, {7: CNI}) == {7: CONTAINER[:12]}


def test_too_many(only: Callable[[list[int]], None]) -> None:
    """
    What is beyond the limit is counted; those within it stay, whichever come to be found first.
    """
    with anonymous() as one, anonymous() as two, anonymous() as three:
        limited = Finder(most=2)
        only([one.process, two.process])
        assert limited.find().passed_over == {}
        only([three.process, two.process, one.process])
        found = limited.find()
        assert names(found).keys() == {0, one.inode, two.inode}
        assert found.passed_over == {"there are more than 2": 1}


def test_limit_of_files(only: Callable[[list[int]], None]) -> None:
    """
    Each namespace takes an open file: they get half of those that the process may have.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with anonymous() as one, anonymous() as two:
        only([one.process, two.process])
        limited = Finder()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            assert limited._limit() == 1
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_processes_of_others(only: Callable[[list[int]], None]) -> None:
    """
    Without CAP_SYS_PTRACE, how many namespaces others' processes are in is known all the same.
    """
    sleep = ["sleep", "infinity"]
    with anonymous() as one, anonymous() as two, subprocess.Popen(sleep) as here:
        enter = ["nsenter", f"--net=/proc/{one.process}/ns/net", *sleep]
        with subprocess.Popen(enter) as beside:
            only([os.getpid(), here.pid, one.process, beside.pid, two.process])
            found = as_nobody(Finder().find)
            beside.kill()
        here.kill()
    assert found == Found(
        (Namespace("host"),),
        {"CAP_SYS_PTRACE is lacking, to see those of others' processes": 2},
    )


def as_nobody(function: Callable[[], T]) -> T:
    """
    What function returns without any privilege.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        become_nobody()
        outcome.set_result(function())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome.result(timeout=0)
