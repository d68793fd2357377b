"""
Connections without keepalive whose application exchanges data often enough.
"""

import pytest

from exporter.analysis.analyze import AnalyzedConnections, analyze
from exporter.analysis.history import History, HistoryRecorder
from exporter.model import Direction, OnTimeout, Path, Protection, Risk
from exporter.paths.matching import LocalEndpoints
from tests.analysis.rows import connection

PATHS = (Path("nat", Direction.ANY, ("any",), 240.0, OnTimeout.DROP),)
NOWHERE = LocalEndpoints(frozenset(), frozenset())


def watched(*ages: float, every: float = 20.0) -> AnalyzedConnections:
    """
    A connection without keepalive after samples at regular intervals, opened before the first one;
    ages has its idle time at each.
    """
    history = History()
    for number, age in enumerate(ages):
        recorder = HistoryRecorder(history)
        at = 1000 + number * every
        # Two more segments since the last sample, unless the last one was before that.
        segments = 10 + 2 * (number - int(age // every))
        sample = connection(at, age, segments_in=segments, segments_out=segments)
        judged = analyze(sample, recorder, PATHS, NOWHERE, 0.75)
        history = recorder.finish(at, ())
    return judged


def test_heartbeats() -> None:
    """
    It is safe once it was watched for as long as the path's timeout; its protection is still none.
    """
    assert watched(*[5.0] * 12).risk.tolist() == [Risk.UNPROTECTED]
    judged = watched(*[5.0] * 13)
    assert judged.risk.tolist() == [Risk.SAFE]
    assert judged.verdicts.protection.tolist() == [Protection.NONE]


@pytest.mark.parametrize("longest", [160.0, 180.0])
def test_gap(longest: float) -> None:
    """
    It is not safe if it may ever have been idle for near_limit (180 s), also between two samples.
    """
    gap = [5.0 + 20 * number for number in range(1, int(longest / 20))]
    before = [5.0] * 13
    assert watched(*before, *gap[:-1], *before).risk.tolist() == [Risk.SAFE]
    assert watched(*before, *gap, 5.0).risk.tolist() == [
        Risk.SAFE if longest == 160 else Risk.UNPROTECTED
    ]


def test_idle_at_first_sight() -> None:
    """
    The idle time at first sight counts too.
    """
    assert watched(200.0, *[5.0] * 13).risk.tolist() == [Risk.UNPROTECTED]
