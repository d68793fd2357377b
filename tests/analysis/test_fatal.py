"""
What closures tell of a path's timeout: spells survived at least, and fatal at most.
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
    judged,
)

TOLERANCE = 0.1


@pytest.mark.parametrize(
    ("event", "row", "at_most"),
    [
        # To the end, which was when the reset came; it had been idle for 200 s then.
        pytest.param(RESET, IDLE, 200, id="reset while idle"),
        pytest.param(REFUSED_WRITE, IDLE, 200, id="reset answers a write"),
        # From the sample that first saw the probes or the data unanswered.
        pytest.param(PROBED, replace(PROBING, spell_at_most=212.5), 212.5, id="keepalive gave up"),
        pytest.param(
            RETRANSMITTED, replace(HANGING, spell_at_most=213), 213, id="retransmission gave up"
        ),
        # Both sent and ended after the last sample: no sample saw more than the end.
        pytest.param(
            replace(RETRANSMITTED, retransmits=3, sent=1.0, received=200.0, acked=200.0),
            IDLE,
            200,
            id="retransmission gave up between samples",
        ),
        # It was closed here after 190 s to 205 s, when a sample first missed it.
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
    What the network or the peer ended was idle for so long at most, and survived nothing.
    """
    closures = judged(event, row)
    assert closures.fatal[0] == pytest.approx(at_most, abs=TOLERANCE)
    assert closures.survived[0] != closures.survived[0]
    assert closures.fatal[0] >= closures.spell[0] - TOLERANCE


@pytest.mark.parametrize(
    ("event", "row"),
    [
        pytest.param(ABORTED, IDLE, id="aborted here"),
        pytest.param(replace(RESET, segments_in=4), IDLE, id="closed here with data unread"),
        pytest.param(RESET, None, id="never seen"),
        pytest.param(PROBED, None, id="never seen, keepalive gave up"),
    ],
)
def test_not_the_network(event: Event, row: Row | None) -> None:
    """
    What the application here has ended, or no sample has seen, tells nothing.
    """
    closures = judged(event, row)
    assert closures.reason[0] != Reason.NORMAL
    assert closures.fatal[0] != closures.fatal[0]
    assert closures.survived[0] != closures.survived[0]


def test_survived() -> None:
    """
    A FIN that is acknowledged has come through after all the time the counters stood still.
    """
    closures = judged(CLOSED, replace(IDLE, still=175.0))
    assert closures.survived[0] == pytest.approx(175)
    assert closures.fatal[0] != closures.fatal[0]
    unseen = judged(CLOSED, None)
    assert unseen.survived[0] != unseen.survived[0]
