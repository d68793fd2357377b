"""
One connection: protection, idle state, risk, close reason, owner and socket options. Times are in
seconds.
"""

from dataclasses import dataclass
from enum import IntEnum


class Protection(IntEnum):
    """
    What refreshes the path's mapping before its timeout.
    """

    OWN = 0
    LATE = 1
    PEER = 2
    NONE = 3
    UNKNOWN = 4


class IdleState(IntEnum):
    """
    How close a connection's idle time is to its path's timeout.

    STALLED: sends or probes go unanswered after an idle spell near or over the limit. UNANSWERED:
    they have for at least 30 s, after a shorter or unknown spell, or on no path. PEER_CLOSED: the
    peer has closed the connection, the application has not (CLOSE_WAIT).
    """

    ACTIVE = 0
    NEAR_LIMIT = 1
    OVER_LIMIT = 2
    STALLED = 3
    UNANSWERED = 4
    PEER_CLOSED = 5


HANGING_IDLE_STATES = (IdleState.STALLED, IdleState.UNANSWERED)


class Risk(IntEnum):
    """
    Risk of a connection, the worst first. Each connection has exactly one.

    STALLED, UNANSWERED: its idle state. AT_RISK: at risk (see AT_RISK_PROTECTIONS and
    AT_RISK_IDLE_STATES). UNPROTECTED: protection none or late, but its idle time is below the
    limit. PEER_CLOSED: its idle state is peer_closed; the application leaks it, or closes it late.
    UNKNOWN: unknown protection. SAFE: protection own or peer, or it exchanges data often enough.
    NO_PATH: crosses no path.
    """

    STALLED = 0
    UNANSWERED = 1
    AT_RISK = 2
    UNPROTECTED = 3
    PEER_CLOSED = 4
    UNKNOWN = 5
    SAFE = 6
    NO_PATH = 7


PROBLEMS = (Risk.STALLED, Risk.UNANSWERED, Risk.AT_RISK, Risk.UNPROTECTED, Risk.PEER_CLOSED)
"""The risks of connections that are listed by default."""


AT_RISK_PROTECTIONS = (Protection.LATE, Protection.NONE)
AT_RISK_IDLE_STATES = (IdleState.NEAR_LIMIT, IdleState.OVER_LIMIT)


class Reason(IntEnum):
    """
    Why a connection closed.

    NORMAL: closed in order by either side, whatever follows the peer's FIN. ABORT: the local
    application ended it with a reset. RESET: a reset was received.
    """

    NORMAL = 0
    ABORT = 1
    RESET = 2
    KEEPALIVE_TIMEOUT = 3
    RETRANSMIT_TIMEOUT = 4


IDLE_DROP_REASONS = (Reason.RESET, Reason.KEEPALIVE_TIMEOUT, Reason.RETRANSMIT_TIMEOUT)


OTHER_WORKLOADS = "(other)"
"""The `workload` label for the sum of all workloads without their own series."""

UNKNOWN_WORKLOAD = "(unknown)"
"""The `workload` label of connections whose workload is unknown."""


@dataclass(frozen=True, slots=True)
class OwningProcess:
    """
    A process that holds a socket, and its file descriptor.

    The process sets name itself, so that it may contain any characters.
    """

    pid: int
    name: str
    descriptor: int


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """
    A socket's keepalive options from getsockopt(); user_timeout is 0 if not set.
    """

    keepalive: bool
    time: float
    interval: float
    probes: int
    user_timeout: float


@dataclass(frozen=True, slots=True)
class KeepaliveValues:
    """
    Keepalive options to set on a socket: whole seconds, 1 to 32767, and 1 to 127 probes.
    """

    time: int
    interval: int
    probes: int
