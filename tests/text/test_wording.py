"""
Formatting of durations and escaping of names.
"""

import pytest

from exporter.text.escaping import printable
from exporter.text.wording import abridged, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.04, "0s"),
        (0.44, "0.4s"),
        (0.99, "1s"),
        (1.4, "1s"),
        (59.6, "1m"),
        (75, "1m15s"),
        (240, "4m"),
        (3600, "1h"),
        (3605, "1h"),
        (7200 + 59, "2h"),
        (7200 + 60, "2h1m"),
        (86400, "1d"),
        (100000, "1d3h"),
        (8589934, "99d10h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Durations have at most two units, and are rounded."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql@15-main.service", "postgresql@15-main.service"),
        ("bücher-日本", "bücher-日本"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\nb\r\tc\x00\x7f\x9b2J", "a\\nb\\r\\tc\\x00\\x7f\\x9b2J"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\ud800", "\\ud800"),
        ("[bold]x[/]", "[bold]x[/]"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    """Control and direction characters are escaped; everything else is unchanged."""
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("parts", "text"),
    [("a", "a"), ("ab", "a and b"), ("abcd", "a, b, c and d"), ("abcde", "a, b, c and 2 more")],
)
def test_abridged(parts: str, text: str) -> None:
    """Of more than four parts, the first three are named and the others counted."""
    assert abridged(parts) == text
