"""
Network namespaces: entered and left whatever happens inside.
"""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import pytest

from exporter.linux.netns.enter import inside, is_inhabited
from exporter.model import Namespace, RefusedError, StrandedError, VanishedError
from exporter.settings import read_settings
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
    A namespace with a keepalive time of its own.
    """
    with Host() as host:
        host.sysctl("net.ipv4.tcp_keepalive_time", TIME)
        yield host


def in_thread(function: Callable[[], T]) -> T:
    """
    What function returns or raises in a thread of its own, which may lose its way.
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
    The host's namespace, behind these entrances.
    """
    name = NAMESPACES / host.name
    return Namespace(host.name, name.stat().st_ino, (*entrances, str(name)))


def test_inside_and_back(host: Host) -> None:
    """
    Inside, the settings are those of the namespace; behind the block, the own ones.
    """
    before = HERE.stat()
    with inside(namespace(host)):
        assert read_settings().time == TIME
    assert read_settings().time != TIME
    assert HERE.stat().st_ino == before.st_ino


def test_back_after_an_error(host: Host) -> None:
    """
    An error in the block is raised outside, where the thread is back.
    """
    before = HERE.stat().st_ino
    with pytest.raises(ZeroDivisionError), inside(namespace(host)):
        raise ZeroDivisionError
    assert HERE.stat().st_ino == before


def test_other_threads_stay(host: Host) -> None:
    """
    Only the thread that enters is inside.
    """

    def enter() -> int:
        with inside(namespace(host)):
            return Path("/proc/self/ns/net").stat().st_ino

    assert in_thread(enter) == HERE.stat().st_ino != namespace(host).inode


def test_no_file_stays_open(host: Host) -> None:
    """
    Coming and going a hundred times leaves no file open, which would keep the namespace alive.
    """
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(100):
        with inside(namespace(host)):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_no_way_back(host: Host) -> None:
    """
    A thread that cannot come back says so in a way that cannot be taken for a failed reading.
    """

    def lose_rights() -> None:
        with inside(namespace(host)):
            become_nobody()

    with pytest.raises(StrandedError, match=f"cannot come back from {host.name}"):
        in_thread(lose_rights)


def test_refused(host: Host) -> None:
    """
    Without CAP_SYS_ADMIN the name leads nowhere, and the error says what is lacking.
    """

    def as_nobody() -> None:
        become_nobody()
        with inside(namespace(host)):
            pytest.fail("inside without any privilege")

    with pytest.raises(RefusedError, match="CAP_SYS_ADMIN is lacking, to enter them"):
        in_thread(as_nobody)


def test_process_of_others(host: Host) -> None:
    """
    Another user's process is refused without CAP_SYS_PTRACE before anything is entered.
    """
    process = host.start(["sleep", "infinity"])
    entrance = f"/proc/{process.pid}/ns/net"
    target = Namespace("other", Path(entrance).stat().st_ino, (entrance,))

    def as_nobody() -> None:
        become_nobody()
        with inside(target):
            pytest.fail("inside without any privilege")

    with pytest.raises(RefusedError, match="CAP_SYS_PTRACE is lacking, to enter them"):
        in_thread(as_nobody)


def test_entrances_that_lead_elsewhere(host: Host) -> None:
    """
    A process that has ended and one that is elsewhere, as where its number is another's, are passed
    by; with no other entrance the namespace has ended.
    """
    elsewhere = ("/proc/4194305/ns/net", "/proc/self/ns/net")
    with inside(namespace(host, *elsewhere)):
        assert read_settings().time == TIME
    with pytest.raises(VanishedError), inside(Namespace("gone", namespace(host).inode, elsewhere)):
        pytest.fail("inside what has ended")


def test_is_inhabited() -> None:
    """
    A namespace is inhabited as long as it has a process or a name; a zombie does not count.
    """
    with Host() as host:
        process: subprocess.Popen[str] = host.start(["sleep", "infinity"])
        found = namespace(host, f"/proc/{process.pid}/ns/net")
        assert is_inhabited(found)
        process.kill()
        until(lambda: "Z" in Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").split())
        assert is_inhabited(found), "by its name"
    assert not is_inhabited(found)


def until(condition: Callable[[], bool], within: float = 10) -> None:
    """
    Wait until a condition comes true. Raises AssertionError if it does not.
    """
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
