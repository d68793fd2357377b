"""
Which end opened a connection, from its counters.
"""

from typing import Any

import numpy as np
import pytest

from exporter.analysis.direction import ACCEPTED, OPENED_HERE, UNKNOWN_OPENER, is_inbound
from exporter.analysis.history import History
from exporter.analysis.history_table import HistoryTable
from exporter.model import ConnectionTable
from tests.analysis.rows import observed, remembered, table

AT_REST = {"cookie": 1, "unacked": 0, "send_queue": 0, "bytes_retransmitted": 0}
OPENER = AT_REST | {"bytes_acked": 8, "bytes_sent": 7}
ACCEPTER = AT_REST | {"bytes_acked": 7, "bytes_sent": 7}
IN_FLIGHT = AT_REST | {"bytes_acked": 7, "bytes_sent": 8, "unacked": 1, "send_queue": 1}


def samples(*rows: dict[str, Any]) -> HistoryTable:
    """
    The history row after the samples.
    """
    history = History()
    for row in rows:
        sample: ConnectionTable = table([row])
        known = observed(sample, history)
        history = remembered(known)
    return known


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (OPENER, OPENED_HERE),
        (ACCEPTER, ACCEPTED),
        (AT_REST | {"bytes_acked": 1, "bytes_sent": 0}, OPENED_HERE),
        (AT_REST | {"bytes_acked": 0, "bytes_sent": 0}, ACCEPTED),
        (OPENER | {"bytes_sent": 10, "bytes_retransmitted": 3}, OPENED_HERE),
        (IN_FLIGHT, UNKNOWN_OPENER),
        (OPENER | {"unacked": 1}, UNKNOWN_OPENER),
        (OPENER | {"send_queue": 5}, UNKNOWN_OPENER),
        (AT_REST | {"bytes_acked": 9, "bytes_sent": 7}, UNKNOWN_OPENER),
        (AT_REST | {"bytes_acked": 6, "bytes_sent": 7}, UNKNOWN_OPENER),
        (AT_REST | {"bytes_acked": 0, "bytes_sent": -1}, UNKNOWN_OPENER),
    ],
)
def test_opener(row: dict[str, Any], expected: int) -> None:
    """The counters tell which end sent the SYN, with nothing in flight."""
    assert samples(row)["opener"].tolist() == [expected]


@pytest.mark.parametrize("row", [OPENER, ACCEPTER])
def test_is_remembered(row: dict[str, Any]) -> None:
    """What was known once stays known while data is in flight."""
    known = samples(row, IN_FLIGHT)["opener"]
    assert known.tolist() == samples(row)["opener"].tolist()
    assert samples(IN_FLIGHT, row)["opener"].tolist() == known.tolist()


@pytest.mark.parametrize("listened_on", [True, False])
def test_counters_before_ports(listened_on: bool) -> None:
    """A listening port decides only if the counters do not."""
    listening = np.array([listened_on])
    assert not is_inbound(samples(OPENER), listening)[0]
    assert is_inbound(samples(ACCEPTER), listening)[0]
    assert is_inbound(samples(IN_FLIGHT), listening)[0] == listened_on
