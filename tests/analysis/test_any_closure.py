"""
Judging closures, whatever they look like.
"""

from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.endings import (
    NAN,
    SINCE_ZERO,
    Event,
    Row,
    judged,
    judged_together,
)

AGES = st.floats(0, 1e6) | st.just(NAN) | st.just(SINCE_ZERO)
COUNTS = st.integers(-1, 2**32 - 1)
EVENTS = st.builds(
    Event,
    retransmits=st.integers(-1, 20),
    probes=st.integers(-1, 20),
    send_queue=st.integers(0, 2**32 - 1),
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
    spell=AGES,
    segments_in=COUNTS,
    armed=st.integers(-1, 1),
    lasting=st.booleans(),
)


@given(st.lists(st.tuples(EVENTS, ROWS), min_size=1, max_size=20))
def test_spell_is_a_duration(endings: list[tuple[Event, Row | None]]) -> None:
    """
    Never negative, never NaN, whatever the kernel says.
    """
    for event, row in endings:
        assert judged(event, row).spell[0] >= 0


@given(st.lists(st.tuples(EVENTS, ROWS), min_size=1, max_size=20))
def test_endings_do_not_affect_each_other(endings: list[tuple[Event, Row | None]]) -> None:
    """
    Judged together they come to what each comes to alone, and those that count can be selected.
    """
    events, known = zip(*endings, strict=True)
    together = judged_together(events, known)
    alone = [judged(event, row) for event, row in endings]
    for column in ("reason", "spell", "counts"):
        expected = [getattr(closures, column)[0] for closures in alone]
        assert getattr(together, column).tolist() == expected
    assert together.rows(together.counts).reason.tolist() == [
        closures.reason[0] for closures in alone if closures.counts[0]
    ]
