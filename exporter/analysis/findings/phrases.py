"""
Descriptions of paths and settings for findings.
"""

from collections.abc import Sequence

from exporter.model import Path, Recommended, Settings
from exporter.text.wording import abridged, number, seconds


def with_timeouts(paths: Sequence[Path]) -> str:
    """
    The paths' names and timeouts, shortest first. Of more than four paths, only the first three.
    """
    shortest_first = sorted(paths, key=lambda path: path.idle_timeout)
    return abridged([f"{path.name} ({seconds(path.idle_timeout)})" for path in shortest_first])


def differences(own: Settings, word: str, other: Settings | Recommended) -> list[str]:
    """
    The known settings that differ from other, each with both values; word labels other's value.
    """
    return [
        f"{name} {write(value)} ({word} {write(other_value)})"
        for name, write, value, other_value in (
            ("time", seconds, own.time, other.time),
            ("interval", seconds, own.interval, other.interval),
            ("probes", number, own.probes, other.probes),
        )
        if value is not None and other_value is not None and value != other_value
    ]
