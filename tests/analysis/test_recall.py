"""
Lookup of connections in the history by cookie.
"""

import numpy as np
import pytest

from exporter.analysis.history import History
from exporter.model import ConnectionTable
from tests.analysis.rows import connection, observed, remembered, table


def cookies(*numbers: int) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """
    Cookies as an array.
    """
    return np.array(numbers, np.uint64)


def remember(*tables: ConnectionTable) -> History:
    """
    The history of one sample of several tables.
    """
    return remembered(*(observed(part, History()) for part in tables))


def test_in_the_order_asked_for() -> None:
    """Rows are returned in the order of the requested cookies."""
    several = table(
        [{"cookie": cookie, "last_data_sent": float(cookie)} for cookie in (7, 3, 2**64 - 1)]
    )
    rows = remember(several).recall(cookies(2**64 - 1, 7, 3))
    assert rows["cookie"].tolist() == [2**64 - 1, 7, 3]


def test_across_tables() -> None:
    """The history has the rows of all tables of a sample."""
    history = remember(*(connection(at=1, cookie=cookie) for cookie in (5, 4, 9)))
    assert len(history) == 3
    assert history.recall(cookies(9, 4))["cookie"].tolist() == [9, 4]


def test_never_seen() -> None:
    """The row of a cookie never seen is unknown: below, between or above known cookies."""
    history = remember(*(connection(at=1, cookie=cookie) for cookie in (10, 20)))
    rows = history.recall(cookies(1, 15, 2**64 - 1))
    assert rows["cookie"].tolist() == [0, 0, 0]
    assert np.isnan(rows["read_at"]).all()
    assert rows["armed"].tolist() == [-1, -1, -1]


def test_seen_and_never_seen() -> None:
    """An unknown cookie does not affect the rows of others."""
    history = remember(connection(at=1, cookie=10))
    assert history.recall(cookies(10, 11, 10))["cookie"].tolist() == [10, 0, 10]


def test_nothing_remembered() -> None:
    """An empty history has no cookie."""
    assert len(History()) == 0
    assert History().recall(cookies(1))["cookie"].tolist() == [0]


def test_nothing_asked() -> None:
    """An empty table gives empty rows and an empty history."""
    history = remember(connection(at=1, cookie=10))
    empty = table([])
    assert len(history.recall(empty.cookie)) == 0
    assert len(observed(empty, history)) == 0
    assert len(remember(empty, empty)) == 0


def test_only_last_sample() -> None:
    """The history has only the last sample, so that it does not grow."""
    history = remember(connection(at=1, cookie=10))
    second = connection(at=2, cookie=11)
    history = remembered(observed(second, history))
    assert history.recall(cookies(10))["cookie"].tolist() == [0]


def test_recalled_rows_do_not_change_the_history() -> None:
    """Recalled rows are read-only or copies."""
    history = remember(connection(at=1, cookie=10), connection(at=1, cookie=11))
    with pytest.raises(ValueError, match="read-only"):
        history.recall(cookies(10, 11))["read_at"] = np.array([99.0, 99.0])
    history.recall(cookies(11, 10))["read_at"] = np.array([99.0, 99.0])
    assert history.recall(cookies(10, 11))["read_at"].tolist() == [1, 1]
