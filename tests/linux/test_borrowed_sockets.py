"""
Options of other processes' sockets, read and changed, with real processes, some of them hostile.
"""

import errno
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.linux import borrowed_sockets, borrower
from exporter.linux.borrowed_sockets import (
    Borrowed,
    Change,
    Failure,
    KnownSocket,
    change_options,
    find_sockets,
    read_options,
)
from exporter.linux.netlink.dump import dump
from exporter.linux.procfs.processes import ProcessFinder
from exporter.model import KeepaliveValues, SocketOptions
from tests.exporter_process import ROOT
from tests.lab import Host, requires_lab
from tests.linux.holders import HOUR, holder, identify

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux"),
]

VALUES = KeepaliveValues(time=120, interval=30, probes=8)
DEFAULTS = SocketOptions(keepalive=False, time=7200, interval=75, probes=9, user_timeout=0)
AT_MOST = 1.0
"""Seconds for which a hostile process may block."""
ROUNDS = 200


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """
    The address of a server that accepts connections and reads nothing.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        yield server.getsockname()


def change(known: KnownSocket, before: SocketOptions = DEFAULTS) -> Borrowed:
    """
    Set VALUES on a socket.
    """
    (outcome,) = change_options([Change(known, before, VALUES)], 5)
    return outcome


@contextmanager
def prompt() -> Iterator[None]:
    """
    Fail if the block takes too long.
    """
    started = time.monotonic()
    yield
    assert time.monotonic() - started < AT_MOST


def fields_of(known: KnownSocket) -> list[str]:
    """
    The fields of a request to read a socket's options.
    """
    return list(
        map(str, (known.holder.pid, known.holder.descriptor, 0, known.inode, known.cookie, 0))
    )


def all_options(sock: socket.socket) -> dict[tuple[int, int], bytes]:
    """
    The values of all socket options that the kernel knows, by level and number.
    """
    found = {}
    for level in (socket.SOL_SOCKET, socket.IPPROTO_IP, socket.IPPROTO_TCP):
        for number in range(1, 90):
            # Not: the contents of queues, and TCP_INFO and clocks, which change by themselves.
            if level == socket.IPPROTO_TCP and number in (11, 24, 26, 35):
                continue
            if level == socket.SOL_SOCKET and number in (4, 55):
                continue
            try:
                found[level, number] = sock.getsockopt(level, number, 64)
            except OSError:
                continue
    return found


def test_options_of_ours() -> None:
    """
    Each option is read into its own field.
    """
    with socket.socket() as sock:
        numbers = random.Random(4).sample(range(1, 100), 4)
        names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        for name, number in zip(names, numbers, strict=True):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), number)
        known = identify(sock)
        options = read_options([known])[known.inode].options
    assert options is not None
    assert options.keepalive is False
    assert [options.time, options.interval, options.probes] == numbers[:3]
    assert options.user_timeout == pytest.approx(numbers[3] / 1000)


def test_sockets_are_found_in_a_dump(address: tuple[str, int]) -> None:
    """
    A connection of a dump is found with its holder, uid and cookie.
    """
    with holder("plain", address) as (process, known):
        found = find_sockets(dump(), ProcessFinder())[known.inode]
        assert found.holder.pid == process.pid
        assert found == replace(known, holder=found.holder)


def test_change(address: tuple[str, int]) -> None:
    """
    A change sets the values on the other process's socket, returns what was read back, and leaves
    all other options alone.
    """
    with socket.create_connection(address) as sock:
        before = all_options(sock)
        after = change(identify(sock)).options
        changed = {name for name, value in all_options(sock).items() if before.get(name) != value}
        assert len(before) > 50
    assert after == SocketOptions(keepalive=True, time=120, interval=30, probes=8, user_timeout=0)
    assert changed == {
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    }


def test_idle_time_counts(address: tuple[str, int]) -> None:
    """
    The time already idle counts: the timer is due when the keepalive time since then has passed.
    """
    with socket.create_connection(address) as sock:
        time.sleep(1.5)
        change(identify(sock))
        port = sock.getsockname()[1]
        (expires,) = [
            float(table.expires[row])
            for table in dump()
            for row in range(len(table))
            if table.local_port[row] == port
        ]
    assert expires < 120 - 1.3


def test_options_changed_meanwhile(address: tuple[str, int]) -> None:
    """
    If the application has changed its options since they were read, they are left alone.
    """
    with socket.create_connection(address) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
        assert change(identify(sock)).failure is Failure.OPTIONS_CHANGED
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10


@pytest.mark.parametrize("field", ["cookie", "inode", "netns"])
def test_another_socket(address: tuple[str, int], field: str) -> None:
    """
    A socket whose identity differs in any part is not changed.
    """
    if field == "netns" and os.geteuid():
        pytest.skip("needs root to read a socket's namespace: sudo make test")
    with socket.create_connection(address) as sock:
        known = identify(sock)
        other = replace(known, **{field: getattr(known, field) + 1})
        assert change(other).failure is Failure.GONE
        assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        own = Path("/proc/thread-self/ns/net").stat().st_ino
        assert change(replace(known, netns=own)).failure is None


@requires_lab
def test_another_namespace() -> None:
    """
    A socket of another network namespace is changed from here.
    """
    with Host() as host:
        address = host.listener().getsockname()
        namespace = Path("/run/netns", host.name).stat().st_ino
        with holder("plain", address, start=host.start) as (_, known):
            assert change(replace(known, netns=namespace)).failure is None
            assert change(replace(known, netns=namespace + 1)).failure is Failure.GONE


def test_not_a_socket(tmp_path: Path) -> None:
    """
    A descriptor of any other file is recognized.
    """
    with socket.socket() as sock, (tmp_path / "file").open("w") as file:
        known = identify(sock)
        for descriptor in (file.fileno(), 999):
            moved = replace(known, holder=replace(known.holder, descriptor=descriptor))
            assert change(moved).failure is Failure.GONE


@requires_lab
def test_not_permitted(address: tuple[str, int]) -> None:
    """
    Without the permission to trace the process, nothing is changed.
    """
    script = (
        "import sys; from tests.linux.rights import become_nobody;"
        "from exporter.linux import borrower; become_nobody();"
        "print(borrower.Borrower().handle(borrower.Request(*map(int, sys.argv[1:])))[0])"
    )
    with socket.create_connection(address) as sock:
        known = identify(sock)
        argv = [sys.executable, "-c", script, *fields_of(known)]
        ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(ended.stdout) == errno.EPERM
    assert borrowed_sockets.failure_of(errno.EPERM) is Failure.NOT_PERMITTED


def test_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    If no process can be started, all sockets fail with an error.
    """
    monkeypatch.setattr(borrowed_sockets, "_COMMAND", ("/no/such/python",))
    with socket.socket() as sock:
        known = identify(sock)
        assert read_options([known])[known.inode].failure is Failure.ERROR


def test_many(address: tuple[str, int]) -> None:
    """
    More sockets than one child handles; within a limit that is over at once, none is read.
    """
    socks = [socket.create_connection(address) for _ in range(450)]
    known = [identify(sock) for sock in socks]
    outcomes = change_options([Change(each, DEFAULTS, VALUES) for each in known], 20)
    assert [each.failure for each in outcomes] == [None] * 450
    assert {each.failure for each in read_options(known, 0).values()} == {Failure.OUT_OF_TIME}
    for sock in socks:
        sock.close()


def borrow_then_exit(known: KnownSocket, *, close: bool) -> "subprocess.Popen[str]":
    """
    A process that copies a socket, says so, waits for a line, and exits; with close, it closes the
    copy first.
    """
    script = """
import os, sys
from exporter.linux.borrower import Borrower, Request
borrower = Borrower()
status, *_ = borrower.handle(Request(*map(int, sys.argv[2:])))
print(status, flush=True)
sys.stdin.readline()
if sys.argv[1] == "close":
    borrower._copies[0].close()
os._exit(0)
"""
    argv = [sys.executable, "-c", script, "close" if close else "exit", *fields_of(known)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(argv, cwd=ROOT, **pipes)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("close", [False, True], ids=["exit", "close"])
def test_owner_of_a_lingering_socket_exits(address: tuple[str, int], close: bool) -> None:
    """
    If the owner exits while we have the only copy of its lingering socket, our exit does not wait.
    Closing the copy would.
    """
    with holder("lingering", address) as (owner, known):
        ours = borrow_then_exit(known, close=close)
        assert ours.stdin is not None
        assert ours.stdout is not None
        with ours.stdin, ours.stdout:
            assert ours.stdout.readline() == "0\n"
            owner.kill()
            owner.wait()
            ours.stdin.write("\n")
            ours.stdin.flush()
            if close:
                with pytest.raises(subprocess.TimeoutExpired):
                    ours.wait(2 * AT_MOST)
                ours.kill()
            ours.wait(AT_MOST)
    assert HOUR > AT_MOST


@pytest.mark.timing
def test_owners_that_exit_midway(address: tuple[str, int]) -> None:
    """
    Owners of lingering sockets that exit while their options are changed never block.
    """
    with socket.create_connection(address) as bystander:
        for number in range(20):
            with holder("lingering", address) as (owner, known):
                owner.kill() if number % 2 else None
                changes = [Change(each, DEFAULTS, VALUES) for each in [known] * 10]
                with prompt():
                    outcomes = change_options(changes, 5)
                allowed = {None, Failure.GONE, Failure.OPTIONS_CHANGED}
                assert {each.failure for each in outcomes} <= allowed
        assert not bystander.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@requires_lab
@pytest.mark.parametrize(
    ("kind", "failure"), [("locked", Failure.BLOCKED), ("replaced", Failure.GONE)]
)
def test_hostile_holder(address: tuple[str, int], kind: str, failure: Failure) -> None:
    """
    Neither a socket whose lock is held for ever nor a file that can never be closed blocks; the
    sockets of others are changed.
    """
    with (
        holder(kind, address, "unshare", "--mount") as (_, known),
        socket.create_connection(address) as sock,
    ):
        ours = identify(sock)
        changes = [Change(each, DEFAULTS, VALUES) for each in (known, known, ours)]
        with prompt():
            outcomes = change_options(changes, 5)
    assert [each.failure for each in outcomes] == [failure, failure, None]


def test_passed_descriptor(address: tuple[str, int]) -> None:
    """
    A socket that was passed to another process (SCM_RIGHTS) is not found where it was, but where it
    is.
    """
    script = """
import socket, sys
channel = socket.socket(fileno=int(sys.argv[1]))
_, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
print(flush=True)
sys.stdin.read()
"""
    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        subprocess.Popen(
            [sys.executable, "-c", script, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other,
    ):
        assert other.stdout is not None
        sock = socket.create_connection(address)
        known = identify(sock)
        processes = ProcessFinder()
        assert find_sockets(dump(), processes)[known.inode].holder.pid == os.getpid()
        socket.send_fds(ours, [b"x"], [sock.fileno()])
        other.stdout.readline()
        sock.close()
        assert change(known).failure is Failure.GONE
        found = find_sockets(dump(), processes)[known.inode]
        assert found.holder.pid == other.pid
        assert change(found).failure is None
        assert other.stdin is not None
        other.stdin.close()


REUSE = """
import os, signal, socket, sys
from tests.linux.holders import identify
from tests.linux.test_borrowed_sockets import change, Failure
from pathlib import Path

listener = socket.create_server(("127.0.0.1", 0), backlog=9)
first = socket.create_connection(listener.getsockname())
second = socket.create_connection(listener.getsockname())

def child(sock):
    pid = os.fork()
    if pid == 0:
        os.dup2(sock.fileno(), 100)
        os.write(ready, b"x")
        signal.pause()
    os.read(waits, 1)
    return pid

waits, ready = os.pipe()
reused = 0
while reused < int(sys.argv[1]):
    pid = child(first)
    known = identify(first, pid)
    os.dup2(first.fileno(), 100)
    known = __import__("dataclasses").replace(known, holder=type(known.holder)(pid, "holder", 100))
    os.close(100)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
    other = child(second)
    if other == pid:
        reused += 1
        assert change(known).failure is Failure.GONE
    os.kill(other, signal.SIGKILL)
    os.waitpid(other, 0)
for sock in (first, second):
    assert not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
print(reused)
"""


@requires_lab
def test_reused_pids() -> None:
    """
    When another process with the same pid has another socket under the same number, neither is
    changed.
    """
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    ended = subprocess.run(
        [*unshare, sys.executable, "-c", REUSE, str(ROUNDS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == f"{ROUNDS}\n", ended.stderr


CRASH = """
import sys
from exporter.linux.borrower import ANSWER, Request, answer_all
good = Request(*map(int, sys.argv[1:]))
bad = good._replace(pid="no number")
data = b"".join(answer_all([good, bad, good], 5))
print(*sorted((index, status) for index, status, *_ in ANSWER.iter_unpack(data)))
"""


def test_answers_of_a_crashed_child(address: tuple[str, int]) -> None:
    """
    If a child ends early, the socket that it was handling fails and the others are handled.
    """
    with socket.create_connection(address) as sock:
        argv = [sys.executable, "-c", CRASH, *fields_of(identify(sock))]
        ended = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == f"(0, 0) (1, {borrower.CRASHED}) (2, 0)\n"
