"""
Bounds of a path's real timeout, from survived and fatal spells.
"""

import ipaddress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.closure_reasons import ClosureVerdicts
from exporter.analysis.evidence import Evidence
from exporter.analysis.survivals import Survivals
from exporter.model import Direction, FloatArray, IdleBounds, OnTimeout, Path, Reason
from exporter.paths.matching import halves

PATH = Path("nat", Direction.ANY, ("any",), 240.0, OnTimeout.DROP)
OTHER = replace(PATH, name="other")
HOUR = 3600.0
NAN = float("nan")
ROUGHLY = 0.06
"""Relative error of a bound: lengths are 5 % apart."""


def survive(evidence: Evidence, *spells: float, at: float = 0.0, path: int = 0) -> None:
    """
    Note a sample with these survived spells.
    """
    survivals = Survivals((PATH, OTHER))
    survivals.add(np.full(len(spells), path, np.int16), np.array(spells))
    evidence.note_sample(survivals, at)


def die(
    evidence: Evidence,
    *spells: float,
    at: float = 0.0,
    servers: tuple[str, ...] = ("203.0.113.1", "203.0.113.2"),
    reason: Reason = Reason.RESET,
) -> None:
    """
    Note connections to the servers in turn that were lost after these spells.
    """
    fatal = np.array(spells)
    close(evidence, fatal, at=at, servers=servers, reason=reason)


def close(
    evidence: Evidence,
    fatal: FloatArray,
    survived: FloatArray | None = None,
    *,
    at: float = 0.0,
    servers: tuple[str, ...] = ("203.0.113.1",),
    reason: Reason = Reason.NORMAL,
) -> None:
    """
    Note connections that were closed after these spells.
    """
    number = len(fatal)
    closures = ClosureVerdicts(
        reason=np.full(number, reason, np.int8),
        spell=np.zeros(number),
        survived=np.full(number, NAN) if survived is None else survived,
        fatal=fatal,
        lost_at=np.zeros(number),
        counts=np.ones(number, np.bool_),
    )
    addresses = [halves(ipaddress.ip_address(servers[i % len(servers)])) for i in range(number)]
    remote = np.array(addresses, np.uint64)
    evidence.note_closures(closures, remote, np.zeros(number, np.int16), (PATH, OTHER), at)


def test_nothing_known() -> None:
    """
    A path without traffic has no bounds.
    """
    assert Evidence().bounds(PATH, 0.0) == IdleBounds()


def test_bounds() -> None:
    """
    Three spells make a bound: survived is rounded down, fatal is rounded up.
    """
    evidence = Evidence()
    survive(evidence, 0.0, 10.0, 50.0, 50.0, 50.0)
    die(evidence, 70.0, 70.0, 70.0)
    bounds = evidence.bounds(PATH, 0.0)
    assert bounds.survived == pytest.approx(50, rel=ROUGHLY)
    assert bounds.survived is not None
    assert bounds.survived <= 50
    assert bounds.fatal == pytest.approx(70, rel=ROUGHLY)
    assert bounds.fatal is not None
    assert bounds.fatal >= 70
    assert evidence.bounds(OTHER, 0.0) == IdleBounds()


def test_third_longest_and_shortest() -> None:
    """
    One or two spells make no bound, independent of their length.
    """
    evidence = Evidence()
    survive(evidence, 900.0, 900.0)
    die(evidence, 20.0, 30.0)
    assert evidence.bounds(PATH, 0.0) == IdleBounds()
    survive(evidence, 15.0)
    die(evidence, 70.0)
    bounds = evidence.bounds(PATH, 0.0)
    assert bounds.survived == pytest.approx(15, rel=ROUGHLY)
    assert bounds.fatal == pytest.approx(70, rel=ROUGHLY)


def test_fatal_below_survived() -> None:
    """
    A crashed server ends connections after spells of any length. Fatal spells shorter than survived
    ones are therefore not attributed to the path.
    """
    evidence = Evidence()
    survive(evidence, *[200.0] * 3)
    die(evidence, *[5.0] * 50, *[150.0] * 50)
    assert evidence.bounds(PATH, 0.0).fatal is None
    die(evidence, *[260.0] * 3)
    assert evidence.bounds(PATH, 0.0).fatal == pytest.approx(260, rel=ROUGHLY)


def test_one_server_may_have_crashed() -> None:
    """
    Fatal spells with a single peer make no bound, unless they end in three different minutes.
    """
    evidence = Evidence()
    server = ("203.0.113.1",)
    for at in (0.0, 59.0, 60.0):
        die(evidence, *[260.0] * 100, at=at, servers=server)
        assert evidence.bounds(PATH, at).fatal is None
    die(evidence, 260.0, at=2 * HOUR, servers=server)
    assert evidence.bounds(PATH, 2 * HOUR).fatal is not None


def test_minutes_of_shorter_spells() -> None:
    """
    The minutes of longer spells say nothing about shorter ones.
    """
    evidence = Evidence()
    for minute, spell in enumerate((260.0, 260.0, 300.0)):
        die(evidence, *[spell] * 3, at=60.0 * minute, servers=("203.0.113.1",))
    assert evidence.bounds(PATH, HOUR).fatal == pytest.approx(300, rel=ROUGHLY)


def test_outage() -> None:
    """
    Timeouts while nothing is received on a path are attributed to an outage, not to the path's
    timeout. Resets count, because they were received.
    """
    evidence = Evidence()
    survive(evidence, path=1)
    die(evidence, *[130.0] * 10, reason=Reason.KEEPALIVE_TIMEOUT)
    die(evidence, *[130.0] * 10, reason=Reason.RETRANSMIT_TIMEOUT)
    assert evidence.bounds(PATH, 0.0).fatal is None
    survive(evidence, 0.0)
    die(evidence, *[260.0] * 10, reason=Reason.KEEPALIVE_TIMEOUT)
    assert evidence.bounds(PATH, 0.0).fatal == pytest.approx(260, rel=ROUGHLY)
    survive(evidence, NAN)
    die(evidence, *[130.0] * 3)
    assert evidence.bounds(PATH, 0.0).fatal == pytest.approx(130, rel=ROUGHLY)


def test_normal_closures() -> None:
    """
    A connection closed in order has survived its last spell.
    """
    evidence = Evidence()
    close(evidence, np.full(3, NAN), np.full(3, 100.0))
    assert evidence.bounds(PATH, 0.0).survived == pytest.approx(100, rel=ROUGHLY)


def test_mixed() -> None:
    """
    The attribute mixed is true if some spells longer than the configured timeout were fatal and
    longer ones survived.
    """
    evidence = Evidence()
    survive(evidence, *[900.0] * 3)
    die(evidence, *[100.0] * 3)
    assert not evidence.bounds(PATH, 0.0).mixed
    die(evidence, *[300.0] * 3)
    bounds = evidence.bounds(PATH, 0.0)
    assert bounds.mixed
    assert bounds.fatal is None


def test_last_day() -> None:
    """
    Spells older than a day are dropped hour by hour, even without new ones.
    """
    evidence = Evidence()
    survive(evidence, *[50.0] * 3)
    die(evidence, *[70.0] * 3)
    survive(evidence, *[20.0] * 3, at=5 * HOUR)
    assert evidence.bounds(PATH, 23.9 * HOUR).fatal is not None
    later = evidence.bounds(PATH, 24 * HOUR)
    assert later.survived == pytest.approx(20, rel=ROUGHLY)
    assert later.fatal is None
    assert evidence.bounds(PATH, 29 * HOUR) == IdleBounds()
    survive(evidence, *[20.0] * 2, at=29 * HOUR)
    assert evidence.bounds(PATH, 29 * HOUR) == IdleBounds()


def test_longer_than_a_day() -> None:
    """
    A survived spell of several days counts as one day; a fatal one makes no bound.
    """
    evidence = Evidence()
    survive(evidence, *[500_000.0] * 3)
    die(evidence, *[500_000.0] * 3)
    bounds = evidence.bounds(PATH, 0.0)
    assert bounds.survived == pytest.approx(86_400, rel=ROUGHLY)
    assert bounds.fatal is None


@settings(deadline=None)
@given(
    timeout=st.floats(5, 5000),
    spells=st.lists(st.tuples(st.floats(1, 20_000), st.integers(0, 3)), max_size=60),
)
def test_truth_lies_between(timeout: float, spells: list[tuple[float, int]]) -> None:
    """
    The bounds always enclose the path's true timeout.
    """
    evidence = Evidence()
    servers = tuple(f"203.0.113.{number}" for number in range(4))
    for spell, server in spells:
        if spell < timeout:
            survive(evidence, spell)
        else:
            die(evidence, spell, servers=(servers[server],))
    bounds = evidence.bounds(PATH, 0.0)
    assert bounds.survived is None or bounds.survived < timeout
    assert bounds.fatal is None or bounds.fatal > timeout
    assert not bounds.mixed
