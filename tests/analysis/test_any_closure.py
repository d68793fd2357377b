"""
Classification of closures with arbitrary values.
"""

from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tests.analysis.endings import NAN, SINCE_ZERO, Event, Row, classified, classified_together

AGES = st.floats(0, 1e6) | st.just(NAN) | st.just(SINCE_ZERO)
COUNTS = st.integers(-1, 2**32 - 1)
EVENTS = st.builds(
    Event,
    retransmits=st.integers(-1, 20),
    probes=st.integers(-1, 20),
    send_queue=st.integers(0, 2**32 - 1),
    receive_queue=st.integers(0, 2**32 - 1),
    sent=AGES,
    received=AGES,
    acked=AGES,
    segments_out=COUNTS,
    segments_in=COUNTS,
    bytes_acked=COUNTS,
    bytes_sent=COUNTS,
    bytes_retransmitted=COUNTS,
    late=st.floats(0, 10),
    missed=AGES,
    inbound=st.booleans(),
)
ROWS = st.none() | st.builds(
    Row,
    read=st.floats(0, 1e6),
    active=AGES,
    received=AGES,
    check=st.floats(-1e6, 1e6) | st.just(NAN),
    unanswered=AGES,
    spell=AGES,
    segments_in=COUNTS,
    armed=st.integers(-1, 1),
    lasting=st.booleans(),
    peer_closed=st.booleans(),
    keepalive_time=AGES,
)


@given(st.lists(st.tuples(EVENTS, ROWS), min_size=1, max_size=20))
def test_spell_is_a_duration(endings: list[tuple[Event, Row | None]]) -> None:
    """
    The spell is never negative, for any values from the kernel; NaN means unknown.
    """
    for event, row in endings:
        assert not classified(event, row).spell[0] < 0


@given(st.lists(st.tuples(EVENTS, ROWS), min_size=1, max_size=20))
def test_endings_do_not_affect_each_other(endings: list[tuple[Event, Row | None]]) -> None:
    """
    Closures classified together have the same verdicts as alone, and rows can be selected.
    """
    events, known = zip(*endings, strict=True)
    together = classified_together(events, known)
    alone = [classified(event, row) for event, row in endings]
    for column in ("reason", "spell", "counts"):
        expected = [getattr(closures, column)[0] for closures in alone]
        assert_array_equal(getattr(together, column), expected)
    assert together.rows(together.counts).reason.tolist() == [
        closures.reason[0] for closures in alone if closures.counts[0]
    ]
