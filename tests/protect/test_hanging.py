"""
Connections that hang behind a real NAT: exactly those are ended.
"""

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from exporter.config.schema import Config
from exporter.connections.query import Query, Remote
from exporter.model import IdleState
from exporter.protect.hanging import HangingListing, end_hanging, find_hanging
from exporter.protect.recheck import ResetOutcome
from tests.lab import LAB_MARKS, Connection, Host, Keepalive, NatLab, nat_lab
from tests.lab.watching import FAMILIES, arrived, soon
from tests.linux.rights import become_nobody

pytestmark = LAB_MARKS

IDLE_TIMEOUT = 3
IDLE = 4.0
CONFIG = Config.model_validate(
    {
        "profile": "none",
        "paths": [{"name": "nat", "remote": "public", "idle_timeout": f"{IDLE_TIMEOUT}s"}],
    }
)
FROM_ANYWHERE = CONFIG.model_copy(update={"namespaces": "all"})


@pytest.fixture
def lab() -> Iterator[NatLab]:
    """
    A client behind a NAT that forgets idle connections.
    """
    with nat_lab(idle_timeout=IDLE_TIMEOUT) as hosts:
        yield hosts


def find(host: Host, number: int, query: Query = Query()) -> HangingListing:  # noqa: B008  immutable
    """
    What hangs, once this many connections do.
    """
    found: list[HangingListing] = []

    def hang() -> bool:
        found.append(host.call(find_hanging, query, CONFIG))
        return len(found[-1].connections) == number

    assert soon(hang, within=20), found[-1].outcomes
    return found[-1]


def make_hang(connections: Sequence[Connection]) -> None:
    """
    Send on connections that the NAT has forgotten.
    """
    for each in connections:
        each.client.send(b"x")


def test_exactly_those_that_hang(lab: NatLab) -> None:
    """
    Of 50 connections that hang among 500 that work and 20 that are forgotten but send nothing,
    exactly the 50 are ended.
    """
    kept = lab.connections(500, keepalive=Keepalive(1, 1, 8))
    forgotten, hanging = lab.connections(20), lab.connections(50)
    time.sleep(IDLE)
    make_hang(hanging)
    found = find(lab.client, len(hanging))
    assert found.refusal is None
    assert found.listing.by_risk.total() == 570
    assert {each.row.idle_state for each in found.connections} == {IdleState.STALLED}
    assert [each.client_error() for each in hanging] == [None] * 50, "a listing changes nothing"
    ended = lab.client.call(end_hanging, found)
    assert ended.outcomes == {ResetOutcome.ENDED: 50}
    assert Counter(each.client_error() for each in hanging) == {"ECONNABORTED": 50}
    assert not any(each.client_error() for each in (*kept, *forgotten))
    for each in kept:
        each.client.send(b"y")
    assert soon(lambda: arrived([each.server for each in kept]) == len(kept))
    assert find(lab.client, 0).listing.by_risk.total() == 520


def test_unanswered_probes(lab: NatLab) -> None:
    """
    A connection whose keepalive probes are unanswered hangs, too.
    """
    hanging = lab.connect(keepalive=Keepalive(IDLE_TIMEOUT + 1, 1, 60))
    kept = lab.connect(keepalive=Keepalive(1, 1, 60))
    ended = lab.client.call(end_hanging, find(lab.client, 1))
    assert ended.outcomes == {ResetOutcome.ENDED: 1}
    assert hanging.client_error() == "ECONNABORTED"
    assert kept.reaches_server()


@pytest.mark.parametrize("family", FAMILIES)
def test_filters(lab: NatLab, family: int) -> None:
    """
    Connections that do not match the query are not ended, in both address families.
    """
    meant, other = lab.connect(family=family), lab.connect(family=family)
    listener = lab.server.listener(family)
    third = lab.client.connect(lab.server.address_of(family), listener.getsockname()[1])
    time.sleep(IDLE)
    make_hang([meant, other])
    third.send(b"x")
    find(lab.client, 3)
    port = Query(remote=Remote("any", listener.getsockname()[1]))
    ended = lab.client.call(end_hanging, find(lab.client, 1, port))
    assert ended.outcomes == {ResetOutcome.ENDED: 1}
    assert Connection(third, listener).client_error() == "ECONNABORTED"
    assert meant.client_error() is other.client_error() is None


def _answered(lab: NatLab, opened: Connection) -> None:
    lab.nat.heal()
    assert soon(lambda: arrived([opened.server]) == 1)
    # The acknowledgement has not necessarily arrived when the data has.
    time.sleep(0.1)


def _answered_and_blocked_again(lab: NatLab, opened: Connection) -> None:
    _answered(lab, opened)
    lab.nat.block()
    opened.client.send(b"y")
    time.sleep(1)


@pytest.mark.parametrize(
    ("meanwhile", "outcome", "error"),
    [
        (lambda *_: None, ResetOutcome.ENDED, "ECONNABORTED"),
        (_answered, ResetOutcome.RECOVERED, None),
        (_answered_and_blocked_again, ResetOutcome.RECOVERED, None),
    ],
    ids=["nothing", "answered", "answered and blocked again"],
)
def test_between_listing_and_ending(
    lab: NatLab,
    meanwhile: Callable[[NatLab, Connection], None],
    outcome: ResetOutcome,
    error: str | None,
) -> None:
    """
    A connection that recovers after it was listed is not ended, not even if it has sent data since
    that is not answered yet.
    """
    lab.nat.forget_idle_after(600)
    opened = lab.connect()
    time.sleep(IDLE)
    lab.nat.block()
    opened.client.send(b"x")
    found = find(lab.client, 1)
    meanwhile(lab, opened)
    ended = lab.client.call(end_hanging, found)
    assert ended.outcomes == {outcome: 1}
    assert opened.client_error() == error


def test_closed_meanwhile(lab: NatLab) -> None:
    """
    A connection that its application closed after it was listed is left alone.
    """
    opened = lab.connect()
    time.sleep(IDLE)
    make_hang([opened])
    found = find(lab.client, 1)
    opened.client.close()
    assert lab.client.call(end_hanging, found).outcomes == {ResetOutcome.CLOSED: 1}


@contextmanager
def hanging_elsewhere() -> Iterator[tuple[NatLab, Connection, Query]]:
    """
    A connection that hangs in its own network namespace, and the query for it, which matches no
    connection of other labs on this machine.
    """
    address = "203.0.113.77"
    with nat_lab(idle_timeout=IDLE_TIMEOUT) as lab, Host() as twin:
        lab.server.ip(f"addr add {address}/24 dev eth0")
        # Connections to an address that exactly one namespace has would stay on this host.
        twin.ip(f"addr add {address}/32 dev lo")
        listener = lab.server.call(socket.create_server, (address, 0))
        port = lab.server.adopt(listener).getsockname()[1]
        client = lab.client.connect(address, port)
        opened = Connection(client, lab.server.adopt(listener.accept()[0]))
        time.sleep(IDLE)
        make_hang([opened])
        find(lab.client, 1)
        yield lab, opened, Query(remote=Remote(f"{address}/32", port))


def test_other_namespace() -> None:
    """
    From the host's namespace, a connection is ended in its own.
    """
    with hanging_elsewhere() as (lab, opened, query):
        kept = lab.connect(keepalive=Keepalive(1, 1, 8))
        found = find_hanging(query, FROM_ANYWHERE)
        assert [each.row.netns for each in found.connections] == [lab.client.name]
        assert end_hanging(found).outcomes == {ResetOutcome.ENDED: 1}
        assert opened.client_error() == "ECONNABORTED"
        assert kept.reaches_server()


def test_namespace_removed_meanwhile() -> None:
    """
    If its namespace is removed after it was listed, a connection counts as closed.
    """
    with hanging_elsewhere() as (_, _, query):
        found = find_hanging(query, FROM_ANYWHERE)
        assert found.outcomes == {ResetOutcome.HANGS: 1}
    assert end_hanging(found).outcomes == {ResetOutcome.CLOSED: 1}


def test_without_permission(lab: NatLab) -> None:
    """
    Without CAP_NET_ADMIN nothing is ended, and each connection has the reason.
    """
    opened = lab.connect()
    time.sleep(IDLE)
    make_hang([opened])
    found = find(lab.client, 1)

    def end_as_nobody() -> HangingListing:
        become_nobody()
        return end_hanging(found)

    ended = lab.client.call(end_as_nobody)
    assert ended.outcomes == {ResetOutcome.NOT_PERMITTED: 1}
    assert [each.error for each in ended.connections] == [
        "CAP_NET_ADMIN is required to end connections"
    ]
    assert opened.client_error() is None
