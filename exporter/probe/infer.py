"""
What the outcomes tell of the path.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.model import OnTimeout
from exporter.probe.outcome import ALIVE, DEAD, Fate, Outcome

_AGREE = 2
"""How many connections must have died before a death is put down to the path's timeout."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    What the path's idle timeout lies between, in seconds.

    Connections were still remembered after survived, 0 if none was, and forgotten after fatal, None
    if that was not found. suspected is when a single one died, which says nothing by itself. mixed:
    some were forgotten sooner than others that were remembered. on_timeout and unasked tell what
    happened to the forgotten ones, and whether before any probe.
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
        Seconds between the two, the upper one suspected at least; inf where there is none.
        """
        upper = self.suspected if self.fatal is None else self.fatal
        return float("inf") if upper is None else upper - self.survived


def bounds(outcomes: Iterable[Outcome]) -> Bounds:
    """
    What the outcomes leave possible.

    An answer cannot be had from a path that has forgotten; silence may also be loss, and a reset
    the server's. So one death says nothing, and two say nothing of a time that others outlived.
    """
    outcomes = list(outcomes)
    survivals = [each.at_least for each in outcomes if each.fate in ALIVE]
    survived = max([0.0, *survivals])
    deaths = sorted((each for each in outcomes if each.fate in DEAD), key=lambda each: each.at_most)
    outlived = [each for each in deaths if each.at_most <= survived]
    mixed = len(outlived) >= _AGREE
    if mixed:
        survived = max([0.0, *(each for each in survivals if each < outlived[0].at_most)])
    else:
        deaths = deaths[len(outlived) :]
    if len(deaths) < _AGREE:
        return Bounds(survived, suspected=deaths[0].at_most if deaths else None)
    first = deaths[:_AGREE]
    unasked = all(each.fate is Fate.RESET_UNASKED for each in first)
    if unasked:  # until then the connections lived, whoever reset them
        survived = max(survived, min(each.at_least for each in first))
    return Bounds(
        survived=survived,
        fatal=first[-1].at_most,
        on_timeout=DEAD[first[-1].fate],
        unasked=unasked,
        mixed=mixed,
    )


def is_settled(outcomes: Sequence[Outcome], pending: Iterable[float]) -> bool:
    """
    Whether connections that are still to be idle for these times can say no more.
    """
    fatal = bounds(outcomes).fatal
    return fatal is not None and all(planned >= fatal for planned in pending)
