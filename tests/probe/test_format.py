"""
Sentences about results.
"""

from dataclasses import replace
from typing import Any

import pytest

from exporter.probe.format import at_least, at_most, remarks, seconds, sentence
from exporter.probe.inference import OutcomeKind
from exporter.probe.plan import Plan
from tests.probe.outcomes import measurement, outcome, outcomes


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.04, "0 s"), (7.84, "7.8 s"), (19.96, "20 s"), (239.6, "240 s"), (3600.0, "3600 s")],
)
def test_seconds(value: float, words: str) -> None:
    """
    Short times have tenths of seconds.
    """
    assert seconds(value) == words


@pytest.mark.parametrize(
    ("value", "lower", "upper"),
    [
        (5.7, "5.7 s", "5.7 s"),
        (7.25, "7.2 s", "7.3 s"),
        (235.0, "235 s", "235 s"),
        (239.96, "239.9 s", "240 s"),
    ],
)
def test_bounds_stay_bounds(value: float, lower: str, upper: str) -> None:
    """
    Lower bounds are rounded down, upper bounds are rounded up.
    """
    assert at_least(value) == lower
    assert at_most(value) == upper


def test_silent() -> None:
    """
    The sentence has both bounds and what happens at the timeout.
    """
    found = measurement(*outcomes(30, 235.27, dropped=(240, 240.2)))
    assert "between 235.2 s and 240.2 s" in sentence(found)
    assert "silently" in sentence(found)
    assert found.is_narrow
    assert list(remarks(found)) == []


def test_reset() -> None:
    """
    A path that answers probes with a reset.
    """
    found = measurement(*outcomes(235), *[outcome(OutcomeKind.RESET, 240)] * 2)
    assert "between 235 s and 240 s" in sentence(found)
    assert "answered with a reset" in sentence(found)


def test_reset_unasked() -> None:
    """
    A path that resets connections without a probe.
    """
    found = measurement(
        *outcomes(225), *[outcome(OutcomeKind.RESET_UNASKED, 239.5, at_most=240)] * 2
    )
    assert "between 239.5 s and 240 s" in sentence(found)
    assert "reset without a probe" in sentence(found)


def test_at_once() -> None:
    """
    If nothing survived, there is only an upper bound.
    """
    found = measurement(*outcomes(dropped=(1, 1)))
    assert "at most 1 s" in sentence(found)
    assert "between" not in sentence(found)


def test_no_timeout() -> None:
    """
    All idle times were survived.
    """
    found = measurement(*outcomes(30, 600))
    assert "600 s" in sentence(found)
    assert "unknown" not in sentence(found)
    assert found.is_narrow


def test_server_closes() -> None:
    """
    A FIN of the server is a lower bound, and the reason why there is no upper bound.
    """
    closed = [
        outcome(OutcomeKind.CLOSED, 59.8, at_most=60.1, planned=planned) for planned in (75, 90)
    ]
    words = sentence(measurement(*outcomes(30), *closed))
    assert "at least 59.8 s" in words
    assert words.endswith(": the server closes idle connections after 60 s.")
    refusing = [
        outcome(OutcomeKind.CLOSED, 0.01, planned=300),
        outcome(OutcomeKind.CLOSED, 120, planned=300),
    ]
    assert "after 0 s to 120 s." in sentence(measurement(*refusing))
    words = sentence(measurement(refusing[0]))
    assert "unknown" in words
    assert "at least" not in words
    assert "after 0 s." in words


def test_server_speaks() -> None:
    """
    Data from the server, except for a greeting, limits the idle time.
    """
    greeting = outcome(OutcomeKind.SPOKE, 0.02, planned=600)
    found = measurement(*outcomes(285), greeting, outcome(OutcomeKind.SPOKE, 300, planned=600))
    assert "at least 300 s" in sentence(found)
    assert "the server sends" in sentence(found)
    assert sentence(found).endswith(" after 300 s.")
    assert "server" not in sentence(measurement(greeting, *outcomes(30)))


def test_mixed() -> None:
    """
    Several devices in parallel with different timeouts.
    """
    found = measurement(*outcomes(30, 60, 600, dropped=(75, 75)))
    assert "between 60 s and 75 s" in sentence(found)
    assert "some connections" in sentence(found)
    assert not found.is_narrow


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"interrupted": True}, "interrupted"),
        ({"lost": 1}, "kept busy"),
        ({"not_counted": 3}, "path was interrupted at times"),
        ({"refused": 3}, "3 connections could not be opened"),
        ({"late": True}, "duration"),
        ({}, "too few"),
    ],
)
def test_shortfall(change: dict[str, Any], reason: str) -> None:
    """
    Wide or missing bounds come with the reason.
    """
    wide = replace(measurement(*outcomes(30, dropped=(90, 90))), **change)
    (remark,) = remarks(wide)
    assert "5 s: " in remark
    assert reason in remark
    open_above = replace(measurement(*outcomes(30)), **change)
    assert "at least 30 s" in sentence(open_above)
    assert reason in sentence(open_above)


def test_single_drop() -> None:
    """
    A single drop is mentioned, but not attributed to the path.
    """
    words = sentence(measurement(*outcomes(585, dropped=(600,))))
    assert "at least 585 s" in words
    assert "one connection was dropped, after 600 s" in words
    plan = Plan(30, 60, 15, 5)
    (remark,) = remarks(measurement(*outcomes(30, 60, dropped=(45,)), plan=plan))
    assert "One connection was dropped after 45 s" in remark


def test_lost_and_measured_again() -> None:
    """
    A remark mentions an interruption of the path even if the result is complete.
    """
    found = replace(measurement(*outcomes(235, dropped=(240, 240))), lost=1)
    (remark,) = remarks(found)
    assert "kept busy" in remark
