"""
The stream of socket destroy events: every event is received or counted as lost, and the closures
collector recovers from broken streams.
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

from exporter.collectors import closure_streams as listeners
from exporter.collectors import closures as watcher
from exporter.collectors.closures import ClosureCollector
from exporter.collectors.state import NamespaceState, State
from exporter.config.schema import Config
from exporter.linux.netlink import destroy_events as closures
from exporter.linux.netlink.destroy_events import DestroyEventStream
from exporter.model import OWN_NAMESPACE, ConnectionTable
from exporter.paths.matching import LocalEndpoints, to_text
from tests.lab import LAB_MARKS, Connection, Host
from tests.lab.requirements import needs_files

pytestmark = LAB_MARKS

SO_COOKIE = 57  # asm-generic/socket.h
SMALL_BUFFER, SMALL_BATCH = 1 << 16, 1 << 13
"""Bytes for about a hundred and about ten closures, so that a full buffer takes many batches."""
LOST, FAILED, RECOVERED = "closure events lost", "collector failed", "collector recovered"

Row = tuple[int, int, str, int, str, int]
"""Cookie, family, local address and port, remote address and port."""


@pytest.fixture
def host() -> Iterator[Host]:
    """
    An empty namespace.
    """
    with Host() as host:
        yield host


def connect(host: Host, number: int, address: str = "127.0.0.1") -> list[Connection]:
    """
    Connections over the host's loopback; their listener stays open.
    """
    needs_files(2 * number)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = host.socket(family)
    listener.bind((address, 0))
    listener.listen(number)
    connections = []
    for client in host.sockets(number, family):
        client.connect(listener.getsockname())
        connections.append(Connection(client, host.adopt(listener.accept()[0])))
    return connections


def listen(host: Host) -> DestroyEventStream:
    """
    Open a stream inside the host, closed with the host.
    """
    stream = host.call(DestroyEventStream)
    host.adopt(stream._socket)
    return stream


def close(connections: list[Connection]) -> None:
    """
    Close all connections, and wait until the kernel's worker has sent the events.
    """
    for connection in connections:
        connection.close()
    time.sleep(0.3)


def row_of(sock: socket.socket) -> Row:
    """
    The expected row of a socket.
    """
    (local, local_port, *_), (remote, remote_port, *_) = sock.getsockname(), sock.getpeername()
    cookie = int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little")
    return cookie, sock.family, plain(local), local_port, plain(remote), remote_port


def plain(address: str) -> str:
    """
    The address as text, with mapped IPv4 addresses as IPv4.
    """
    ip = ip_address(address)
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def rows_of(tables: list[ConnectionTable]) -> set[Row]:
    """
    The rows of the tables.
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


def received(stream: DestroyEventStream) -> int:
    """
    The number of events since the last call.
    """
    number = 0
    while batch := sum(map(len, stream.receive())):
        number += batch
    return number


class TestStream:
    """
    Events of the kernel, as the stream returns them.
    """

    @pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
    def test_cookie_and_addresses(self, host: Host, address: str) -> None:
        """
        Both ends of a connection have an event, with cookie, family, addresses and ports.
        """
        connections = connect(host, 3, address)
        stream = listen(host)
        ends = [end for one in connections for end in (one.client, one.server)]
        expected = {row_of(end) for end in ends}
        close(connections)
        assert rows_of(stream.receive()) == expected

    def test_both_families_at_once(self, host: Host) -> None:
        """
        Alternating closures of both families are all received.
        """
        v4, v6 = connect(host, 50), connect(host, 50, "::1")
        stream = listen(host)
        close([one for both in zip(v4, v6, strict=True) for one in both])
        assert (received(stream), stream.lost) == (200, 0)

    def test_other_namespaces(self, host: Host) -> None:
        """
        Closures in another namespace are not received.
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

    def test_after_overflow(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        After an overflow, events are received again as soon as the buffer has room.
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

    def test_exact_loss_count(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Each event is either received or counted as lost, also events sent during a receive.
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
    A flood of closures takes only some megabytes, even without a sample.
    """
    memory = NamespaceState()
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
    The closures collector, with streams that lose events or break.
    """

    def test_broken_stream_is_reopened(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A stream that breaks repeatedly is reopened each time, logged once, and counts continue.
        """
        connections = connect(host, 5)

        async def story(watched: ClosureCollector, opened: list[DestroyEventStream]) -> None:
            for number in (1, 2):
                break_it(opened[-1])
                await until(lambda: not watched.reading().run.success)
                await until(lambda: len(opened) > number)  # noqa: B023  called before it changes
                await until(lambda: watched.reading().run.success)
            close(connections)
            await until(lambda: counted(watched) == 10)

        assert watch(host, monkeypatch, story) == [FAILED, RECOVERED]

    def test_losses_are_logged_once(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Losses are logged when they begin, and again only after a log window without losses.
        """
        monkeypatch.setattr(closures, "_RECEIVE_BUFFER", SMALL_BUFFER)
        connections = connect(host, 400)

        async def story(watched: ClosureCollector, _: list[DestroyEventStream]) -> None:
            for burst in range(4):
                if burst == 3:
                    watched._lost_at -= watcher._LOG_WINDOW
                close(connections[100 * burst :][:100])
                await until(lambda: counted(watched) == 200 * (burst + 1))  # noqa: B023  as above

        assert watch(host, monkeypatch, story) == [LOST, LOST]

    def test_events_of_a_failed_evaluation(
        self, host: Host, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Events whose evaluation fails count as lost, and the next ones are evaluated.
        """
        monkeypatch.setattr(watcher, "_RETRY_AFTER", 0.1)
        connections = connect(host, 6)

        async def story(watched: ClosureCollector, _: list[DestroyEventStream]) -> None:
            with monkeypatch.context() as patch:
                patch.delattr(watcher, "classify_closures")
                close(connections[:1])
                await until(lambda: counted(watched) == 2)
                assert watched.reading().sums.lost == 2
                assert not watched.reading().run.success
            close(connections[1:])
            await until(lambda: counted(watched) == 12)
            assert watched.reading().sums.lost == 2

        assert set(watch(host, monkeypatch, story)) == {FAILED, LOST, RECOVERED}


def watch(
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    story: Callable[[ClosureCollector, list[DestroyEventStream]], Awaitable[None]],
) -> list[str]:
    """
    Run a story with a closures collector and its streams inside the host; returns the log events.
    """
    opened: list[DestroyEventStream] = []

    def open_closures() -> DestroyEventStream:
        opened.append(DestroyEventStream())
        return opened[-1]

    async def play() -> None:
        memory = State()
        memory.own.endpoints = LocalEndpoints(frozenset(), frozenset())
        watched = ClosureCollector(Config(), memory)
        tasks = [asyncio.create_task(work) for work in (watched.run(), sample(watched, memory.own))]
        await until(lambda: opened != [])
        await story(watched, opened)
        for task in tasks:
            task.cancel()

    monkeypatch.setattr(listeners, "open_closures", open_closures)
    with capture_logs() as log:
        host.call(asyncio.run, play())
    return [str(entry["event"]) for entry in log]


async def sample(watched: ClosureCollector, memory: NamespaceState) -> None:
    """
    Subscribe to the namespace repeatedly, as the sampler does.
    """
    while True:
        watched.streams.keep([OWN_NAMESPACE.inode])
        watched.streams.subscribe(OWN_NAMESPACE, memory)
        await asyncio.sleep(0.1)


def break_it(stream: DestroyEventStream) -> None:
    """
    Send a stream bytes that are not a netlink message, which root may do.
    """
    number, _ = stream._socket.getsockname()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
        netlink.sendto(b"not a netlink message", (number, 0))


def counted(watched: ClosureCollector) -> int:
    """
    The number of closures counted, including those lost.
    """
    sums = watched.reading().sums
    return sum(sum(histogram.counts) for histogram in sums.idle.values()) + sums.lost


async def until(condition: Callable[[], bool], within: float = 5) -> None:
    """
    Wait until the condition is true. Raises AssertionError after within seconds.
    """
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
