"""
Kinds and texts of advice.
"""

import pytest

from exporter.config.schema import Config
from exporter.connections.advice import Advice, advise, sentences
from exporter.model import Path, Protection, Risk, SocketOptions
from tests.connections.examples import OUTBOUND


def options(time: float, interval: float = 75) -> SocketOptions:
    """
    The options of a socket with this keepalive time and interval.
    """
    return SocketOptions(keepalive=True, time=time, interval=interval, probes=9, user_timeout=0)


@pytest.mark.parametrize(
    ("risk", "protection", "exact", "setting", "expected"),
    [
        (Risk.STALLED, Protection.OWN, None, 120, Advice.STALLED),
        (Risk.UNANSWERED, Protection.UNKNOWN, None, 120, Advice.UNANSWERED),
        (Risk.AT_RISK, Protection.NONE, None, 120, Advice.NO_KEEPALIVE),
        (Risk.UNPROTECTED, Protection.NONE, options(7200), 120, Advice.NO_KEEPALIVE),
        (Risk.AT_RISK, Protection.LATE, None, 7200, Advice.LATE),
        (Risk.AT_RISK, Protection.LATE, options(300), 7200, Advice.OWN_TIME_LATE),
        (Risk.AT_RISK, Protection.LATE, options(240), None, Advice.OWN_TIME_LATE),
        (Risk.UNPROTECTED, Protection.LATE, options(7200), 7200, Advice.SETTING_LATE),
        (Risk.AT_RISK, Protection.LATE, options(120), 120, Advice.ARMED_BEFORE_CHANGE),
        (Risk.AT_RISK, Protection.LATE, options(120, 240), 120, Advice.INTERVAL_LATE),
        (Risk.AT_RISK, Protection.LATE, options(300, 300), 300, Advice.SETTING_LATE),
        (Risk.SAFE, Protection.OWN, options(120), 120, None),
        (Risk.UNKNOWN, Protection.UNKNOWN, None, 120, None),
        (Risk.SAFE, Protection.OWN, options(60, 1), 7200, Advice.FRAGILE),
        (Risk.SAFE, Protection.PEER, options(30, 1), 7200, Advice.FRAGILE),
        (Risk.AT_RISK, Protection.LATE, options(300, 1), 7200, Advice.OWN_TIME_LATE),
        (Risk.STALLED, Protection.OWN, options(30, 1), 7200, Advice.STALLED),
    ],
)
def test_kinds(
    risk: Risk,
    protection: Protection,
    exact: SocketOptions | None,
    setting: float | None,
    expected: Advice | None,
) -> None:
    """Each kind of problem has its own advice."""
    assert advise(risk, protection, exact, OUTBOUND, setting) is expected


@pytest.mark.parametrize(
    ("time", "interval", "probes", "user_timeout", "is_fragile"),
    [
        (60, 1, 10, 0, True),  # Node.js
        (30, 1, 9, 0, True),  # SqlClient
        (120, 5, 2, 0, True),
        (5, 5, 3, 0, False),  # exactly 15 s
        (30, 5, 3, 0, False),
        (15, 15, 3, 30, False),  # reqwest
        (60, 1, 10, 90, False),  # ends after 30 s
        (120, 30, 8, 125, False),  # not before the second probe is due
        (120, 4, 8, 125, True),
        (60, 0, 9, 90, True),  # by a sysctl of 0
    ],
)
def test_fragile(
    time: float, interval: float, probes: int, user_timeout: float, *, is_fragile: bool
) -> None:
    """A keepalive that gives up within 15 s is noted, on any path, if it is on."""
    found = [
        advise(
            Risk.NO_PATH,
            Protection.UNKNOWN,
            SocketOptions(
                keepalive=on,
                time=time,
                interval=interval,
                probes=probes,
                user_timeout=user_timeout,
            ),
            None,
            7200,
        )
        for on in (True, False)
    ]
    assert found == [Advice.FRAGILE if is_fragile else None, None]


def test_no_path() -> None:
    """A connection on no path gets no advice."""
    assert advise(Risk.NO_PATH, Protection.NONE, None, None, 7200) is None


@pytest.mark.parametrize("path", [OUTBOUND, None])
def test_closed_by_the_peer(path: Path | None) -> None:
    """A connection that its peer has closed must be closed by its application, on any path."""
    advice = advise(Risk.PEER_CLOSED, Protection.NONE, None, path, 7200)
    assert advice is Advice.PEER_CLOSED


def test_every_kind_has_words() -> None:
    """Every kind has a text. Only the requested kinds are returned."""
    words = sentences(Advice, Config())
    assert list(words) == list(Advice)
    assert all(text.endswith(".") for text in words.values())
    assert list(sentences([Advice.LATE, Advice.LATE], Config())) == [Advice.LATE]
    assert sentences([], Config()) == {}


@pytest.mark.parametrize(
    ("config", "time"),
    [
        ({}, "120 s"),
        ({"recommended": {"time": "60s"}}, "60 s"),
        ({"paths": [{"name": "short", "idle_timeout": "90s"}]}, "45 s"),
        ({"profile": "none"}, "120 s"),
    ],
)
def test_the_time_advised(config: dict[str, object], time: str) -> None:
    """The advised time is the recommended one, but at most half the shortest timeout."""
    words = sentences([Advice.OWN_TIME_LATE], Config.model_validate(config))
    assert f"TCP_KEEPIDLE to {time}" in words[Advice.OWN_TIME_LATE]
