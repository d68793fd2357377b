"""
The decoder compared with pyroute2, a second decoder and `ss`, on thousands of real sockets of all
kinds.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TypeVar

import pytest

from exporter.linux.netlink.dump import dump
from exporter.linux.netlink.layout import _tcp_info_places
from exporter.model import ConnectionTable, Timer
from tests.lab import LAB_MARKS
from tests.linux.netlink import reference
from tests.linux.netlink.agreement import decoded
from tests.linux.netlink.capture import ALL_STATES, SEQUENCE, Extensions, capture, messages
from tests.linux.netlink.population import OWNERS, Population, population
from tests.linux.netlink.reference import Row, attributes
from tests.linux.netlink.rivals import SS, by_pyroute2, parse_ss
from tests.linux.netlink.synthetic import FIXED, MARK
from tests.linux.rights import become_nobody

pytestmark = LAB_MARKS

CONNECTIONS = 1550
"""Most have two ends, which makes about 3,100 sockets."""
TCP_CLOSE = 7
STATES = set(range(1, 12)) - {TCP_CLOSE}
"""A closed socket is in none of the kernel's tables."""
TIMERS = {Timer.NONE, Timer.RETRANSMIT, Timer.KEEPALIVE, Timer.TIME_WAIT, Timer.ZERO_WINDOW}
AGES = ("busy", "last_data_sent", "last_data_received", "last_ack_received")
UNCHANGED = tuple(column for column in Row._fields if column not in (*AGES, "expires"))

ROUNDS = 3
"""A connection that retransmits in one round may be quiet in another."""

HistoryTable = dict[int, Row]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Round:
    """
    The exporter's dumps, and between them those of ss and of the exporter without privilege.
    """

    before: list[ConnectionTable]
    listing: str
    between: list[ConnectionTable]
    of_nobody: list[ConnectionTable]
    after: list[ConnectionTable]


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    All dumps of one population.
    """

    everyone: Population
    captures: dict[Extensions, bytes]
    capture_of_nobody: bytes
    rounds: list[Round]


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """
    Everything is read at the start, because half the population changes within a minute.
    """
    with population(CONNECTIONS) as everyone:
        host = everyone.host
        time.sleep(2)  # for rare retransmissions and unanswered keepalive probes
        return Evidence(
            everyone=everyone,
            captures={each: host.call(capture, extensions=each) for each in Extensions},
            capture_of_nobody=host.call(as_nobody, capture),
            rounds=[
                Round(
                    before=host.call(read),
                    listing=host.run(SS).stdout,
                    between=host.call(read),
                    of_nobody=host.call(as_nobody, read),
                    after=host.call(read),
                )
                for _ in range(ROUNDS)
            ],
        )


def read() -> list[ConnectionTable]:
    """
    The exporter's dump.
    """
    return list(dump(ALL_STATES))


def as_nobody(function: Callable[[], T]) -> T:
    """
    The result of function without any privilege.
    """
    become_nobody()
    return function()


def by_cookie(tables: list[ConnectionTable]) -> HistoryTable:
    """
    The connections by cookie.
    """
    found = reference.rows(tables)
    assert len({row.cookie for row in found}) == len(found)
    return {row.cookie: row for row in found}


def assert_same(ours: list[Row], theirs: list[Row]) -> None:
    """
    Assert that both have the same connections, equal in every column.
    """
    assert len(ours) == len(theirs)
    pairs = list(zip(sorted(ours), sorted(theirs), strict=True))  # by cookie
    for column in Row._fields:
        values = [(getattr(mine, column), getattr(other, column)) for mine, other in pairs]
        assert not [pair for pair in values if pair[0] != pair[1]], column


def ages(row: Row) -> list[float]:
    """
    The ages of a connection, absent ones as 0.
    """
    return [getattr(row, age) or 0 for age in AGES]


def in_order(*rows: Row) -> bool:
    """
    Whether rows of one connection are in order, if nothing happened on it.
    """
    return all(
        older.expires >= newer.expires
        and all(before <= after for before, after in zip(ages(older), ages(newer), strict=True))
        for older, newer in pairwise(rows)
    )


def marked(data: bytes) -> Iterator[bool]:
    """
    Whether each connection's message in a dump has its mark.
    """
    return (MARK in attributes(message) for message in messages(data) if len(message) > FIXED)


def quiet(before: HistoryTable, after: HistoryTable) -> Iterator[tuple[Row, Row]]:
    """
    The connections on which nothing happened between two dumps, except for ages and the timer.
    """
    for cookie in before.keys() & after.keys():
        old, new = before[cookie], after[cookie]
        same = all(getattr(old, column) == getattr(new, column) for column in UNCHANGED)
        if same and in_order(old, new):
            yield old, new


@pytest.mark.parametrize("extensions", Extensions)
class TestSameBytes:
    """
    All decoders return the same from the same bytes.

    The exporter requests only tcp_info. Without it, columns are absent; with every extension, there
    are more layouts, with attributes of odd lengths.
    """

    def test_equals_pyroute2(self, evidence: Evidence, extensions: Extensions) -> None:
        """
        Every column of every connection equals pyroute2's.
        """
        data = evidence.captures[extensions]
        assert_same(decoded(data), by_pyroute2(data))

    def test_equals_second_decoder(self, evidence: Evidence, extensions: Extensions) -> None:
        """
        Every column of every connection equals the value at the offset in the kernel's headers.
        """
        data = evidence.captures[extensions]
        assert_same(decoded(data), reference.decode(data, SEQUENCE)[0])


def test_population_is_of_all_kinds(evidence: Evidence) -> None:
    """
    The population has thousands of sockets, in every state, with every timer, of all address
    families.
    """
    everyone, found = evidence.everyone, decoded(evidence.captures[Extensions.INFO])
    print(
        f"{len(found)} sockets: {everyone.kinds}, not supported by this kernel: {everyone.lacking}"
    )
    kinds = Counter((row.family, row.local >> 32 == 0xFFFF) for row in found)
    assert len(found) > 2 * CONNECTIONS * 0.95
    assert {row.state for row in found} == STATES
    assert {row.timer for row in found} >= TIMERS
    assert kinds.keys() == {(2, True), (10, False), (10, True)}, "v4, v6, mapped"
    assert {row.uid for row in found} >= set(OWNERS)
    for column in Row._fields:
        assert len({getattr(row, column) for row in found}) > 1, f"{column} is always the same"
    for column in AGES:
        assert None in {getattr(row, column) for row in found}


def test_equals_ss(evidence: Evidence) -> None:
    """
    For each quiet connection, ss lists the same as the exporter read before and after.
    """
    compared: list[Row] = []
    for turn in evidence.rounds:
        listed = {socket.cookie: socket for socket in parse_ss(turn.listing)}
        for old, new in quiet(by_cookie(turn.before), by_cookie(turn.between)):
            ss = listed[old.cookie]
            for column, value in ss.exact.items():
                ours = max(getattr(old, column), 0)  # ss leaves out zeros and absent values
                assert ours == value, (column, old, ss)
            for column, age in ss.ages.items():
                low, high = (getattr(row, column) or 0 for row in (old, new))
                assert low <= age <= high, (column, old, new, ss)
            assert ss.expires[0] <= old.expires, (old, ss)
            assert ss.expires[1] >= new.expires, (new, ss)
            compared.append(old)
    assert_most(compared, evidence)


def test_nobody_reads_what_root_reads(evidence: Evidence) -> None:
    """
    Without privilege, the dump has every connection, and every column equals root's.
    """
    compared: list[Row] = []
    for turn in evidence.rounds:
        before, seen, after = map(by_cookie, (turn.between, turn.of_nobody, turn.after))
        assert before.keys() & after.keys() <= seen.keys()
        for old, new in quiet(before, after):
            row = seen[old.cookie]
            # Older kernels show the protocol on top of TCP only with CAP_NET_ADMIN.
            expected = old._replace(mptcp=old.mptcp and row.mptcp)
            for column in UNCHANGED:
                assert getattr(row, column) == getattr(expected, column), (column, old, row)
            assert in_order(old, row, new), (old, row, new)
            compared.append(old)
    assert_most(compared, evidence)
    assert any(marked(evidence.captures[Extensions.INFO])), "root receives sockets' marks"
    assert not any(marked(evidence.capture_of_nobody)), "privileges were not dropped"


def assert_most(compared: list[Row], evidence: Evidence) -> None:
    """
    Assert that most connections were compared, including some of every state and timer.
    """
    sockets = {row.cookie for row in compared}
    everyone = decoded(evidence.captures[Extensions.INFO])
    print(f"{len(compared)} comparisons of {len(sockets)} of {len(everyone)} sockets")
    assert len(sockets) > 0.9 * len(everyone)
    assert {row.state for row in compared} == STATES
    assert {row.timer for row in compared} >= TIMERS


def test_cgroup_is_the_inode_of_its_directory(evidence: Evidence) -> None:
    """
    Three sockets of a process in a separate cgroup have that cgroup's id.
    """
    if evidence.everyone.cgroup is not None:
        found = decoded(evidence.captures[Extensions.INFO])
        assert Counter(row.cgroup for row in found)[evidence.everyone.cgroup] == 3


def test_offsets_are_the_kernels() -> None:
    """
    The offsets within tcp_info are those of the kernel's header, independent of pyroute2's version.
    """
    assert {name: offset for name, _, offset in _tcp_info_places(0, 280).values()} == {
        "tcpi_retransmits": 2,
        "tcpi_probes": 3,
        "tcpi_backoff": 4,
        "tcpi_unacked": 24,
        "tcpi_last_data_sent": 44,
        "tcpi_last_data_recv": 52,
        "tcpi_last_ack_recv": 56,
        "tcpi_segs_out": 136,
        "tcpi_segs_in": 140,
        "tcpi_bytes_acked": 120,
        "tcpi_busy_time": 168,
        "tcpi_bytes_sent": 200,
        "tcpi_bytes_retrans": 208,
    }


def test_no_column_is_left_out() -> None:
    """
    The compared rows have all columns of the table except read_at.
    """
    columns = {column.name for column in fields(ConnectionTable)}
    assert columns == {*Row._fields, "read_at"}
