"""
What the Linux kernel says of each connection. The platform is chosen here and nowhere else.
"""

import contextlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from exporter.model import (
    OWN_NAMESPACE,
    CollectorError,
    ConnectionTable,
    Counters,
    Found,
    Namespace,
)
from exporter.paths.matching import Surroundings

SUPPORTED = sys.platform == "linux"

# As a package pyroute2 imports all protocols it knows. Of its modules, those that the few used here
# need themselves are enough: 10 MB and 0.2 s less.
if "pyroute2" not in sys.modules and (_spec := importlib.util.find_spec("pyroute2")):
    sys.modules["pyroute2"] = importlib.util.module_from_spec(_spec)


def namespace_finder(which: Literal["host", "all"]) -> Callable[[], Found]:
    """
    What finds the network namespaces to read: the own, or all where there is more than one.
    """
    if which == "all" and sys.platform == "linux":
        from exporter.linux.netns.discovery import Finder  # noqa: PLC0415  not importable elsewhere

        return Finder().find
    return lambda: Found((OWN_NAMESPACE,), {})


def inside(namespace: Namespace) -> contextlib.AbstractContextManager[None]:
    """
    Has the calling thread in the namespace until the block is left, whatever happens in it.

    Raises CollectorError before the block is entered, StrandedError after it.
    """
    if not namespace.is_own and sys.platform == "linux":
        from exporter.linux.netns import enter as namespaces  # noqa: PLC0415

        return namespaces.inside(namespace)
    return contextlib.nullcontext()


def is_inhabited(namespace: Namespace) -> bool:
    """
    Whether the namespace still has a process or a name, as far as its entrances tell.
    """
    if not namespace.is_own and sys.platform == "linux":
        from exporter.linux.netns import enter as namespaces  # noqa: PLC0415

        return namespaces.is_inhabited(namespace)
    return True


@dataclass(frozen=True, slots=True)
class NamespaceSockets:
    """
    One network namespace's counters, what is needed to tell its paths, and its connections.

    tables is read from the kernel whenever it is iterated, inside the namespace, which raises
    CollectorError.
    """

    counters: Counters
    surroundings: Surroundings
    tables: Iterable[ConnectionTable]


def read_sockets() -> NamespaceSockets:
    """
    The sockets of the calling thread's network namespace. Raises CollectorError.
    """
    if sys.platform == "linux":
        from exporter.linux.netlink.dump import Dump  # noqa: PLC0415
        from exporter.linux.procfs.netstat import read_counters  # noqa: PLC0415  not elsewhere
        from exporter.linux.surroundings import read_surroundings  # noqa: PLC0415

        return NamespaceSockets(read_counters(), read_surroundings(), Dump())
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
        from exporter.linux.netlink.destroy_events import NetlinkClosures  # noqa: PLC0415

        return NetlinkClosures()
    raise CollectorError(f"closures cannot be told on {sys.platform}")
