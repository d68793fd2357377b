"""
Closure streams: opening, receiving and closing as namespaces appear and disappear.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from exporter.collectors import closure_streams as module
from exporter.collectors.closure_streams import ClosureStreams
from exporter.collectors.state import NamespaceState
from exporter.linux.netns.enter import inside
from exporter.model import CollectorError, ConnectionTable, Namespace
from exporter.paths.matching import LocalEndpoints
from tests.lab import LAB_MARKS, Host
from tests.lab.hosts import NAMESPACES

pytestmark = LAB_MARKS

NOWHERE = LocalEndpoints(frozenset(), frozenset())


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    """
    Two named namespaces.
    """
    with Host("one") as one, Host("two") as two:
        yield [one, two]


def namespace(host: Host) -> Namespace:
    """
    The host's namespace.
    """
    path = NAMESPACES / host.name
    return Namespace(host.name, path.stat().st_ino, (str(path),))


def read() -> NamespaceState:
    """
    The state of a namespace that has been read once.
    """
    state = NamespaceState()
    state.endpoints = NOWHERE
    return state


async def subscribe(streams: ClosureStreams, *namespaces: Namespace, state: NamespaceState) -> None:
    """
    Keep and subscribe to the namespaces, as the sampler does with every sample.
    """
    streams.keep([each.inode for each in namespaces])
    for each in namespaces:
        with inside(each):
            streams.subscribe(each, state)
    await asyncio.sleep(0)


async def closure_sources(streams: ClosureStreams, number: int, within: float = 10) -> list[str]:
    """
    Receive this many closures; the names of their namespaces, sorted.
    """
    names: list[str] = []
    end = time.monotonic() + within
    while len(names) < number:
        assert time.monotonic() < end, names
        await streams.wait()
        for source, table in streams.receive():
            names += [source.namespace.name] * len(table)
    return sorted(names)


async def until(
    streams: ClosureStreams, condition: Callable[[ClosureStreams], bool], within: float = 10
) -> None:
    """
    Receive until the condition is true. Raises AssertionError after within seconds.
    """
    end = time.monotonic() + within
    while not condition(streams):
        assert time.monotonic() < end
        await streams.wait()
        list(streams.receive())


def close_some(host: Host, number: int) -> None:
    """
    Open and close this many connections, which makes twice as many closures. Their listener stays
    open.
    """
    listener = host.listener()
    for client in host.sockets(number):
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        client.close()
        server.close()


async def test_namespace_of_closures(hosts: list[Host]) -> None:
    """
    Closures are received with their namespace; subscribing again opens no second stream.
    """
    one, two = hosts
    streams = ClosureStreams()
    try:
        for _ in range(3):
            await subscribe(streams, namespace(one), namespace(two), state=read())
        close_some(one, 2)
        close_some(two, 3)
        assert await closure_sources(streams, 10) == [one.name] * 4 + [two.name] * 6
        assert len(streams._open) == 2
    finally:
        streams.end()


async def test_before_the_first_sample(hosts: list[Host]) -> None:
    """
    Closures before the first sample of a namespace are received after it.
    """
    streams, state = ClosureStreams(), NamespaceState()
    try:
        await subscribe(streams, namespace(hosts[0]), state=state)
        close_some(hosts[0], 2)
        for _ in range(3):
            await streams.wait()
            assert list(streams.receive()) == []
        state.endpoints = NOWHERE
        assert len(await closure_sources(streams, 4)) == 4
    finally:
        streams.end()


async def test_last_closures(hosts: list[Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The last closures of a removed namespace are received, then its stream is closed.
    """
    streams = ClosureStreams()
    try:
        await subscribe(streams, namespace(hosts[0]), state=read())
        stream = streams._open[namespace(hosts[0]).inode].stream
        close_some(hosts[0], 2)
        monkeypatch.setattr(module, "is_in_use", lambda _: False)
        assert len(await closure_sources(streams, 4)) == 4
        await until(streams, lambda all_of_them: not all_of_them._open)
        assert stream.fileno() == -1
    finally:
        streams.end()


async def test_no_longer_kept(hosts: list[Host]) -> None:
    """
    The stream of a namespace that is in use but no longer read is closed; the other stays open.
    """
    one, two = map(namespace, hosts)
    streams = ClosureStreams()
    try:
        await subscribe(streams, one, two, state=read())
        streams.keep([two.inode])
        await until(streams, lambda all_of_them: all_of_them._open.keys() == {two.inode})
    finally:
        streams.end()


async def test_open_fails(hosts: list[Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The error of a stream remains until the stream is opened or the namespace is removed.
    """
    streams, error = ClosureStreams(), CollectorError("too many open files")

    def refuse() -> None:
        raise error

    try:
        with monkeypatch.context() as patch:
            patch.setattr(module, "open_closures", refuse)
            await subscribe(streams, *map(namespace, hosts), state=read())
        assert streams.failures == [error, error]
        await subscribe(streams, namespace(hosts[0]), state=read())
        assert streams.failures == [error]
        await until(streams, lambda all_of_them: not all_of_them.failures)
    finally:
        streams.end()


async def test_bug(hosts: list[Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An unexpected exception in one stream does not silence the others, and the next sample replaces
    the stream.
    """
    one, two = map(namespace, hosts)
    streams, state, error = ClosureStreams(), read(), ZeroDivisionError()

    def fail() -> list[ConnectionTable]:
        raise error

    try:
        await subscribe(streams, one, two, state=state)
        monkeypatch.setattr(streams._open[one.inode].stream, "receive", fail)
        for host in hosts:
            close_some(host, 2)
        assert await closure_sources(streams, 4) == [hosts[1].name] * 4
        # The kernel sends destroy events from a work queue: those of the first may come last.
        await until(streams, lambda all_of_them: all_of_them.failures == [error])
        await asyncio.sleep(0.2)  # the next stream is not to receive the rest of them
        await subscribe(streams, one, two, state=state)
        assert streams.failures == []
        for host in hosts:
            close_some(host, 2)
        assert await closure_sources(streams, 8) == sorted([host.name for host in hosts] * 4)
    finally:
        streams.end()


async def test_shared_buffers(hosts: list[Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    All buffers except that of the exporter's own namespace share a total. When one is closed, the
    others get its share.
    """
    monkeypatch.setattr(module, "_ALL_BUFFERS", 4 << 20)
    one, two = map(namespace, hosts)
    streams = ClosureStreams()

    def sizes() -> list[int]:
        files = [source.stream.fileno() for source in streams._open.values()]
        descriptors = [socket.socket(fileno=file) for file in files]
        found = [each.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2 for each in descriptors]
        for descriptor in descriptors:
            descriptor.detach()
        return found

    try:
        await subscribe(streams, one, state=read())
        assert sizes() == [4 << 20]
        await subscribe(streams, one, two, state=read())
        assert sizes() == [2 << 20] * 2
        streams.keep([two.inode])
        await until(streams, lambda _: sizes() == [4 << 20])
    finally:
        streams.end()


async def test_end(hosts: list[Host]) -> None:
    """
    end() closes all streams, and no stream is opened after it.
    """
    streams = ClosureStreams()
    await subscribe(streams, namespace(hosts[0]), state=read())
    stream = streams._open[namespace(hosts[0]).inode].stream
    streams.end()
    await subscribe(streams, *map(namespace, hosts), state=read())
    assert stream.fileno() == -1
    assert not streams._open
