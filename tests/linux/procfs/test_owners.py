"""
Who holds a socket, and its exact options: of real processes.
"""

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exporter.linux.procfs.processes import Processes
from exporter.linux.procfs.socket_options import read_options

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
    A process of this name that holds so many sockets: it, the last one's inode and descriptor.
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


def test_a_process_is_found() -> None:
    """
    By the inode of its socket: its number, its name, its descriptor.
    """
    with holding(name=b"postgres") as (process, inode, descriptor):
        holder = Processes().holders({inode: os.getuid(), 0: 0, 2**32 - 1: 0})
    assert [(each.pid, each.name, each.descriptor) for each in holder.values()] == [
        (process.pid, "postgres", descriptor)
    ]
    assert list(holder) == [inode]


def test_the_user_is_a_hint_only() -> None:
    """
    A process is found though its socket was made by another user.
    """
    with holding() as (process, inode, _):
        assert Processes().holders({inode: 12345})[inode].pid == process.pid


def test_any_name() -> None:
    """
    A name that is no text still is one.
    """
    with holding(name=b"\xff\n\x1b[2J") as (_, inode, _):
        assert Processes().holders({inode: 0})[inode].name == "\\xff\n\x1b[2J"


def test_a_socket_that_changes_hands() -> None:
    """
    What was found once is not believed when it no longer holds; nobody holds a closed socket.
    """
    processes = Processes()
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
    Of several processes that hold it, it is the one of the lowest number.
    """
    with socket.socket() as ours:
        inherited = [ours.fileno()]
        with subprocess.Popen(["sleep", "30"], pass_fds=inherited) as child:
            try:
                inode = os.fstat(ours.fileno()).st_ino
                pid = Processes().holders({inode: os.getuid()})[inode].pid
            finally:
                child.kill()
    assert pid == min(os.getpid(), child.pid)


def test_exact_options() -> None:
    """
    They are those of the socket, whatever they are; the process does not notice.
    """
    with holding(number=3) as (process, inode, _):
        holder = Processes().holders({inode: 0})[inode]
        options = read_options(holder, inode)
        assert options is not None
        assert (options.keepalive, options.time) == (True, 77)
        assert read_options(holder, inode + 1) is None  # the descriptor leads to another one now
        assert process.poll() is None


def test_options_of_ours() -> None:
    """
    Each option is told apart from the others.
    """
    with socket.socket() as sock:
        numbers = random.Random(4).sample(range(1, 100), 4)
        names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
        for name, number in zip(names, numbers, strict=True):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), number)
        inode = os.fstat(sock.fileno()).st_ino
        holder = Processes().holders({inode: os.getuid()})[inode]
        options = read_options(holder, inode)
        assert options is not None
        assert options.keepalive is False
        assert [options.time, options.interval, options.probes] == numbers[:3]
        assert options.user_timeout == pytest.approx(numbers[3] / 1000)


def test_a_process_that_has_ended() -> None:
    """
    It holds nothing any more.
    """
    with holding() as (_, inode, _):
        holder = Processes().holders({inode: 0})[inode]
    assert read_options(holder, inode) is None
