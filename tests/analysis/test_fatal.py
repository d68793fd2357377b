"""
Bounds of a path's timeout from closures: minimum of survived spells, maximum of fatal ones.
"""

from dataclasses import replace

import pytest

from exporter.model import Reason
from tests.analysis.endings import (
    ABORTED,
    CLOSED,
    FIN_UNANSWERED,
    HANGING,
    IDLE,
    PROBED,
    PROBING,
    REFUSED_WRITE,
    RESET,
    RETRANSMITTED,
    Event,
    Row,
    classified,
)

TOLERANCE = 0.1


@pytest.mark.parametrize(
    ("event", "row", "at_most"),
    [
        # Until the end, when the reset was received, after 200 s of idle time.
        pytest.param(RESET, IDLE, 200, id="reset while idle"),
        pytest.param(REFUSED_WRITE, IDLE, 200, id="reset answers a write"),
        # Until the sample that first had unanswered probes or data.
        pytest.param(
            PROBED, replace(PROBING, spell_at_most=212.5), 212.5, id="keepalive timed out"
        ),
        pytest.param(
            RETRANSMITTED, replace(HANGING, spell_at_most=213), 213, id="retransmission timed out"
        ),
        # Sent and timed out after the last sample: only the end is known.
        pytest.param(
            replace(RETRANSMITTED, retransmits=3, sent=1.0, received=200.0, acked=200.0),
            IDLE,
            200,
            id="retransmission timed out between samples",
        ),
        # Closed locally after 190 s to 205 s, when a sample first missed it.
        pytest.param(
            replace(FIN_UNANSWERED, missed=95.0),
            Row(read=110.0, active=300.0, received=300.0),
            205,
            id="FIN never acknowledged",
        ),
    ],
)
def test_fatal(event: Event, row: Row, at_most: float) -> None:
    """
    A connection ended by the network or the peer has a maximum fatal spell, and no survived one.
    """
    closures = classified(event, row)
    assert closures.fatal[0] == pytest.approx(at_most, abs=TOLERANCE)
    assert closures.survived[0] != closures.survived[0]
    assert closures.fatal[0] >= closures.spell[0] - TOLERANCE


@pytest.mark.parametrize(
    ("event", "row"),
    [
        pytest.param(ABORTED, IDLE, id="aborted locally"),
        pytest.param(replace(RESET, segments_in=4), IDLE, id="closed locally with unread data"),
        pytest.param(RESET, None, id="never seen"),
        pytest.param(PROBED, None, id="never seen, keepalive timed out"),
    ],
)
def test_not_the_network(event: Event, row: Row | None) -> None:
    """
    A connection ended by the local application, or without history, gives no bound.
    """
    closures = classified(event, row)
    assert closures.reason[0] != Reason.NORMAL
    assert closures.fatal[0] != closures.fatal[0]
    assert closures.survived[0] != closures.survived[0]


def test_survived() -> None:
    """
    An acknowledged FIN proves that the connection survived the time of unchanged counters.
    """
    closures = classified(CLOSED, replace(IDLE, unchanged_for=175.0))
    assert closures.survived[0] == pytest.approx(175)
    assert closures.fatal[0] != closures.fatal[0]
    unseen = classified(CLOSED, None)
    assert unseen.survived[0] != unseen.survived[0]
