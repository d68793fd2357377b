"""
systemd notification and socket activation: sd_notify(3) and sd_listen_fds(3).

Both use environment variables. Without NOTIFY_SOCKET, notifications do nothing.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable

from exporter.web.listen import ListenError

_FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_POLL = 0.1
"""Seconds between checks for the first sample."""


def notify(state: str) -> None:
    """
    Send a state such as READY=1 to systemd. Send errors are ignored.
    """
    path = os.environ.get("NOTIFY_SOCKET")
    if not path or sys.platform == "win32":
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix:
        try:
            unix.sendto(state.encode(), address)
        except OSError:
            return


async def notify_liveness(is_ready: Callable[[], bool]) -> None:
    """
    Send READY=1 when ready, then WATCHDOG=1 at intervals as long as the event loop runs.
    """
    while not is_ready():  # noqa: ASYNC110  polls the condition of /-/ready
        await asyncio.sleep(_POLL)
    notify("READY=1")
    pause = _watchdog_timeout() / 2  # as sd_watchdog_enabled(3) recommends
    while True:
        await asyncio.sleep(pause)
        notify("WATCHDOG=1")


def _watchdog_timeout() -> float:
    """
    Watchdog timeout in seconds; one day if systemd has no watchdog for this process.
    """
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    meant_for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 1e6 if microseconds.isdigit() and meant_for_us else 86400.0


def inherited_sockets() -> list[socket.socket]:
    """
    The listening sockets that systemd passed to this process. Raises ListenError.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        raise ListenError(
            "no socket received from systemd; --web.systemd-socket requires a .socket unit"
        )
    number = int(os.environ.get("LISTEN_FDS", "0"))
    return [
        socket.socket(fileno=descriptor)
        for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + number)
    ]
