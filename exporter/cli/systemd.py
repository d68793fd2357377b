"""
What systemd is told, and the sockets it hands over: sd_notify(3) and sd_listen_fds(3).

Both are a few bytes in the environment; without them, all of this does nothing.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable

from exporter.web.listen import ListenError

_FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_POLL = 0.1
"""Seconds between two looks at whether the first sample is there."""


def notify(state: str) -> None:
    """
    Tell systemd a state such as READY=1. What it does not hear is not worth failing for.
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


async def keep_told(is_ready: Callable[[], bool]) -> None:
    """
    Say READY=1 once it is, and from then on, for ever, that the event loop is alive.
    """
    while not is_ready():  # noqa: ASYNC110  asked as /-/ready asks
        await asyncio.sleep(_POLL)
    notify("READY=1")
    pause = _watchdog_timeout() / 2  # as sd_watchdog_enabled(3) recommends
    while True:
        await asyncio.sleep(pause)
        notify("WATCHDOG=1")


def _watchdog_timeout() -> float:
    """
    Seconds within which systemd wants to hear something; a day where it does not care.
    """
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    meant_for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 1e6 if microseconds.isdigit() and meant_for_us else 86400.0


def inherited_sockets() -> list[socket.socket]:
    """
    The listening sockets that systemd has opened for this process. Raises ListenError.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        raise ListenError("systemd has handed over no socket; is there a .socket unit?")
    number = int(os.environ.get("LISTEN_FDS", "0"))
    return [
        socket.socket(fileno=descriptor)
        for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + number)
    ]
