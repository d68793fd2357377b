"""
Connections as single samples show them, and what is known after a number of samples.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from exporter.analysis.history import History, Recorder
from exporter.analysis.history_table import Rows
from exporter.analysis.observation import observe
from exporter.model import ConnectionTable, Timer
from tests.tables import connections


def table(rows: Sequence[dict[str, Any]]) -> ConnectionTable:
    """
    A table of rows that give some of the columns, the same ones in each.
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
    cookie: int = 1,
) -> ConnectionTable:
    """
    A connection read at a time, whose last segments are age seconds old.

    acked and sent are other ages for the last acknowledgement received and the last data sent.
    expires is of the keepalive timer, if timer names no other; without it there is none.
    """
    if timer is None:
        timer = Timer.NONE if expires is None else Timer.KEEPALIVE
    return table(
        [
            {
                "read_at": at,
                "cookie": cookie,
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


def observed(sample: ConnectionTable, history: History) -> Rows:
    """
    What is known of a sample's connections, given the history of those before.
    """
    known = Rows.empty(len(sample))
    observe(sample, history.recall(sample.cookie), known)
    return known


def remembered(*parts: Rows) -> History:
    """
    The history of one sample that found these rows.
    """
    recorder = Recorder(History())
    for part in parts:
        recorder.room(len(part)).put(slice(None), part)
    return recorder.finish(0.0, None)


def watch(*samples: ConnectionTable) -> Rows:
    """
    What is known after the last of the samples.
    """
    history = History()
    for sample in samples:
        known = observed(sample, history)
        history = remembered(known)
    return known
