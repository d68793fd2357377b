"""
The stream of closures: told whole, or counted as lost to the unit, and watched whatever happens.
"""

import asyncio
import socket
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_address

import numpy as np
import pytest
from pyroute2.netlink import NETLINK_SOCK_DIAG
from structlog.testing import capture_logs

from exporter.collectors import closures as watcher
from exporter.collectors import listeners
from exporter.collectors.closures import ClosureWatcher
from exporter.collectors.state import Memory, NamespaceMemory
from exporter.config.schema import Config
from exporter.linux.netlink import destroy_events as closures
from exporter.linux.netlink.destroy_events import NetlinkClosures
from exporter.model import OWN_NAMESPACE, ConnectionTable
from exporter.paths.matching import Surroundings, to_text
from tests.lab import LAB_MARKS, Connection, Host

pytestmark = LAB_MARKS

SO_COOKIE = 57  # asm-generic/socket.h
SMALL_BUFFER, SMALL_BATCH = 1 << 16, 1 << 13
"""Bytes for some hundred closures, and for some ten: a buffer full takes many batches."""
LOST, FAILS, WORKS = "closures are lost", "collector fails", "collector works again"

Row = tuple[int, int, str, int, str, int]
"""Cookie, family, local address and port, remote address and port."""


@pytest.fixture
def host() -> Iterator[Host]:
    """
    A namespace with nothing in it.
    """
    with Host() as host:
        yield host


def connect(host: Host, number: int, address: str = "127.0.0.1") -> list[Connection]:
    """
    Connections over the host's loopback; their listener stays open.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = host.socket(family)
    listener.bind((address, 0))
    listener.listen(number)
    connections = []
    for client in host.sockets(number, family):
        client.connect(listener.getsockname())
        connections.append(Connection(client, host.adopt(listener.accept()[0])))
    return connections


def listen(host: Host) -> NetlinkClosures:
    """
    Open a stream inside the host, which ends with it.
    """
    stream = host.call(NetlinkClosures)
    host.adopt(stream._socket)
    return stream


def close(connections: list[Connection]) -> None:
    """
    Close all, and give the kernel, which tells of it in a worker of its own, the time to do so.
    """
    for connection in connections:
        connection.close()
    time.sleep(0.3)


def row_of(sock: socket.socket) -> Row:
    """
    What a table should have about a socket.
    """
    (local, local_port, *_), (remote, remote_port, *_) = sock.getsockname(), sock.getpeername()
    cookie = int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little")
    return cookie, sock.family, plain(local), local_port, plain(remote), remote_port


def plain(address: str) -> str:
    """
    IPv4 as such, though it be written as IPv6.
    """
    ip = ip_address(address)
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def rows_of(tables: list[ConnectionTable]) -> set[Row]:
    """
    What the tables have.
    """
    return {
        (
            int(table.cookie[row]),
            int(table.family[row]),
            to_text(table.local[row]),
            int(table.local_port[row]),
            to_text(table.remote[row]),
            int(table.remote_port[row]),
        )
        for table in tables
        for row in range(len(table))
    }


def received(stream: NetlinkClosures) -> int:
    """
    How many closures have been told since this was last asked.
    """
    number = 0
    while told := sum(map(len, stream.receive())):
        number += told
    return number


class TestStream:
    """
    What the kernel tells, as the stream hands it on.
    """

    @pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
    def test_told_by_cookie_and_addresses(self, host: Host, address: str) -> None:
        """
        Both ends of a connection are told, each with its cookie, family, addresses and ports.
        """
        connections = connect(host, 3, address)
        stream = listen(host)
        ends = [end for one in connections for end in (one.client, one.server)]
        expected = {row_of(end) for end in ends}
        close(connections)
        assert rows_of(stream.receive()) == expected

    def test_both_families_at_once(self, host: Host) -> None:
        """
        Closures of both families that come by turns are all told.
        """
        v4, v6 = connect(host, 50), connect(host, 50, "::1")
        stream = listen(host)
        close([one for both in zip(v4, v6, strict=True) for one in both])
        assert (received(stream), stream.lost) == (200, 0)

    def test_other_namespaces(self, host: Host) -> None:
        """
        What closes in another namespace is not told.
        """
        stream = listen(host)
        with Host() as other:
            close(connect(other, 3))
        assert received(stream) == 0

    def test_burst(self, host: Host) -> None:
        """
        Eight thousand closures at once wait in the receive buffer until they are received.
        """
        connections = connect(host, 4000)
        stream = listen(host)
        close(connections)
        assert (received(stream), stream.lost) == (8000, 0)

    def test_overflow_lasts_no_longer_than_it_must(
        self, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        After an overflow, what comes is told again as soon as there is room for it.
        """
        monkeypatch.setattr(closures, "_RECEIVE_BUFFER", SMALL_BUFFER)
        monkeypatch.setattr(closures, "_BATCH_SIZE", SMALL_BATCH)
        connections = connect(host, 102)
        stream = listen(host)
        close(connections[:100])
        number = sum(map(len, stream.receive()))
        lost = stream.lost
        close(connections[100:])
        assert number + received(stream) == 204 - lost

    def test_losses_are_counted_to_the_unit(
        self, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Each closure is received or counted as lost, also those told while others are received.
        """
        monkeypatch.setattr(closures, "_RECEIVE_BUFFER", SMALL_BUFFER)
        monkeypatch.setattr(closures, "_BATCH_SIZE", SMALL_BATCH)
        connections = connect(host, 210)
        stream = listen(host)
        close(connections[:100])
        number = sum(map(len, stream.receive()))
        close(connections[100:200])
        number += received(stream)
        assert stream.lost > 0
        assert number + stream.lost == 400

        lost = stream.lost
        close(connections[200:])
        assert (received(stream), stream.lost) == (20, lost)


def test_memory_is_bounded() -> None:
    """
    A flood of closures takes no more than some megabytes, though no sample be taken.
    """
    memory = NamespaceMemory()
    tracemalloc.start()
    try:
        for first in range(0, 1_000_000, 1_000):
            memory.note_ended(np.arange(first, first + 1_000, dtype=np.uint64))
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now < 10e6
    assert {999_000, 999_999} <= set(memory.take_ended())


class TestWatcher:
    """
    The watcher on streams that lose and break.
    """

    def test_broken_stream_is_opened_again(
        self, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        However often the stream breaks, it is opened again, logged once, and counts on.
        """
        connections = connect(host, 5)

        async def story(watched: ClosureWatcher, opened: list[NetlinkClosures]) -> None:
            for number in (1, 2):
                break_it(opened[-1])
                await until(lambda: not watched.reading().run.success)
                await until(lambda: len(opened) > number)  # noqa: B023  called before it changes
                await until(lambda: watched.reading().run.success)
            close(connections)
            await until(lambda: told(watched) == 10)

        assert watch(host, monkeypatch, story) == [FAILS, WORKS]

    def test_losses_are_logged_once_a_spell(
        self, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Losses are named in the log when they begin and, after a spell without, when they come anew.
        """
        monkeypatch.setattr(closures, "_RECEIVE_BUFFER", SMALL_BUFFER)
        connections = connect(host, 400)

        async def story(watched: ClosureWatcher, _: list[NetlinkClosures]) -> None:
            for burst in range(4):
                if burst == 3:
                    watched._lost_at -= watcher._LOG_WINDOW
                close(connections[100 * burst :][:100])
                await until(lambda: told(watched) == 200 * (burst + 1))  # noqa: B023  as above

        assert watch(host, monkeypatch, story) == [LOST, LOST]


def watch(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    story: Callable[[ClosureWatcher, list[NetlinkClosures]], Awaitable[None]],
) -> list[str]:
    """
    Tell a story to a watcher and the streams it opens, inside the host; what is logged then.
    """
    opened: list[NetlinkClosures] = []

    def open_closures() -> NetlinkClosures:
        opened.append(NetlinkClosures())
        return opened[-1]

    async def tell() -> None:
        memory = Memory()
        memory.own.surroundings = Surroundings(frozenset(), frozenset())
        watched = ClosureWatcher(Config(), memory)
        tasks = [asyncio.create_task(work) for work in (watched.run(), sample(watched, memory.own))]
        await until(lambda: opened != [])
        await story(watched, opened)
        for task in tasks:
            task.cancel()

    monkeypatch.setattr(listeners, "open_closures", open_closures)
    with capture_logs() as log:
        host.call(asyncio.run, tell())
    return [str(entry["event"]).partition(":")[0] for entry in log]


async def sample(watched: ClosureWatcher, memory: NamespaceMemory) -> None:
    """
    Call the watcher into the namespace again and again, as the sampler does.
    """
    while True:
        watched.listeners.keep([OWN_NAMESPACE.inode])
        watched.listeners.follow(OWN_NAMESPACE, memory)
        await asyncio.sleep(0.1)


def break_it(stream: NetlinkClosures) -> None:
    """
    Have a stream receive what is no netlink message, which root may send.
    """
    number, _ = stream._socket.getsockname()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
        netlink.sendto(b"no netlink message at all", (number, 0))


def told(watched: ClosureWatcher) -> int:
    """
    How many closures a watcher has counted or knows to have lost.
    """
    sums = watched.reading().sums
    return sum(sum(histogram.counts) for histogram in sums.idle.values()) + sums.lost


async def until(condition: Callable[[], bool], within: float = 5) -> None:
    """
    Wait until a condition comes true. Raises AssertionError if it does not.
    """
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
