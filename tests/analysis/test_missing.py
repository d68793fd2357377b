"""
History of connections missing from a sample, until their destroy event is received.
"""

from collections.abc import Collection, Iterable

import numpy as np
import pytest

from exporter.analysis import history as module
from exporter.analysis.history import Cookies, History, HistoryRecorder
from exporter.analysis.history_table import COLUMNS, HistoryTable

HOUR = 3600.0


def rows(cookies: Iterable[int], idle_for: float = 1.0) -> HistoryTable:
    """
    Rows with different values for each connection.
    """
    cookies = np.fromiter(cookies, np.uint64)
    result = HistoryTable.unknown(len(cookies))
    result["cookie"] = cookies
    result["read_at"] = np.zeros(len(cookies))
    result["active_at"] = cookies + idle_for
    return result


def sampled(
    previous: History, cookies: Iterable[int], now: float, ended: Collection[int] | None = ()
) -> History:
    """
    The history of a sample with these connections.
    """
    shown = rows(cookies)
    recorder = HistoryRecorder(previous)
    recorder.recall(shown["cookie"])
    recorder.allocate(len(shown)).put(slice(None), shown)
    return recorder.finish(now, ended)


def missing_since(history: History, *cookies: int) -> list[float]:
    """
    When samples first missed the connections; NaN for those not missing.
    """
    return list(history.missing_since(history.find(numbers(cookies))))


def known(history: History, *cookies: int) -> list[bool]:
    """
    Whether the history has each of the connections.
    """
    return list(history.at(history.find(numbers(cookies)))["cookie"] == numbers(cookies))


def numbers(cookies: Iterable[int]) -> Cookies:
    """
    Cookies as an array.
    """
    return np.fromiter(cookies, np.uint64)


def test_missing_since_first_sample_without_it() -> None:
    """
    A connection is missing since the first sample without it, also after later samples.
    """
    history = sampled(History(), [1, 2], now=10)
    assert missing_since(history, 1, 2) == pytest.approx([np.nan, np.nan], nan_ok=True)
    for now in (25, 40, 55):
        history = sampled(history, [2], now=now)
        assert missing_since(history, 1, 2) == pytest.approx([25, np.nan], nan_ok=True)
    assert history.present == 1


def test_missing_connection_keeps_its_row() -> None:
    """
    The row of a missing connection is not changed.
    """
    first = sampled(History(), [3, 1, 2], now=10)
    history = sampled(sampled(first, [2], now=25), [2], now=40)
    for cookies in (numbers([1, 3]), numbers([2])):
        remembered = history.at(history.find(cookies))
        before = first.at(first.find(cookies))
        for name in COLUMNS:
            assert remembered[name].tobytes() == before[name].tobytes()


def test_missing_connection_seen_again() -> None:
    """
    A dump may skip a connection while sockets are added and removed. It is no longer missing when a
    dump has it again.
    """
    history = sampled(sampled(History(), [1, 2], now=10), [2], now=25)
    recorder = HistoryRecorder(history)
    recalled = recorder.recall(numbers([1, 2]))
    assert recalled["active_at"].tolist() == rows([1, 2])["active_at"].tolist()
    recorder.allocate(len(recalled)).put(slice(None), recalled)
    history = recorder.finish(40, ())
    assert missing_since(history, 1, 2) == pytest.approx([np.nan, np.nan], nan_ok=True)
    assert history.present == 2


def test_closed_connections_are_dropped() -> None:
    """
    A missing connection is dropped when its destroy event was received, also after several samples.
    """
    history = sampled(sampled(History(), [1, 2, 3], now=10), [2, 3], now=25)
    history = sampled(history, [3], now=40, ended=[1, 2])
    assert known(history, 1, 2, 3) == [False, False, True]
    assert history.present == len(history.rows) == 1


def test_closed_during_dump() -> None:
    """
    A connection closed during a dump is in that sample's history, but not in the next one.
    """
    history = sampled(sampled(History(), [1], now=10), [1], now=25, ended=[1])
    assert known(history, 1) == [True]
    assert known(sampled(history, [], now=40, ended=[1]), 1) == [False]


def test_missing_connections_expire_after_an_hour() -> None:
    """
    A missing connection is dropped after an hour, even if the application never closes its socket.
    """
    history = sampled(sampled(History(), [1], now=10), [], now=25)
    history = sampled(history, [], now=25 + HOUR - 1)
    assert missing_since(history, 1) == [25]
    history = sampled(history, [], now=25 + HOUR + 1)
    assert known(history, 1) == [False]
    assert len(history.rows) == 0


def test_missing_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Of too many missing connections, the latest are kept; present ones are not affected.
    """
    monkeypatch.setattr(module, "_MAX_MISSING", 3)
    history = sampled(History(), range(1, 10), now=10)
    history = sampled(history, range(3, 10), now=25)
    history = sampled(history, range(5, 10), now=40)
    assert known(history, 1, 2).count(True) == 1
    history = sampled(history, range(6, 10), now=55)
    assert known(history, 1, 2) == [False, False]
    assert known(history, *range(3, 10)) == [True] * 7
    assert (history.present, len(history.missing_at)) == (4, 3)


def test_bound_with_all_missing() -> None:
    """
    The bound holds if all connections are missing at once.
    """
    everything = range(1, 200_001)
    history = sampled(sampled(History(), everything, now=10), [], now=25)
    assert history.present == 0
    assert len(history.rows) == 1 << 16


def test_nothing_is_missing_without_events() -> None:
    """
    Without the closures collector, no missing connections are kept, because no event removes them.
    """
    history = sampled(sampled(History(), [1, 2], now=10), [2], now=25, ended=None)
    assert known(history, 1, 2) == [False, True]
    assert len(history.missing_at) == 0


def test_unknown_connections() -> None:
    """
    A connection that no sample had is neither found nor missing, in any history.
    """
    for history in (History(), sampled(sampled(History(), [1, 2], now=10), [1], now=25)):
        index = history.find(numbers([7, 0]))
        assert index.tolist() == [-1, -1]
        assert np.isnan(history.missing_since(index)).all()
        assert history.at(index)["cookie"].tolist() == [0, 0]
        assert np.isnan(history.at(index)["active_at"]).all()


@pytest.mark.parametrize("ended", [(), None])
def test_time_of_the_sample(ended: Collection[int] | None) -> None:
    """
    The next sample knows when this one was taken.
    """
    history = sampled(History(), [1, 2], 7.0, ended)
    assert history.taken_at == 7.0
    assert HistoryRecorder(history).previous_at == 7.0


def test_large_cookies() -> None:
    """
    Cookies have 64 bits, all of which count.
    """
    first, second = (1 << 63) + 1, (1 << 63) + 2
    history = sampled(sampled(History(), [first, second], 0.0), [], 1.0, {second})
    assert known(history, first, second) == [True, False]


def test_types_of_unknown_rows() -> None:
    """
    Rows of connections never seen have the types of others.
    """
    unknown, empty = HistoryTable.unknown(2), HistoryTable.empty(2)
    for column in COLUMNS:
        assert unknown[column].dtype == empty[column].dtype, column
