"""
Figures and lists as findings write them.
"""

from collections.abc import Sequence

from exporter.model import Path, Recommended, Settings

_MOST_NAMED = 4


def number(value: float) -> str:
    """
    A value with no more than three decimals, and none that are zero.
    """
    return f"{value:.3f}".rstrip("0").rstrip(".")


def seconds(value: float) -> str:
    """
    A time in seconds, unit included.
    """
    return f"{number(value)} s"


def plural(count: int, noun: str) -> str:
    """
    So many of something.
    """
    return f"{count} {noun}{'s' if count != 1 else ''}"


def listing(parts: Sequence[str]) -> str:
    """
    The parts as a sentence lists them.
    """
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def with_timeouts(paths: Sequence[Path]) -> str:
    """
    The paths' names and timeouts; of many only some, those with the shortest timeouts.
    """
    shortest_first = sorted(paths, key=lambda path: path.idle_timeout)
    parts = [f"{path.name} ({seconds(path.idle_timeout)})" for path in shortest_first]
    if len(parts) > _MOST_NAMED:
        parts = [*parts[: _MOST_NAMED - 1], f"{len(parts) - _MOST_NAMED + 1} more"]
    return listing(parts)


def differences(own: Settings, word: str, other: Settings | Recommended) -> list[str]:
    """
    In what the settings differ from the other ones, which the word names, as far as is known.
    """
    return [
        f"{name} {write(has)} ({word} {write(wanted)})"
        for name, write, has, wanted in (
            ("time", seconds, own.time, other.time),
            ("interval", seconds, own.interval, other.interval),
            ("probes", number, own.probes, other.probes),
        )
        if has is not None and wanted is not None and has != wanted
    ]


def sentence(text: str) -> str:
    """
    The text with a capital and a full stop.
    """
    return f"{text[0].upper()}{text[1:]}."
