"""
Connections that hang or timed out without an explanation, and the answers of their peers.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from exporter.analysis.analyze import AnalyzedConnections, analyze
from exporter.analysis.history import History, HistoryRecorder
from exporter.analysis.losses import MOST, Answers, Loss, SampledLosses, closed_losses
from exporter.model import (
    NO_PATH,
    ConnectionTable,
    Direction,
    OnTimeout,
    Path,
    Timer,
)
from exporter.paths.addresses import address_keys
from exporter.paths.matching import LocalEndpoints
from tests.analysis.endings import (
    ABORTED,
    CLOSED,
    FIN_UNANSWERED,
    HANGING,
    IDLE,
    PROBED,
    PROBING,
    RESET,
    RETRANSMITTED,
    Event,
    Row,
    classified,
)
from tests.analysis.endings import table as events
from tests.analysis.rows import table
from tests.tables import connections

AZURE = Path("azure", Direction.OUTBOUND, ("public",), 240.0, OnTimeout.DROP)
NOWHERE = LocalEndpoints(frozenset(), frozenset())
SERVER, PRIVATE, LOCAL = "203.0.113.10", "10.1.2.3", "127.0.0.1"
RATIO = 0.75


def sample(at: float, *ages: float, remote: str = SERVER, **changes: Any) -> ConnectionTable:
    """
    Connections to a server, read at a time, with last segments this long ago.
    """
    rows = [
        {
            "read_at": at,
            "cookie": cookie,
            "last_data_sent": age,
            "last_data_received": age,
            "last_ack_received": age,
            "segments_in": 1000 + round(at - age),
            "segments_out": 1000 + round(at - age),
            "state": 1,
        }
        | changes
        for cookie, age in enumerate(ages, start=1)
    ]
    addresses = connections(*[("10.0.0.4:40000", f"{remote}:443")] * len(ages))
    return replace(table(rows), remote=addresses.remote)


def hanging(at: float, sent_at: float, *received_at: float, **changes: Any) -> ConnectionTable:
    """
    Connections whose data has been unanswered since sent_at.
    """
    changes = {
        "last_data_sent": at - sent_at,
        "unanswered": 5,
        "unacked": 1,
        "segments_out": 2000 + round(at),
        "timer": Timer.RETRANSMIT,
        **changes,
    }
    return sample(at, *(at - each for each in received_at), **changes)


def after(
    *samples: ConnectionTable,
    endpoints: LocalEndpoints = NOWHERE,
    watched: frozenset[int] = frozenset(),
) -> SampledLosses:
    """
    What the last of the samples shows.
    """
    losses = SampledLosses((AZURE,), RATIO, watched)
    losses.add(analyzed(*samples, endpoints=endpoints))
    return losses


def analyzed(*samples: ConnectionTable, endpoints: LocalEndpoints = NOWHERE) -> AnalyzedConnections:
    """
    The connections of the last of the samples.
    """
    history = History()
    for each in samples:
        recorder = HistoryRecorder(history)
        result = analyze(each, recorder, (AZURE,), endpoints, RATIO)
        history = recorder.finish(float(each.read_at[0]), ())
    return result


def lost_after_25_to_40_s(remote: str = SERVER, **changes: Any) -> list[ConnectionTable]:
    """
    A connection, idle since 1000, that has hung since a time between 1025 and 1040.
    """
    return [
        sample(1010, 10, remote=remote),
        sample(1025, 25, remote=remote),
        hanging(1040, 1030, 1000, remote=remote, **changes),
        hanging(1070, 1060, 1000, remote=remote, **changes),
    ]


def test_hanging_on_a_path() -> None:
    """
    A connection that hangs after a spell far below its path's timeout, with the bounds of it.
    """
    losses = after(*lost_after_25_to_40_s())
    (peer,) = address_keys(sample(0, 0).remote).tolist()
    assert losses.hanging == {1: Loss(1, "azure", peer, 25, 40, 1040)}
    assert losses.hanging[1].began_at == 1000


def test_hanging_on_no_path() -> None:
    """
    A connection that hangs on no path.
    """
    losses = after(*lost_after_25_to_40_s(PRIVATE))
    assert [loss.path for loss in losses.hanging.values()] == [NO_PATH]


def test_not_yet() -> None:
    """
    Within 30 s, data may still be answered.
    """
    assert after(*lost_after_25_to_40_s()[:-1]).hanging == {}


def test_explained_by_the_path() -> None:
    """
    A spell that may have been as long as near_limit may be explained by the path.
    """
    first, last = sample(1170, 170), hanging(1240, 1239, 1000)
    assert after(sample(1010, 10), first, hanging(1185, 1184, 1000), last).hanging == {}
    assert after(sample(1010, 10), first, hanging(1179, 1178, 1000), last).hanging.keys() == {1}


def test_on_this_host() -> None:
    """
    Connections that stay on this host cross no device.
    """
    assert after(*lost_after_25_to_40_s(LOCAL)).hanging == {}


def test_inbound() -> None:
    """
    Connections that clients opened do not count: clients vanish.
    """
    listening = LocalEndpoints(frozenset({40000}), frozenset())
    assert after(*lost_after_25_to_40_s(), endpoints=listening).hanging == {}


def test_first_seen_hanging() -> None:
    """
    A connection that hung before the first sample was not observed: its spell has no upper bound.
    """
    assert after(hanging(1040, 1030, 1000), hanging(1070, 1060, 1000)).hanging == {}


def test_at_most() -> None:
    """
    A sample has a limited number of losses.
    """
    ends = [1000.0] * (MOST + 1)
    samples = [sample(1025, *[25.0] * len(ends)), hanging(1040, 1030, *ends)]
    assert len(after(*samples, hanging(1070, 1060, *ends)).hanging) == MOST


def test_answers() -> None:
    """
    The last answer of a watched peer, and the longest spell before an answer since the previous
    sample.
    """
    (peer,) = address_keys(sample(0, 0).remote).tolist()
    before, now = sample(1025, 25, 15, 5), sample(1040, 40, 3, 8)
    losses = after(sample(1010, 10, 5, 5), before, now, watched=frozenset({peer, 1, 2**64 - 1}))
    assert rounded(losses) == {peer: Answers(1037, 15)}
    assert after(before, now).answers == {}
    assert after(before, now, watched=frozenset({1, 2**64 - 1})).answers == {}


def test_answers_of_several_tables() -> None:
    """
    The answers of all tables and namespaces count, without a copy made before them.
    """
    (peer,) = address_keys(sample(0, 0).remote).tolist()
    losses = after(sample(1025, 25), sample(1040, 3), watched=frozenset({peer}))
    first = losses.copy()
    losses.add(analyzed(sample(1031, 31), sample(1040, 1, segments_in=7)))
    losses.add(analyzed(sample(1025, 5), sample(1040, 9)))
    assert rounded(first) == {peer: Answers(1037, 25)}
    assert rounded(losses) == {peer: Answers(1039, 31)}


def rounded(losses: SampledLosses) -> dict[int, Answers]:
    """
    The answers in whole seconds.
    """
    return {peer: Answers(*map(round, answers)) for peer, answers in losses.answers.items()}


def test_peers() -> None:
    """
    Each address is another peer, over IPv4 and IPv6.
    """
    ends = [f"10.{a}.{b}.1:1" for a in range(64) for b in range(64)]
    ends += [f"[fd00:{a:x}::{b:x}]:1" for a in range(64) for b in range(64)]
    remote = connections(*[("10.0.0.4:1", end) for end in ends]).remote
    assert len(np.unique(address_keys(remote))) == len(ends)


@pytest.mark.parametrize(
    ("event", "row", "expected"),
    [
        (PROBED, replace(PROBING, spell_at_most=212.5), (200, 212.5, 230)),
        (RETRANSMITTED, replace(HANGING, spell_at_most=213), (198, 213, 910)),
        (
            replace(FIN_UNANSWERED, missed=95.0),
            Row(read=110.0, active=300.0, received=300.0),
            (190, 205, 95),
        ),
        (RESET, IDLE, None),
        (CLOSED, IDLE, None),
        (ABORTED, IDLE, None),
        (PROBED, None, None),
    ],
)
def test_closed(event: Event, row: Row | None, expected: tuple[float, float, float] | None) -> None:
    """
    Timeouts are losses, with bounds of the spell and the time of the first unanswered segment.
    Resets and orderly ends are none, nor are connections that no sample had.
    """
    closures, table = classified(event, row), events([event])
    table = replace(table, remote=sample(0, 0).remote)
    lost = closures.unexplained(np.array([np.inf]))
    losses = closed_losses(
        table.rows(lost), closures.rows(lost), np.array([-1], np.int16)[lost], (AZURE,)
    )
    found = [(each.path, each.at_least, each.at_most, 100_000 - each.lost_at) for each in losses]
    assert found == ([] if expected is None else [(NO_PATH, *map(about, expected))])
    if expected is not None:
        assert not closures.unexplained(np.array([expected[1] - 1]))[0]
        assert closures.unexplained(np.array([expected[1] + 1]))[0]


def about(seconds: float) -> Any:
    """
    Equal within the error of ages.
    """
    return pytest.approx(seconds, abs=0.2)
