"""
First and later listings of connections behind a real NAT.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.connections.advice import Advice
from exporter.connections.listing import ConnectionLister, ConnectionListing, keep_histories
from exporter.connections.query import Query
from exporter.connections.rows import Connection
from exporter.model import IdleState, Protection, Risk
from tests.exporter_process import AS_NOBODY, ROOT
from tests.lab import LAB_MARKS, Host, Keepalive, nat_lab, pair
from tests.lab import Connection as ConnectionPair

pytestmark = LAB_MARKS

IDLE_TIMEOUT = 4
SETTINGS = {
    "profile": "none",
    "paths": [{"name": "nat", "remote": "public", "idle_timeout": f"{IDLE_TIMEOUT}s"}],
}
CONFIG = Config.model_validate(SETTINGS)
QUERY = Query(everything=True)
LATER = IDLE_TIMEOUT + 1


@dataclass(frozen=True)
class Listings:
    """
    The connections, and three listings of them.

    first and second are of root. second has the histories of first, and the sysctl was changed
    before it. as_nobody is the JSON output for the user nobody.
    """

    pairs: dict[str, ConnectionPair]
    first: ConnectionListing
    second: ConnectionListing
    as_nobody: list[dict[str, Any]]

    def of(self, name: str, seen: ConnectionListing) -> Connection:
        """
        The row of one connection in a listing.
        """
        port = self.pairs[name].client.getsockname()[1]
        (row,) = [row for row in seen.connections if row.local_port == port]
        return row


@pytest.fixture(scope="module")
def listings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listings]:
    """
    Connections of each kind, left idle for longer than the NAT's timeout.
    """
    lister, state = ConnectionLister(), State()
    with nat_lab(idle_timeout=IDLE_TIMEOUT) as lab:
        client = lab.client
        client.sysctl("net.ipv4.tcp_keepalive_intvl", 1)
        pairs = {
            "none": lab.connect(),
            "hangs": lab.connect(),
            "own": lab.connect(keepalive=Keepalive(1, 1, 8)),
            "seems own": lab.connect(keepalive=Keepalive(LATER + 1, 1, 8)),
            "own time": lab.connect(keepalive=Keepalive(300, 1, 8)),
            "sysctl's time": lab.connect(keepalive=Keepalive()),
            "peer": lab.connect(),
        }
        Keepalive(1, 1, 8).apply(pairs["peer"].server)
        # Active, while its keepalive timer from the beginning has not expired yet.
        begun = time.monotonic()
        while time.monotonic() < begun + LATER:
            pairs["seems own"].client.send(b"x")
            time.sleep(0.2)
        pairs["hangs"].client.send(b"x")
        first = list_after_retransmissions(client, lister, pairs["seems own"])
        keep_histories(first, state)
        client.sysctl("net.ipv4.tcp_keepalive_time", 2)
        client.sysctl("net.ipv4.tcp_keepalive_intvl", 1)
        time.sleep(IDLE_TIMEOUT - 1)  # some probes of the peer, whose number gives their interval
        second = client.call(lister.list_connections, QUERY, CONFIG, state)
        as_nobody = list_as_nobody(client, tmp_path_factory.mktemp("config") / "exporter.yml")
        yield Listings(pairs, first, second, as_nobody)


def list_after_retransmissions(
    host: Host, lister: ConnectionLister, active: ConnectionPair
) -> ConnectionListing:
    """
    A first listing, after unanswered data has been retransmitted more than once.
    """
    end = time.monotonic() + 20
    while True:
        active.client.send(b"x")
        found = host.call(lister.list_connections, QUERY, CONFIG, State())
        if any(row.unanswered > 1 for row in found.connections):
            return found
        assert time.monotonic() < end, found.connections
        time.sleep(0.1)


def list_as_nobody(host: Host, config_file: Path) -> list[dict[str, Any]]:
    """
    The connections in the command's output without privileges.
    """
    config_file.write_text(json.dumps(SETTINGS))  # JSON is also YAML
    argv = [*AS_NOBODY, "connections", "--all", "--format=json", f"--config.file={config_file}"]
    rows: list[dict[str, Any]] = json.loads(host.run(argv, cwd=ROOT).stdout)["connections"]
    return rows


def test_stalled_in_the_first_listing(listings: Listings) -> None:
    """
    The first listing shows that data sent after a long idle time is unanswered.
    """
    row = listings.of("hangs", listings.first)
    assert (row.risk, row.idle_state, row.advice) == (
        Risk.STALLED,
        IdleState.STALLED,
        Advice.STALLED,
    )
    assert row.received is not None
    assert row.received > IDLE_TIMEOUT
    assert listings.first.connections[0].local_port == row.local_port


@pytest.mark.parametrize(
    ("name", "risk", "protection", "advice"),
    [
        ("none", Risk.AT_RISK, Protection.NONE, Advice.NO_KEEPALIVE),
        ("own", Risk.SAFE, Protection.OWN, Advice.FRAGILE),
        ("seems own", Risk.UNPROTECTED, Protection.LATE, Advice.OWN_TIME_LATE),
        ("own time", Risk.AT_RISK, Protection.LATE, Advice.OWN_TIME_LATE),
        ("sysctl's time", Risk.AT_RISK, Protection.LATE, Advice.SETTING_LATE),
    ],
)
def test_first_listing(
    listings: Listings, name: str, risk: Risk, protection: Protection, advice: Advice | None
) -> None:
    """
    With exact options, one listing has risk, protection and advice.
    """
    row = listings.of(name, listings.first)
    assert (row.risk, row.protection, row.advice) == (risk, protection, advice)


def test_peer_probes_are_detected_by_the_second_listing(listings: Listings) -> None:
    """
    The peer's probes cannot be detected by the first listing, but by the second.
    """
    row = listings.of("peer", listings.first)
    assert (row.protection, row.presumed, row.risk) == (Protection.NONE, True, Risk.AT_RISK)
    row = listings.of("peer", listings.second)
    assert (row.protection, row.presumed, row.risk) == (Protection.PEER, False, Risk.SAFE)
    assert row.idle is not None
    assert row.idle < IDLE_TIMEOUT


def test_setting_changed_after_connecting(listings: Listings) -> None:
    """
    A lowered sysctl does not change a running timer: the advice is to restart the service.
    """
    row = listings.of("sysctl's time", listings.second)
    assert row.keepalive.time == 2
    assert (row.protection, row.advice) == (Protection.LATE, Advice.ARMED_BEFORE_CHANGE)


def test_without_exact_options(listings: Listings) -> None:
    """
    Without privileges, only a lower bound of the keepalive time is known, and not how it was set.
    """
    rows = {row["local"]["port"]: row for row in listings.as_nobody}
    assert not any(row["process"] or row["keepalive"]["exact"] for row in rows.values())
    late = rows[listings.pairs["own time"].client.getsockname()[1]]
    assert (late["protection"], late["advice"]) == ("late", "late")
    assert 200 < late["keepalive"]["time_seconds"] <= 300.5


def test_counts(listings: Listings) -> None:
    """
    The counts agree with the listed connections.
    """
    for seen in (listings.first, listings.second):
        assert seen.by_risk.total() == len(seen.connections) == seen.matching == len(listings.pairs)
        for risk in Risk:
            assert seen.by_risk[risk] == sum(row.risk is risk for row in seen.connections)


def test_all_namespaces() -> None:
    """
    With all namespaces, each connection has its namespace and the settings of that namespace.
    """
    config = CONFIG.model_copy(update={"namespaces": "all"})
    with pair() as lab:
        lab.client.sysctl("net.ipv4.tcp_keepalive_time", 111)
        opened = lab.connect(keepalive=Keepalive())
        port = opened.client.getsockname()[1]
        lister, state = ConnectionLister(), State()
        first = lister.list_connections(QUERY, config, state)
        keep_histories(first, state)
        second = lister.list_connections(QUERY, config, state)
    names = {lab.client.name, lab.server.name}
    for seen in (first, second):
        ours = {
            row.netns: row.keepalive
            for row in seen.connections
            if row.netns in names and port in (row.local_port, row.remote_port)
        }
        assert ours.keys() == names
        assert ours[lab.client.name].time == 111
        assert ours[lab.server.name].on is False
