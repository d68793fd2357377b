"""
The first listing of connections reads their exact options before it decides which have a problem.
"""

import time

import pytest

from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.connections.advice import Advice
from exporter.connections.listing import ConnectionLister, ConnectionListing
from exporter.connections.query import Query
from exporter.connections.rows import Connection
from exporter.model import Protection, Risk
from tests.lab import LAB_MARKS, Keepalive, nat_lab

pytestmark = LAB_MARKS

SETTINGS = {
    "profile": "none",
    "paths": [{"name": "nat", "remote": "public", "idle_timeout": "4s"}],
}
CONFIG = Config.model_validate(SETTINGS)


def test_first_listing() -> None:
    """
    Without a query, it has the connection whose probes are unanswered and the one whose interval is
    too long, and not the one that is protected. Each is counted once.
    """
    with nat_lab(idle_timeout=4) as lab:
        hangs = lab.connect(keepalive=Keepalive(5, 2, 30))
        time.sleep(9.5)
        late = lab.connect(keepalive=Keepalive(3, 300, 8))
        lab.connect(keepalive=Keepalive(1, 1, 8))
        time.sleep(0.5)
        found: ConnectionListing = lab.client.call(
            ConnectionLister().list_connections, Query(), CONFIG, State()
        )
        first, second = (row_of(found, each.client.getsockname()[1]) for each in (hangs, late))
    assert len(found.connections) == found.matching == 2
    assert found.by_risk[Risk.STALLED] == found.by_risk[Risk.UNPROTECTED] == 1
    assert found.by_risk[Risk.SAFE] == 1
    assert first.risk is Risk.STALLED
    assert first.idle == pytest.approx(5, abs=0.2)
    assert first.unanswered > 1
    assert (second.risk, second.protection) == (Risk.UNPROTECTED, Protection.LATE)
    assert second.advice is Advice.INTERVAL_LATE


def row_of(found: ConnectionListing, port: int) -> Connection:
    """
    The row of the connection with this local port.
    """
    (row,) = [row for row in found.connections if row.local_port == port]
    return row
