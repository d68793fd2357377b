"""
The outcome of each idle connection, and the bounds of the idle timeout that follow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from exporter.model import OnTimeout


class OutcomeKind(StrEnum):
    """
    How an idle period ended.
    """

    ANSWERED = "answered"
    """A probe was answered."""
    SILENT = "silent"
    """No probe was answered."""
    RESET = "reset"
    """A probe was answered with a reset."""
    RESET_UNASKED = "reset unasked"
    """A reset arrived before any probe, from the path or from the server."""
    CLOSED = "closed"
    """The server closed the connection before any probe."""
    SPOKE = "spoke"
    """The server sent data or a probe, and another idle period began."""


ALIVE = frozenset({OutcomeKind.ANSWERED, OutcomeKind.CLOSED, OutcomeKind.SPOKE})
"""A segment came through, so the path still had the connection at the end of the period."""
DEAD = {
    OutcomeKind.SILENT: OnTimeout.DROP,
    OutcomeKind.RESET: OnTimeout.RESET,
    OutcomeKind.RESET_UNASKED: OnTimeout.RESET,
}
"""The connection was dropped, by the timeout or for another reason, and how the path reacted."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    One connection's idle period and its end.

    planned is the planned idle time; the actual one is between at_least and at_most, all in
    seconds. ended_at is the time of the first probe, or of the end without one, known_at the time
    of the outcome, both on the monotonic clock. probes is the number of probes sent by then.
    """

    kind: OutcomeKind
    planned: float
    at_least: float
    at_most: float
    ended_at: float
    known_at: float
    probes: int = 0


_AGREE = 2
"""Number of dropped connections required to attribute them to the path's timeout."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    Bounds of the path's idle timeout, in seconds.

    survived is the longest idle time that a connection survived, 0 if none did. fatal is the
    shortest one after which connections were dropped, None if unknown. suspected is the idle time
    of a single drop, which proves nothing. mixed: some were dropped earlier than others that
    survived. on_timeout is what happened to dropped connections; unasked: before any probe.
    """

    survived: float = 0.0
    fatal: float | None = None
    suspected: float | None = None
    on_timeout: OnTimeout | None = None
    unasked: bool = False
    mixed: bool = False

    @property
    def width(self) -> float:
        """
        Seconds between survived and fatal, or suspected; inf without an upper bound.
        """
        upper = self.suspected if self.fatal is None else self.fatal
        return float("inf") if upper is None else upper - self.survived


def bounds(outcomes: Iterable[Outcome]) -> Bounds:
    """
    The bounds that follow from the outcomes.

    An answer proves that the path still had the connection. Silence may also be packet loss, and a
    reset may come from the server. So a single drop proves nothing, nor do drops at an idle time
    that other connections survived, unless there are several.
    """
    outcomes = list(outcomes)
    survivals = [each.at_least for each in outcomes if each.kind in ALIVE]
    survived = max([0.0, *survivals])
    drops = sorted((each for each in outcomes if each.kind in DEAD), key=lambda each: each.at_most)
    outlived = [each for each in drops if each.at_most <= survived]
    mixed = len(outlived) >= _AGREE
    if mixed:
        survived = max([0.0, *(each for each in survivals if each < outlived[0].at_most)])
    else:
        drops = drops[len(outlived) :]
    if len(drops) < _AGREE:
        return Bounds(survived, suspected=drops[0].at_most if drops else None)
    first = drops[:_AGREE]
    unasked = all(each.kind is OutcomeKind.RESET_UNASKED for each in first)
    if unasked:  # the connections survived until the reset
        survived = max(survived, min(each.at_least for each in first))
    return Bounds(
        survived=survived,
        fatal=first[-1].at_most,
        on_timeout=DEAD[first[-1].kind],
        unasked=unasked,
        mixed=mixed,
    )


def is_settled(outcomes: Sequence[Outcome], pending: Iterable[float]) -> bool:
    """
    Whether pending connections with these idle times cannot narrow the bounds.
    """
    fatal = bounds(outcomes).fatal
    return fatal is not None and all(planned >= fatal for planned in pending)
