"""
Formatting of numbers, durations and lists.
"""

from collections.abc import Sequence

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_MOST_NAMED = 4


def number(value: float) -> str:
    """
    A value with at most three decimals, without trailing zeros.
    """
    return f"{value:.3f}".rstrip("0").rstrip(".")


def seconds(value: float) -> str:
    """
    A time in seconds, with its unit.
    """
    return f"{number(value)} s"


def duration(seconds: float) -> str:
    """
    A duration in at most two units: 0.4s, 35s, 6m40s, 2h, 1d4h.
    """
    if seconds < 1:
        return f"{round(seconds, 1):g}s"
    rest = round(seconds)
    parts = []
    for size, unit in _UNITS:
        if number := rest // size:
            parts.append(f"{number}{unit}")
        elif parts:
            break
        rest %= size
    return "".join(parts[:2])


def plural(count: int, noun: str) -> str:
    """
    A count with its noun: 1 path, 2 paths.
    """
    return f"{count} {noun}{'s' if count != 1 else ''}"


def listing(parts: Sequence[str]) -> str:
    """
    The parts as a list in a sentence: a, b and c.
    """
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def abridged(parts: Sequence[str]) -> str:
    """
    The parts as a list in a sentence; of more than four, the first three: a, b, c and 106 more.
    """
    if len(parts) > _MOST_NAMED:
        parts = [*parts[: _MOST_NAMED - 1], f"{len(parts) - _MOST_NAMED + 1} more"]
    return listing(parts)


def sentence(text: str) -> str:
    """
    The text with a capital first letter and a full stop.
    """
    return f"{text[0].upper()}{text[1:]}."
