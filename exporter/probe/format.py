"""
Results as sentences.
"""

from collections.abc import Iterator
from math import ceil, floor

from exporter.model import OnTimeout
from exporter.probe.inference import DEAD, OutcomeKind
from exporter.probe.measurement import Measurement

_LONG = 20.0
_EARLY = 1.0
"""Seconds. From _LONG on, times are rounded to whole seconds. Below _EARLY, they count as 0."""
_TENTHS = 10
_PLACES = 6
"""Decimals before rounding up or down: most tenths are not exact as binary fractions."""
_HOW = {
    OnTimeout.DROP: "connections are dropped silently",
    OnTimeout.RESET: "later probes are answered with a reset",
}


def seconds(value: float) -> str:
    """
    A measured time, in whole seconds, or in tenths if it is short.
    """
    return f"{round(value, 0 if value >= _LONG else 1):g} s"


def at_least(bound: float) -> str:
    """
    A lower bound, rounded down to tenths of a second.
    """
    return f"{floor(round(bound * _TENTHS, _PLACES)) / _TENTHS:g} s"


def at_most(bound: float) -> str:
    """
    An upper bound, rounded up to tenths of a second.
    """
    return f"{ceil(round(bound * _TENTHS, _PLACES)) / _TENTHS:g} s"


def sentence(found: Measurement) -> str:
    """
    The idle timeout of the path and what happens at it, as far as known.
    """
    bounds = found.bounds
    survived = at_least(bounds.survived)
    if bounds.fatal is None or bounds.on_timeout is None:
        if found.is_narrow:
            return f"No idle timeout up to {survived}, the longest time tried."
        known = (
            "Idle timeout unknown"
            if bounds.survived < _EARLY
            else f"Idle timeout of at least {survived}, upper bound unknown"
        )
        return f"{known}: {shortfall(found)}."
    fatal = at_most(bounds.fatal)
    span = f"of at most {fatal}" if bounds.survived < _EARLY else f"between {survived} and {fatal}"
    if bounds.mixed:
        return (
            f"Idle timeout {span} for some connections, longer for others: the path may have"
            " several devices in parallel."
        )
    if bounds.unasked:
        return f"Idle timeout {span}: connections are reset without a probe."
    return f"Idle timeout {span}: {_HOW[bounds.on_timeout]}."


def shortfall(found: Measurement) -> str:
    """
    The reason why the bounds are not narrower.
    """
    return next(_shortfalls(found))


def _shortfalls(found: Measurement) -> Iterator[str]:
    if found.interrupted:
        yield "the measurement was interrupted"
    if found.bounds.fatal is None:
        if ends := _early(found, OutcomeKind.CLOSED):
            yield f"the server closes idle connections after {ends}"
        if ends := _early(found, OutcomeKind.SPOKE):
            yield f"the server sends data or a probe after {ends}"
    if found.lost:
        yield "the path also dropped the connection that was kept busy"
    if found.not_counted:
        yield "the path was interrupted at times"
    if found.refused:
        yield f"{found.refused} connections could not be opened"
    if found.late:
        yield "another round would have exceeded the announced duration"
    if found.bounds.suspected is not None:
        yield (
            f"only one connection was dropped, after {seconds(found.bounds.suspected)}, possibly by"
            " chance"
        )
    yield "too few connections could be probed in time"


def _early(found: Measurement, kind: OutcomeKind) -> str:
    """
    When idle periods ended early in this way; empty if none did.
    """
    ends = [
        outcome.at_least
        for outcome in found.outcomes
        if outcome.kind is kind
        and outcome.at_most < outcome.planned
        # A greeting is not an early end.
        and (kind is not OutcomeKind.SPOKE or outcome.at_most >= _EARLY)
    ]
    if not ends:
        return ""
    first, last = seconds(min(ends)), seconds(max(ends))
    return last if max(ends) - min(ends) < _EARLY else f"{first} to {last}"


def remarks(found: Measurement) -> Iterator[str]:
    """
    Remarks on the quality of the result.
    """
    bounds = found.bounds
    if bounds.fatal is not None and not bounds.mixed and not found.is_narrow:
        resolution = seconds(found.plan.resolution)
        yield f"The bounds are wider than the requested {resolution}: {shortfall(found)}."
    elif found.lost:
        yield (
            "The path also dropped the connection that was kept busy; results of that time are not"
            " counted."
        )
    outlived = [
        each for each in found.outcomes if each.kind in DEAD and each.at_most <= bounds.survived
    ]
    if outlived and not bounds.mixed:
        yield (
            f"One connection was dropped after {seconds(outlived[0].at_most)}, but others survived"
            " longer: not counted."
        )
