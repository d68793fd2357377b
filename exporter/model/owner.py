"""
Whose a connection is, and how its socket is set. Times are seconds.
"""

from dataclasses import dataclass

OTHER_WORKLOADS = "(other)"
"""The `workload` label of all workloads that have none of their own."""

UNKNOWN_WORKLOAD = "(unknown)"
"""The `workload` label of connections whose workload cannot be known."""


@dataclass(frozen=True, slots=True)
class Holder:
    """
    A process that holds a socket, and by which of its file descriptors.

    Its name is what it calls itself, of any characters.
    """

    pid: int
    name: str
    descriptor: int


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """
    A socket's keepalive options as its own getsockopt() says; user_timeout is 0 where none is set.
    """

    keepalive: bool
    time: float
    interval: float
    probes: int
    user_timeout: float
