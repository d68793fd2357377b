"""
One connection as people are shown it.
"""

from dataclasses import dataclass

from exporter.connections.advice import Advice
from exporter.model import Direction, Holder, IdleState, Path, Protection, Risk, Timer


@dataclass(frozen=True, slots=True)
class Keepalive:
    """
    A connection's keepalive, as far as known: None is not known.

    exact: as the socket's own options say; else time is the least that it can be. user_timeout is 0
    where none is set.
    """

    exact: bool
    on: bool | None
    time: float | None
    interval: float | None = None
    probes: int | None = None
    user_timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """
    One connection. Addresses are text, times seconds; path is None where it crosses none.

    workload is None where nobody names workloads, process where it could not be found, expires
    where no timer runs. received is the time since anything came from the peer, its probes aside.
    uid is of who made the socket. advice says what to change.
    """

    netns: str
    workload: str | None
    process: Holder | None
    uid: int
    direction: Direction
    local: str
    local_port: int
    remote: str
    remote_port: int
    state: str
    path: Path | None
    risk: Risk
    idle: float | None
    received: float | None
    idle_state: IdleState
    protection: Protection
    timer: Timer
    expires: float | None
    unanswered: int
    send_queue: int
    receive_queue: int
    keepalive: Keepalive
    advice: Advice | None
