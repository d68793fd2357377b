"""
What the Linux kernel says of each connection. The platform is chosen here and nowhere else.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from exporter.model import CollectorError, ConnectionTable, Counters
from exporter.paths import Surroundings

SUPPORTED = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class NamespaceSockets:
    """
    One network namespace's counters, what is needed to tell its paths, and its connections.

    tables is read from the kernel as it is iterated, which raises CollectorError.
    """

    counters: Counters
    surroundings: Surroundings
    tables: Iterator[ConnectionTable]


def read_sockets() -> NamespaceSockets:
    """
    The sockets of the calling thread's network namespace. Raises CollectorError.
    """
    if sys.platform == "linux":
        from exporter.sockets.counters import read_counters  # noqa: PLC0415  not elsewhere
        from exporter.sockets.diag import dump  # noqa: PLC0415
        from exporter.sockets.surroundings import read_surroundings  # noqa: PLC0415

        return NamespaceSockets(read_counters(), read_surroundings(), dump())
    raise CollectorError(f"sockets cannot be read on {sys.platform}")


class ClosureStream(Protocol):
    """
    Sockets the kernel has freed, told as it happens; lost counts those missed.
    """

    lost: int

    def fileno(self) -> int:
        """
        The descriptor that becomes readable when something has been told.
        """

    def receive(self) -> list[ConnectionTable]:
        """
        What has been told and not received yet. Raises CollectorError.
        """

    def close(self) -> None:
        """
        End the stream.
        """


def open_closures() -> ClosureStream:
    """
    The closures of the calling thread's network namespace. Raises CollectorError.
    """
    if sys.platform == "linux":
        from exporter.sockets.closures import NetlinkClosures  # noqa: PLC0415

        return NetlinkClosures()
    raise CollectorError(f"closures cannot be told on {sys.platform}")
