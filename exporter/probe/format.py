"""
What has been found, in sentences.
"""

from collections.abc import Iterator
from math import ceil, floor

from exporter.model import OnTimeout
from exporter.probe.measurement import Measurement
from exporter.probe.outcome import DEAD, Fate

_LONG = 20.0
_EARLY = 1.0
"""Seconds of a measured time from which on it is told in whole ones; and that are as good as 0."""
_TENTHS = 10
_PLACES = 6
"""Whole tenths are to stay what they are, though most are no binary fractions."""
_HOW = {OnTimeout.DROP: "silently", OnTimeout.RESET: "and answers with a reset"}


def seconds(value: float) -> str:
    """
    A measured time: in whole seconds, or in tenths if it is short.
    """
    return f"{round(value, 0 if value >= _LONG else 1):g} s"


def at_least(bound: float) -> str:
    """
    A lower bound in tenths of a second: no digit that is left out makes it promise more.
    """
    return f"{floor(round(bound * _TENTHS, _PLACES)) / _TENTHS:g} s"


def at_most(bound: float) -> str:
    """
    An upper bound.
    """
    return f"{ceil(round(bound * _TENTHS, _PLACES)) / _TENTHS:g} s"


def sentence(found: Measurement) -> str:
    """
    What the path does with idle connections, as far as that is known.
    """
    bounds = found.bounds
    survived = at_least(bounds.survived)
    if bounds.fatal is None or bounds.on_timeout is None:
        if found.is_narrow:
            return f"This path remembers connections that are idle for {survived}, the most tried."
        known = (
            "Nothing is known of this path"
            if bounds.survived < _EARLY
            else f"This path remembers connections that are idle for {survived}. More is not known"
        )
        return f"{known}: {shortfall(found)}."
    fatal = at_most(bounds.fatal)
    span = f"within {fatal}" if bounds.survived < _EARLY else f"between {survived} and {fatal}"
    if bounds.mixed:
        return (
            f"This path forgets some idle connections {span}, and remembers others for longer:"
            " there may be several devices side by side."
        )
    if bounds.unasked:
        return f"This path resets idle connections {span}, without having been asked."
    return f"This path forgets idle connections {span}, {_HOW[bounds.on_timeout]}."


def shortfall(found: Measurement) -> str:
    """
    Why not more is known.
    """
    return next(_shortfalls(found))


def _shortfalls(found: Measurement) -> Iterator[str]:
    if found.interrupted:
        yield "the measurement was interrupted"
    if found.bounds.fatal is None:
        if ends := _early(found, Fate.CLOSED):
            yield f"the server closes idle clients by itself, after {ends}"
        if ends := _early(found, Fate.SPOKE):
            yield f"the server itself sends something, after {ends}"
    if found.lost:
        yield "meanwhile the path lost even the connection that was kept busy"
    if found.not_counted:
        yield "at times nothing came through, idle or not"
    if found.refused:
        yield f"{found.refused} connections could not be opened"
    if found.late:
        yield "another round would have taken longer than announced"
    if found.bounds.suspected is not None:
        yield (
            f"one connection died after {seconds(found.bounds.suspected)}, which may have been by"
            " chance"
        )
    yield "too few connections could be probed in time"


def _early(found: Measurement, fate: Fate) -> str:
    """
    When spells ended in this way that were to be longer; nothing if none did.
    """
    ends = [
        outcome.at_least
        for outcome in found.outcomes
        if outcome.fate is fate
        and outcome.at_most < outcome.planned
        # A greeting is no end.
        and (fate is not Fate.SPOKE or outcome.at_most >= _EARLY)
    ]
    if not ends:
        return ""
    first, last = seconds(min(ends)), seconds(max(ends))
    return last if max(ends) - min(ends) < _EARLY else f"{first} to {last}"


def remarks(found: Measurement) -> Iterator[str]:
    """
    What else is worth saying.
    """
    bounds = found.bounds
    if bounds.fatal is not None and not bounds.mixed and not found.is_narrow:
        wanted = seconds(found.plan.resolution)
        yield f"The bounds are wider than the {wanted} asked for: {shortfall(found)}."
    elif found.lost:
        yield "Meanwhile the path lost even the connection that was kept busy; that did not count."
    outlived = [
        each for each in found.outcomes if each.fate in DEAD and each.at_most <= bounds.survived
    ]
    if outlived and not bounds.mixed:
        yield (
            "One connection died after"
            f" {seconds(outlived[0].at_most)}, which others outlived: not of idling."
        )
