"""
Holders of sockets, with real processes.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exporter.linux.procfs.processes import ProcessFinder, read_command

pytestmark = pytest.mark.system

HOLD = """
import socket, sys
from pathlib import Path
held = [socket.socket() for _ in range({number})]
Path("/proc/self/comm").write_bytes({name})
held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
held[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
import os
print(os.fstat(held[-1].fileno()).st_ino, held[-1].fileno(), flush=True)
for _ in sys.stdin:
    held.pop().close()
    print("closed", flush=True)
"""


@contextmanager
def holding(
    number: int = 1, name: bytes = b"holder"
) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """
    A process with this name and number of sockets; yields it, and the inode and descriptor of its
    last socket.
    """
    with subprocess.Popen(
        [sys.executable, "-c", HOLD.format(number=number, name=name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        inode, descriptor = map(int, process.stdout.readline().split())
        try:
            yield process, inode, descriptor
        finally:
            process.kill()


def test_holder() -> None:
    """
    The holder of a socket is found by inode, with pid, name and descriptor.
    """
    with holding(name=b"postgres") as (process, inode, descriptor):
        holder = ProcessFinder().holders({inode: os.getuid(), 0: 0, 2**32 - 1: 0})
    assert [(each.pid, each.name, each.descriptor) for each in holder.values()] == [
        (process.pid, "postgres", descriptor)
    ]
    assert list(holder) == [inode]


def test_the_user_is_a_hint_only() -> None:
    """
    A process is also found if its socket was created by another user.
    """
    with holding() as (process, inode, _):
        assert ProcessFinder().holders({inode: 12345})[inode].pid == process.pid


def test_any_name() -> None:
    """
    A process name with bytes that are not text is escaped.
    """
    with holding(name=b"\xff\n\x1b[2J") as (_, inode, _):
        assert ProcessFinder().holders({inode: 0})[inode].name == "\\xff\n\x1b[2J"


def test_closed_socket() -> None:
    """
    A cached holder is verified; a closed socket has no holder.
    """
    processes = ProcessFinder()
    with holding() as (process, inode, _):
        assert processes.holders({inode: 0}) == processes.holders({inode: 0}) != {}
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        assert processes.holders({inode: 0}) == {}


def test_one_of_several() -> None:
    """
    If several processes hold a socket, the one with the lowest pid is returned.
    """
    with socket.socket() as ours:
        inherited = [ours.fileno()]
        with subprocess.Popen(["sleep", "30"], pass_fds=inherited) as child:
            try:
                inode = os.fstat(ours.fileno()).st_ino
                pid = ProcessFinder().holders({inode: os.getuid()})[inode].pid
            finally:
                child.kill()
    assert pid == min(os.getpid(), child.pid)


def test_command() -> None:
    """
    A process's arguments, whatever bytes they have; of a very long command line, the first ones.
    """
    program = "print(flush=True); input()"
    arguments: list[str | bytes] = ["-c", program, b"\xff\x1b", "x" * 100_000, "last"]
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, *arguments], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        try:
            process.stdout.readline()  # until then, it may be empty
            command = read_command(process.pid)
        finally:
            process.kill()
    assert command[1:4] == ("-c", program, "\\xff\x1b")
    assert set(command[4]) == {"x"}
    assert sum(len(part) for part in command) < 40_000
    assert len(command) == 5


def test_no_command() -> None:
    """
    A process that does not exist has no arguments.
    """
    assert read_command(2**22 + 1) == ()
