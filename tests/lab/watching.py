"""
What the tests of the lab observe.
"""

import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

FAMILIES = [
    pytest.param(socket.AF_INET, id="IPv4"),
    pytest.param(socket.AF_INET6, id="IPv6"),
]
"""Parameters for tests of both IP versions."""


def namespaces(pid: int) -> list[str]:
    """
    Name the namespaces of the labs that a process has opened.
    """
    return [path.name for path in Path("/run/netns").glob(f"lab-{pid}-*")]


def running(pid: int) -> bool:
    """
    Whether a process still runs. An ended process may remain a zombie until init reaps it.
    """
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def soon(condition: Callable[[], bool], within: float = 5) -> bool:
    """
    Whether a condition becomes true within this many seconds.
    """
    end = time.monotonic() + within
    while not (true := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return true


def arrived(receivers: Sequence[socket.socket]) -> int:
    """
    Count the sockets that have data to read.
    """
    count = 0
    for receiver in receivers:
        try:
            count += len(receiver.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK))
        except BlockingIOError:
            continue
    return count
