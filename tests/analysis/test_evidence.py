"""
What a path's real timeout lies between, as spells survived and spells fatal tell.
"""

import ipaddress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.closure_reasons import Closures
from exporter.analysis.evidence import Evidence
from exporter.analysis.survivals import Survivals
from exporter.model import Direction, FloatArray, IdleBounds, OnTimeout, Path, Reason
from exporter.paths.matching import halves

PATH = Path("nat", Direction.ANY, ("any",), 240.0, OnTimeout.DROP)
OTHER = replace(PATH, name="other")
HOUR = 3600.0
NAN = float("nan")
ROUGHLY = 0.06
"""By what part a bound may be off: lengths are a twentieth apart."""


def survive(evidence: Evidence, *spells: float, at: float = 0.0, path: int = 0) -> None:
    """
    A sample in which these spells were found survived.
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
    Connections to the servers in turn that have died of these spells.
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
    Connections that have ended after these spells.
    """
    number = len(fatal)
    closures = Closures(
        reason=np.full(number, reason, np.int8),
        spell=np.zeros(number),
        survived=np.full(number, NAN) if survived is None else survived,
        fatal=fatal,
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
    Three spells each: the survived one is rounded down, the fatal one up.
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
    One or two spells prove nothing, whatever their length.
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


def test_deaths_that_others_outlived() -> None:
    """
    A server that crashes ends connections of all ages: what others outlived was not the path.
    """
    evidence = Evidence()
    survive(evidence, *[200.0] * 3)
    die(evidence, *[5.0] * 50, *[150.0] * 50)
    assert evidence.bounds(PATH, 0.0).fatal is None
    die(evidence, *[260.0] * 3)
    assert evidence.bounds(PATH, 0.0).fatal == pytest.approx(260, rel=ROUGHLY)


def test_one_server_may_have_crashed() -> None:
    """
    Deaths with one peer say nothing, until they have come in three different hours.
    """
    evidence = Evidence()
    server = ("203.0.113.1",)
    die(evidence, *[260.0] * 100, servers=server)
    die(evidence, *[260.0] * 100, at=HOUR, servers=server)
    assert evidence.bounds(PATH, HOUR).fatal is None
    die(evidence, 260.0, at=2 * HOUR, servers=server)
    assert evidence.bounds(PATH, 2 * HOUR).fatal is not None


def test_while_nothing_comes_through() -> None:
    """
    While nothing is answered on a path its connections die of an outage, not of its timeout. A
    reset has come through.
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


def test_orderly_ends() -> None:
    """
    A connection that ends in order has survived its last spell.
    """
    evidence = Evidence()
    close(evidence, np.full(3, NAN), np.full(3, 100.0))
    assert evidence.bounds(PATH, 0.0).survived == pytest.approx(100, rel=ROUGHLY)


def test_mixed() -> None:
    """
    Some died of spells beyond the configured timeout that others survived: that is no safe path.
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
    What is older than a day is forgotten, hour by hour, even if nothing comes after it.
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
    A spell of days is survived for a day at least, and bounds nothing if it is fatal.
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
    Whatever spells there are on a path that forgets, the bounds enclose its timeout.
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
