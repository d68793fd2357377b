"""
What the Linux kernel says of each connection. The platform is chosen here and nowhere else.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from exporter.model import (
    OWN_NAMESPACE,
    CollectorError,
    ConnectionTable,
    Counters,
    Found,
    Namespace,
)
from exporter.paths import Surroundings

SUPPORTED = sys.platform == "linux"


def namespace_finder(*, others: bool) -> Callable[[], Found]:
    """
    What finds the network namespaces to read: the own, and where asked for, all others.

    Raises CollectorError where there is but one.
    """
    if not others:
        return lambda: Found((OWN_NAMESPACE,), {})
    if sys.platform == "linux":
        from exporter.sockets.finder import Finder  # noqa: PLC0415  not importable elsewhere

        return Finder().find
    raise CollectorError(f"there are no network namespaces on {sys.platform}")


def inside(namespace: Namespace) -> contextlib.AbstractContextManager[None]:
    """
    Has the calling thread in the namespace until the block is left, whatever happens in it.

    Raises CollectorError before the block is entered, StrandedError after it.
    """
    if not namespace.is_own and sys.platform == "linux":
        from exporter.sockets import namespaces  # noqa: PLC0415

        return namespaces.inside(namespace)
    return contextlib.nullcontext()


def is_inhabited(namespace: Namespace) -> bool:
    """
    Whether the namespace still has a process or a name, as far as its entrances tell.
    """
    if not namespace.is_own and sys.platform == "linux":
        from exporter.sockets import namespaces  # noqa: PLC0415

        return namespaces.is_inhabited(namespace)
    return True


@dataclass(frozen=True, slots=True)
class NamespaceSockets:
    """
    One network namespace's counters, and what is needed to tell its connections' paths.
    """

    counters: Counters
    surroundings: Surroundings


def read_namespace() -> NamespaceSockets:
    """
    What the calling thread's network namespace is like. Raises CollectorError.
    """
    if sys.platform == "linux":
        from exporter.sockets.counters import read_counters  # noqa: PLC0415
        from exporter.sockets.surroundings import read_surroundings  # noqa: PLC0415

        return NamespaceSockets(read_counters(), read_surroundings())
    raise CollectorError(f"sockets cannot be read on {sys.platform}")


def read_connections() -> Iterator[ConnectionTable]:
    """
    The connections of the calling thread's network namespace, read from the kernel as they are
    iterated, which raises CollectorError.
    """
    if sys.platform == "linux":
        from exporter.sockets.diag import dump  # noqa: PLC0415

        return dump()
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

    def limit_buffer(self, size: int) -> None:
        """
        Let the kernel hold at most so many bytes of what has not been received.
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
