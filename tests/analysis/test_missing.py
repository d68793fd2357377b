"""
What is remembered of connections that a sample misses, until the kernel tells of their end.
"""

from collections.abc import Collection, Iterable

import numpy as np
import pytest

from exporter.analysis import history as module
from exporter.analysis.history import Cookies, History, Recorder
from exporter.analysis.history_table import COLUMNS, Rows

HOUR = 3600.0


def rows(cookies: Iterable[int], idle_for: float = 1.0) -> Rows:
    """
    Rows that tell the connections apart.
    """
    cookies = np.fromiter(cookies, np.uint64)
    result = Rows.unknown(len(cookies))
    result["cookie"] = cookies
    result["read_at"] = np.zeros(len(cookies))
    result["active_at"] = cookies + idle_for
    return result


def sampled(
    previous: History, cookies: Iterable[int], now: float, ended: Collection[int] | None = ()
) -> History:
    """
    The history of a sample that showed these connections.
    """
    shown = rows(cookies)
    recorder = Recorder(previous)
    recorder.recall(shown["cookie"])
    recorder.room(len(shown)).put(slice(None), shown)
    return recorder.finish(now, ended)


def gone_since(history: History, *cookies: int) -> list[float]:
    """
    When samples first missed the connections; NaN for those not known as gone.
    """
    return list(history.gone_since(history.find(numbers(cookies))))


def known(history: History, *cookies: int) -> list[bool]:
    """
    Which of the connections are remembered at all.
    """
    return list(history.at(history.find(numbers(cookies)))["cookie"] == numbers(cookies))


def numbers(cookies: Iterable[int]) -> Cookies:
    """
    Cookies as the history wants them.
    """
    return np.fromiter(cookies, np.uint64)


def test_missed_connection_is_gone_since_the_sample_that_missed_it() -> None:
    """
    The first sample without it tells when it went, however many follow.
    """
    history = sampled(History(), [1, 2], now=10)
    assert gone_since(history, 1, 2) == pytest.approx([np.nan, np.nan], nan_ok=True)
    for now in (25, 40, 55):
        history = sampled(history, [2], now=now)
        assert gone_since(history, 1, 2) == pytest.approx([25, np.nan], nan_ok=True)
    assert history.living == 1


def test_gone_connection_keeps_its_row() -> None:
    """
    What the last sample had shown of it stays as it was.
    """
    first = sampled(History(), [3, 1, 2], now=10)
    history = sampled(sampled(first, [2], now=25), [2], now=40)
    for cookies in (numbers([1, 3]), numbers([2])):
        remembered = history.at(history.find(cookies))
        before = first.at(first.find(cookies))
        for name in COLUMNS:
            assert remembered[name].tobytes() == before[name].tobytes()


def test_connection_that_a_dump_skipped_comes_back() -> None:
    """
    A dump may miss one while sockets come and go; the next one that shows it makes it live again.
    """
    history = sampled(sampled(History(), [1, 2], now=10), [2], now=25)
    recorder = Recorder(history)
    recalled = recorder.recall(numbers([1, 2]))
    assert recalled["active_at"].tolist() == rows([1, 2])["active_at"].tolist()
    recorder.room(len(recalled)).put(slice(None), recalled)
    history = recorder.finish(40, ())
    assert gone_since(history, 1, 2) == pytest.approx([np.nan, np.nan], nan_ok=True)
    assert history.living == 2


def test_ended_connections_are_dropped() -> None:
    """
    Once its end has been told, a connection need not be remembered, newly gone or long since.
    """
    history = sampled(sampled(History(), [1, 2, 3], now=10), [2, 3], now=25)
    history = sampled(history, [3], now=40, ended=[1, 2])
    assert known(history, 1, 2, 3) == [False, False, True]
    assert history.living == len(history.rows) == 1


def test_end_of_a_connection_that_a_dump_still_shows() -> None:
    """
    One that ended while the dump was read stays for the sample that it is in, and no longer.
    """
    history = sampled(sampled(History(), [1], now=10), [1], now=25, ended=[1])
    assert known(history, 1) == [True]
    assert known(sampled(history, [], now=40, ended=[1]), 1) == [False]


def test_gone_connections_expire_after_an_hour() -> None:
    """
    An application that never lets go of its socket does not keep it remembered for ever.
    """
    history = sampled(sampled(History(), [1], now=10), [], now=25)
    history = sampled(history, [], now=25 + HOUR - 1)
    assert gone_since(history, 1) == [25]
    history = sampled(history, [], now=25 + HOUR + 1)
    assert known(history, 1) == [False]
    assert len(history.rows) == 0


def test_gone_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Of too many, those that went last are kept; the living are not touched.
    """
    monkeypatch.setattr(module, "_MAX_GONE", 3)
    history = sampled(History(), range(1, 10), now=10)
    history = sampled(history, range(3, 10), now=25)
    history = sampled(history, range(5, 10), now=40)
    assert known(history, 1, 2).count(True) == 1
    history = sampled(history, range(6, 10), now=55)
    assert known(history, 1, 2) == [False, False]
    assert known(history, *range(3, 10)) == [True] * 7
    assert (history.living, len(history.gone_at)) == (4, 3)


def test_bound_is_about_what_one_sample_can_lose() -> None:
    """
    The real bound holds when everything goes at once.
    """
    everything = range(1, 200_001)
    history = sampled(sampled(History(), everything, now=10), [], now=25)
    assert history.living == 0
    assert len(history.rows) == 1 << 16


def test_nothing_is_gone_where_nobody_listens() -> None:
    """
    Without the collector of closures nothing would ever end what is gone.
    """
    history = sampled(sampled(History(), [1, 2], now=10), [2], now=25, ended=None)
    assert known(history, 1, 2) == [False, True]
    assert len(history.gone_at) == 0


def test_unknown_connections() -> None:
    """
    What no sample has seen is neither found nor gone, in an empty history and in another.
    """
    for history in (History(), sampled(sampled(History(), [1, 2], now=10), [1], now=25)):
        index = history.find(numbers([7, 0]))
        assert index.tolist() == [-1, -1]
        assert np.isnan(history.gone_since(index)).all()
        assert history.at(index)["cookie"].tolist() == [0, 0]
        assert np.isnan(history.at(index)["active_at"]).all()
