"""
Entering and leaving network namespaces.
"""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import pytest

from exporter.collectors.operating_system import read_settings
from exporter.linux.netns.enter import inside, is_in_use
from exporter.model import Namespace, RefusedError, StrandedError, VanishedError
from tests.lab import LAB_MARKS, Host
from tests.lab.hosts import NAMESPACES
from tests.linux.rights import become_nobody

pytestmark = LAB_MARKS

T = TypeVar("T")

HERE = Path("/proc/thread-self/ns/net")
TIME = 1234


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """
    A namespace with another keepalive time.
    """
    with Host() as host:
        host.sysctl("net.ipv4.tcp_keepalive_time", TIME)
        yield host


def in_thread(function: Callable[[], T]) -> T:
    """
    The result or exception of function in a new thread, which may be stranded.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:  # noqa: BLE001  raised again by result()
            outcome.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome.result()


def namespace(host: Host, *entrances: str) -> Namespace:
    """
    The host's namespace, with these entrances before its name.
    """
    name = NAMESPACES / host.name
    return Namespace(host.name, name.stat().st_ino, (*entrances, str(name)))


def test_inside_and_back(host: Host) -> None:
    """
    Inside the block, the settings are those of the namespace; after it, the exporter's own.
    """
    before = HERE.stat()
    with inside(namespace(host)):
        assert read_settings().time == TIME
    assert read_settings().time != TIME
    assert HERE.stat().st_ino == before.st_ino


def test_back_after_an_error(host: Host) -> None:
    """
    An exception in the block is raised after the thread has returned.
    """
    before = HERE.stat().st_ino
    with pytest.raises(ZeroDivisionError), inside(namespace(host)):
        raise ZeroDivisionError
    assert HERE.stat().st_ino == before


def test_other_threads_stay(host: Host) -> None:
    """
    Only the calling thread enters.
    """

    def enter() -> int:
        with inside(namespace(host)):
            return Path("/proc/self/ns/net").stat().st_ino

    assert in_thread(enter) == HERE.stat().st_ino != namespace(host).inode


def test_no_file_stays_open(host: Host) -> None:
    """
    No file stays open after entering, because it would keep the namespace alive.
    """
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(100):
        with inside(namespace(host)):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_no_way_back(host: Host) -> None:
    """
    A thread that cannot return raises StrandedError, which is not a CollectorError.
    """

    def lose_rights() -> None:
        with inside(namespace(host)):
            become_nobody()

    with pytest.raises(StrandedError, match=f" from {host.name}: "):
        in_thread(lose_rights)


def test_refused(host: Host) -> None:
    """
    Without CAP_SYS_ADMIN, a named namespace cannot be entered; the error has the capability.
    """

    def as_nobody() -> None:
        become_nobody()
        with inside(namespace(host)):
            pytest.fail("inside without any privilege")

    with pytest.raises(RefusedError, match="CAP_SYS_ADMIN is required"):
        in_thread(as_nobody)


def test_process_of_others(host: Host) -> None:
    """
    Without CAP_SYS_PTRACE, the namespace of another user's process cannot be entered.
    """
    process = host.start(["sleep", "infinity"])
    entrance = f"/proc/{process.pid}/ns/net"
    target = Namespace("other", Path(entrance).stat().st_ino, (entrance,))

    def as_nobody() -> None:
        become_nobody()
        with inside(target):
            pytest.fail("inside without any privilege")

    with pytest.raises(RefusedError, match="CAP_SYS_PTRACE is required"):
        in_thread(as_nobody)


def test_invalid_entrances(host: Host) -> None:
    """
    Entrances of ended processes and of other namespaces (reused pids) are skipped; without a valid
    one, VanishedError is raised.
    """
    elsewhere = ("/proc/4194305/ns/net", "/proc/self/ns/net")
    with inside(namespace(host, *elsewhere)):
        assert read_settings().time == TIME
    removed = Namespace("removed", namespace(host).inode, elsewhere)
    with pytest.raises(VanishedError), inside(removed):
        pytest.fail("inside a removed namespace")


def test_is_in_use() -> None:
    """
    A namespace is in use while it has a process or a name; a zombie does not count.
    """
    with Host() as host:
        process: subprocess.Popen[str] = host.start(["sleep", "infinity"])
        found = namespace(host, f"/proc/{process.pid}/ns/net")
        assert is_in_use(found)
        process.kill()
        until(lambda: "Z" in Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").split())
        assert is_in_use(found), "it has a name"
    assert not is_in_use(found)


def until(condition: Callable[[], bool], within: float = 10) -> None:
    """
    Wait until the condition is true. Raises AssertionError after within seconds.
    """
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
