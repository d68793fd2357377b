"""
Connections of single samples, and the history after several samples.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from exporter.analysis.history import History, HistoryRecorder
from exporter.analysis.history_table import HistoryTable
from exporter.analysis.observation import observe
from exporter.model import ConnectionTable, Timer
from tests.tables import connections


def table(rows: Sequence[dict[str, Any]]) -> ConnectionTable:
    """
    A table of rows with some of the columns, the same ones in each.
    """
    empty = connections(*[("10.0.0.4:40000", "203.0.113.10:443")] * len(rows))
    given = {
        column.name: np.array([row[column.name] for row in rows], getattr(empty, column.name).dtype)
        for column in fields(ConnectionTable)
        if rows and column.name in rows[0]
    }
    return replace(empty, **given)


def connection(
    at: float,
    age: float = 0.0,
    *,
    expires: float | None = None,
    timer: Timer | None = None,
    acked: float | None = None,
    sent: float | None = None,
    segments_in: int = 10,
    segments_out: int = 10,
    unanswered: int = 0,
    unacked: int = 0,
    send_queue: int = 0,
    state: int = 1,
    cookie: int = 1,
) -> ConnectionTable:
    """
    A connection read at a time, with last segments age seconds ago.

    acked and sent override the ages of the last acknowledgement received and the last data sent.
    expires is that of the keepalive timer, unless timer is another one; without expires, there is
    no timer.
    """
    if timer is None:
        timer = Timer.NONE if expires is None else Timer.KEEPALIVE
    return table(
        [
            {
                "read_at": at,
                "cookie": cookie,
                "state": state,
                "timer": timer,
                "expires": expires or 0.0,
                "last_data_sent": age if sent is None else sent,
                "last_data_received": age,
                "last_ack_received": age if acked is None else acked,
                "segments_in": segments_in,
                "segments_out": segments_out,
                "unanswered": unanswered,
                "unacked": unacked,
                "send_queue": send_queue,
            }
        ]
    )


def observed(sample: ConnectionTable, history: History) -> HistoryTable:
    """
    The history rows of a sample's connections, given the history of earlier samples.
    """
    known = HistoryTable.empty(len(sample))
    observe(sample, history.recall(sample.cookie), known, history.taken_at)
    return known


def remembered(*parts: HistoryTable) -> History:
    """
    The history of one sample with these rows.
    """
    recorder = HistoryRecorder(History())
    for part in parts:
        recorder.allocate(len(part)).put(slice(None), part)
    times = [part["read_at"].min() for part in parts if len(part)]
    return recorder.finish(min(times, default=0.0), None)


def watch(*samples: ConnectionTable, opened_after: float = np.nan) -> HistoryTable:
    """
    The history rows after the last of the samples. opened_after is the time of a sample that did
    not have the connections yet; NaN if there was none.
    """
    history = History(taken_at=opened_after)
    for sample in samples:
        known = observed(sample, history)
        history = remembered(known)
    return known
