"""
The choice of platform: what collectors read on Linux, Windows and elsewhere.
"""

import contextlib
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from exporter.model import (
    OWN_NAMESPACE,
    CollectorError,
    ConnectionTable,
    Counters,
    DiscoveredNamespaces,
    Namespace,
    Settings,
)
from exporter.paths.matching import LocalEndpoints

# mypy checks the branch of the platform it is run for.
if sys.platform == "linux":
    from exporter.linux import sysctl
    from exporter.linux.local_endpoints import read_local_endpoints
    from exporter.linux.netlink.destroy_events import DestroyEventStream
    from exporter.linux.netlink.dump import ConnectionDump
    from exporter.linux.netns import enter
    from exporter.linux.netns.discovery import NamespaceDiscovery
    from exporter.linux.procfs.cgroups import WorkloadNames
    from exporter.linux.procfs.netstat import read_counters
elif sys.platform == "win32":
    from exporter.windows import registry

SUPPORTED = sys.platform == "linux"
"""Whether connections can be observed; on other platforms they are only counted."""


def read_settings() -> Settings:
    """
    The settings of the calling thread's network namespace; on other platforms, of the host.
    """
    if sys.platform == "linux":
        return sysctl.read_settings()
    if sys.platform == "win32":
        return registry.read_settings()
    return Settings(
        time=None,
        interval=None,
        probes=None,
        data_retransmissions=None,
        configured=frozenset(),
        problems=(f"cannot read keepalive settings on {sys.platform}; supported: Linux, Windows",),
    )


def namespace_finder(which: Literal["host", "all"]) -> Callable[[], DiscoveredNamespaces]:
    """
    A function that returns the network namespaces to read: the exporter's own, or all.
    """
    if which == "all" and sys.platform == "linux":
        return NamespaceDiscovery().find
    return lambda: DiscoveredNamespaces((OWN_NAMESPACE,), {})


def workload_namer() -> Callable[[Collection[int]], dict[int, str]]:
    """
    A function that names the workloads of cgroups, given by id; it raises CollectorError.
    """
    if sys.platform == "linux":
        return WorkloadNames().names
    return lambda _: {}


def inside(namespace: Namespace) -> contextlib.AbstractContextManager[None]:
    """
    Runs the block with the calling thread inside the namespace.

    Raises CollectorError if the thread cannot enter it, StrandedError if it cannot return.
    """
    if not namespace.is_own and sys.platform == "linux":
        return enter.inside(namespace)
    return contextlib.nullcontext()


def is_in_use(namespace: Namespace) -> bool:
    """
    Whether the namespace still has a process or a name, according to the files that refer to it.
    """
    if not namespace.is_own and sys.platform == "linux":
        return enter.is_in_use(namespace)
    return True


@dataclass(frozen=True, slots=True)
class NamespaceSockets:
    """
    One network namespace's counters, local endpoints and connections.

    Each iteration over tables reads them from the kernel again, in the calling thread's namespace.
    It raises CollectorError. addresses has the same connections with little more than their
    addresses, which is cheaper.
    """

    counters: Counters
    endpoints: LocalEndpoints
    tables: Iterable[ConnectionTable]
    addresses: Iterable[ConnectionTable] = ()


def read_sockets() -> NamespaceSockets:
    """
    The sockets of the calling thread's network namespace. Raises CollectorError.
    """
    if sys.platform == "linux":
        return NamespaceSockets(
            counters=read_counters(),
            endpoints=read_local_endpoints(),
            tables=ConnectionDump(),
            addresses=ConnectionDump(tcp_info=False),
        )
    raise CollectorError(f"sockets cannot be read on {sys.platform}")


class ClosureStream(Protocol):
    """
    The kernel's events of freed sockets; lost counts the events that were lost.
    """

    lost: int

    def fileno(self) -> int:
        """
        The descriptor, which is readable while there are events.
        """

    def receive(self) -> list[ConnectionTable]:
        """
        The events since the last call, at most some thousands. Raises CollectorError.
        """

    def limit_buffer(self, size: int) -> None:
        """
        Set the maximum number of bytes of events that the kernel queues.
        """

    def close(self) -> None:
        """
        Close the stream.
        """


def open_closures() -> ClosureStream:
    """
    Open the closure stream of the calling thread's network namespace. Raises CollectorError.
    """
    if sys.platform == "linux":
        return DestroyEventStream()
    raise CollectorError(f"closures cannot be observed on {sys.platform}")
