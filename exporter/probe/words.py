"""
What has been found, in sentences.
"""

from collections.abc import Iterator

from exporter.model import OnTimeout
from exporter.probe.measurement import Measurement
from exporter.probe.outcome import Fate

_TO_THE_SECOND = 20.0
_EARLY = 1.0
"""Seconds by which a server must end a spell too soon for that to be worth saying."""
_HOW = {OnTimeout.DROP: "silently", OnTimeout.RESET: "and answers with a reset"}


def seconds(value: float) -> str:
    """
    A measured time: in whole seconds, or in tenths if it is short.
    """
    return f"{round(value, 0 if value >= _TO_THE_SECOND else 1):g} s"


def sentence(found: Measurement) -> str:
    """
    What the path does with idle connections, as far as that is known.
    """
    bounds = found.bounds
    survived = seconds(bounds.survived)
    if bounds.fatal is None or bounds.on_timeout is None:
        if found.is_narrow:
            return (
                f"This path remembers connections that are idle for {survived}, the longest tried."
            )
        if bounds.survived < _EARLY:
            return f"This path's idle timeout is not known: {shortfall(found)}."
        return (
            f"This path remembers connections that are idle for {survived}. What comes later is not"
            f" known: {shortfall(found)}."
        )
    span = (
        f"between {survived} and {seconds(bounds.fatal)}"
        if bounds.survived
        else f"within {seconds(bounds.fatal)}"
    )
    if bounds.mixed:
        return (
            f"This path forgets some idle connections {span}, and remembers others for longer:"
            " several devices may stand side by side."
        )
    if bounds.unasked:
        return f"This path resets idle connections {span}, without having been asked."
    return f"This path forgets idle connections {span}, {_HOW[bounds.on_timeout]}."


def shortfall(found: Measurement) -> str:
    """
    Why not more is known.
    """
    if found.interrupted:
        return "the measurement was interrupted"
    closed = _ended_early(found, Fate.CLOSED)
    if closed and found.bounds.fatal is None:
        return f"the server closes idle clients, after {seconds(closed)} at the latest"
    spoke = _ended_early(found, Fate.SPOKE)
    if spoke and found.bounds.fatal is None:
        return f"the server itself sends something, after {seconds(spoke)} at the latest"
    if found.lost:
        return "the path lost every connection meanwhile, the one that was kept busy too"
    if found.not_counted:
        return "at times nothing came through, whether it was idle or not"
    if found.refused:
        return f"{found.refused} connections could not be opened"
    if found.late:
        return "another round would have taken longer than was announced"
    return "the connections differ"


def remarks(found: Measurement) -> Iterator[str]:
    """
    What else is worth saying.
    """
    bounds = found.bounds
    if bounds.fatal is not None and not found.is_narrow and not bounds.mixed:
        yield (
            f"The bounds are wider than the {seconds(found.plan.resolution)} asked for:"
            f" {shortfall(found)}."
        )
