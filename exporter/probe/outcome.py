"""
What became of one connection that was left idle.
"""

from dataclasses import dataclass
from enum import StrEnum

from exporter.model import OnTimeout


class Fate(StrEnum):
    """
    How an idle spell ended.
    """

    ANSWERED = "answered"
    """Our probe was answered."""
    SILENT = "silent"
    """None of our probes was answered."""
    RESET = "reset"
    """Our probe was answered by a reset."""
    RESET_UNASKED = "reset unasked"
    """A reset came before any probe: from the path or from the server itself."""
    CLOSED = "closed"
    """The server closed the connection before any probe."""
    SPOKE = "spoke"
    """The server itself sent something, data or a probe; another spell has begun."""


ALIVE = frozenset({Fate.ANSWERED, Fate.CLOSED, Fate.SPOKE})
"""Something came through: the path remembered the connection at the end of the spell."""
DEAD = {
    Fate.SILENT: OnTimeout.DROP,
    Fate.RESET: OnTimeout.RESET,
    Fate.RESET_UNASKED: OnTimeout.RESET,
}
"""The connection died of the spell, or of something else: and what the path then did."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    One connection's idle spell and its end.

    planned is how long the connection was to be idle, at_least and at_most enclose how long it
    really was, in seconds. It was probed, or ended by itself, at ended_at and the outcome was known
    at known_at, on the monotonic clock; probes is how many had been sent by then.
    """

    fate: Fate
    planned: float
    at_least: float
    at_most: float
    ended_at: float
    known_at: float
    probes: int = 0
