"""
Pytest plugin: a test without the marker `system` fails if it starts a process or opens a socket.

The fast tier (`make test-fast`) is every test without that marker. The check is active in every
run, so that a wrong marker fails wherever the test runs.
"""

import socket
import sys
from collections.abc import Generator, Iterator
from typing import Any

import pytest

_PROCESS_EVENTS = {
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.startfile",
    "os.system",
    "subprocess.Popen",
}
_SOCKET_EVENTS = {
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyaddr",
    "socket.gethostbyname",
    "socket.sendto",
}
_ADVICE = "without the marker `system`: mark the test, or replace what does this"


class _Guard:
    """
    What the running test did that only tests marked `system` may do.
    """

    def __init__(self) -> None:
        self.active = False
        self.violations: list[str] = []

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """
        An audit hook (PEP 578): audit hooks cannot be removed, so this one is switched off instead.
        """
        if self.active and (violation := _violation(event, args)):
            self.violations.append(violation)
            pytest.fail(violation)


def _violation(event: str, args: tuple[Any, ...]) -> str | None:
    if event in _PROCESS_EVENTS:
        return f"started a process ({event}: {args[:2]}) {_ADVICE}"
    if event in _SOCKET_EVENTS:
        return f"used the network ({event}: {args[1:]}) {_ADVICE}"
    # socket.socketpair(), which asyncio's event loop uses too, makes AF_UNIX sockets on Linux.
    if event == "socket.__new__" and args[1] != getattr(socket, "AF_UNIX", None):
        return f"opened a socket of family {args[1]} {_ADVICE}"
    return None


_guard = _Guard()
sys.addaudithook(_guard.hook)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """
    Watch the test and the set-up and teardown of its fixtures.
    """
    _guard.active = item.get_closest_marker("system") is None
    try:
        return (yield)
    finally:
        _guard.active = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """
    Fail the test even if the tested code caught the exception.
    """
    report = yield
    if _guard.violations and report.passed:
        report.outcome = "failed"
        report.longrepr = "\n".join(_guard.violations)
    _guard.violations.clear()
    return report
