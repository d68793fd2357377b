"""
Streams of closures that are opened, received from and closed as namespaces come and go.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from exporter.collectors import listeners as module
from exporter.collectors.listeners import Listeners
from exporter.collectors.state import NamespaceMemory
from exporter.linux.netns.enter import inside
from exporter.model import CollectorError, Namespace
from exporter.paths.matching import Surroundings
from tests.lab import LAB_MARKS, Host
from tests.lab.hosts import NAMESPACES

pytestmark = LAB_MARKS

NOWHERE = Surroundings(frozenset(), frozenset())


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    """
    Two namespaces with names.
    """
    with Host("one") as one, Host("two") as two:
        yield [one, two]


def namespace(host: Host) -> Namespace:
    """
    The host's.
    """
    path = NAMESPACES / host.name
    return Namespace(host.name, path.stat().st_ino, (str(path),))


def read() -> NamespaceMemory:
    """
    What is remembered of a namespace that has been read once.
    """
    memory = NamespaceMemory()
    memory.surroundings = NOWHERE
    return memory


async def follow(listeners: Listeners, *namespaces: Namespace, memory: NamespaceMemory) -> None:
    """
    What the sampler does, as often as it does it.
    """
    listeners.keep([each.inode for each in namespaces])
    for each in namespaces:
        with inside(each):
            listeners.follow(each, memory)
    await asyncio.sleep(0)


async def told(listeners: Listeners, number: int, within: float = 10) -> list[str]:
    """
    The names of the namespaces that have told of so many closures.
    """
    names: list[str] = []
    end = time.monotonic() + within
    while len(names) < number:
        assert time.monotonic() < end, names
        await listeners.wait()
        for listener, table in listeners.receive():
            names += [listener.namespace.name] * len(table)
    return sorted(names)


async def until(
    listeners: Listeners, condition: Callable[[Listeners], bool], within: float = 10
) -> None:
    """
    Wait, receiving, until that is true of the listeners.
    """
    end = time.monotonic() + within
    while not condition(listeners):
        assert time.monotonic() < end
        await listeners.wait()
        list(listeners.receive())


def close_some(host: Host, number: int) -> None:
    """
    Make and end so many connections: twice as many closures. Their listener stays open.
    """
    listener = host.listener()
    for client in host.sockets(number):
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        client.close()
        server.close()


async def test_whose(hosts: list[Host]) -> None:
    """
    Closures come with the namespace they are of; following it again opens nothing more.
    """
    one, two = hosts
    listeners = Listeners()
    try:
        for _ in range(3):
            await follow(listeners, namespace(one), namespace(two), memory=read())
        close_some(one, 2)
        close_some(two, 3)
        assert await told(listeners, 10) == [one.name] * 4 + [two.name] * 6
        assert len(listeners._open) == 2
    finally:
        listeners.end()


async def test_before_the_first_sample(hosts: list[Host]) -> None:
    """
    What is told before a namespace has been read waits until then.
    """
    listeners, memory = Listeners(), NamespaceMemory()
    try:
        await follow(listeners, namespace(hosts[0]), memory=memory)
        close_some(hosts[0], 2)
        for _ in range(3):
            await listeners.wait()
            assert list(listeners.receive()) == []
        memory.surroundings = NOWHERE
        assert len(await told(listeners, 4)) == 4
    finally:
        listeners.end()


async def test_last_words(hosts: list[Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What a namespace has told until it was deserted is received still; then its stream is closed.
    """
    listeners = Listeners()
    try:
        await follow(listeners, namespace(hosts[0]), memory=read())
        stream = listeners._open[namespace(hosts[0]).inode].stream
        close_some(hosts[0], 2)
        monkeypatch.setattr(module, "is_inhabited", lambda _: False)
        assert len(await told(listeners, 4)) == 4
        await until(listeners, lambda all_of_them: not all_of_them._open)
        assert stream.fileno() == -1
    finally:
        listeners.end()


async def test_no_longer_kept(hosts: list[Host]) -> None:
    """
    A namespace that is inhabited, but read no more, is left; the other one is not.
    """
    one, two = map(namespace, hosts)
    listeners = Listeners()
    try:
        await follow(listeners, one, two, memory=read())
        listeners.keep([two.inode])
        await until(listeners, lambda all_of_them: all_of_them._open.keys() == {two.inode})
    finally:
        listeners.end()


async def test_not_to_be_opened(hosts: list[Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Why a namespace is not listened to is told until it is, or is no longer there.
    """
    listeners, error = Listeners(), CollectorError("too many open files")

    def refuse() -> None:
        raise error

    try:
        with monkeypatch.context() as patch:
            patch.setattr(module, "open_closures", refuse)
            await follow(listeners, *map(namespace, hosts), memory=read())
        assert listeners.failures == [error, error]
        await follow(listeners, namespace(hosts[0]), memory=read())
        assert listeners.failures == [error]
        await until(listeners, lambda all_of_them: not all_of_them.failures)
    finally:
        listeners.end()


async def test_shared_buffers(hosts: list[Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    All buffers but the own one share what they may hold; what one leaves goes to the others.
    """
    monkeypatch.setattr(module, "_ALL_BUFFERS", 4 << 20)
    one, two = map(namespace, hosts)
    listeners = Listeners()

    def sizes() -> list[int]:
        streams = [listener.stream for listener in listeners._open.values()]
        descriptors = [socket.socket(fileno=stream.fileno()) for stream in streams]
        found = [each.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2 for each in descriptors]
        for descriptor in descriptors:
            descriptor.detach()
        return found

    try:
        await follow(listeners, one, memory=read())
        assert sizes() == [4 << 20]
        await follow(listeners, one, two, memory=read())
        assert sizes() == [2 << 20] * 2
        listeners.keep([two.inode])
        await until(listeners, lambda _: sizes() == [4 << 20])
    finally:
        listeners.end()


async def test_end(hosts: list[Host]) -> None:
    """
    After the end nothing is open, and nothing is opened any more.
    """
    listeners = Listeners()
    await follow(listeners, namespace(hosts[0]), memory=read())
    stream = listeners._open[namespace(hosts[0]).inode].stream
    listeners.end()
    await follow(listeners, *map(namespace, hosts), memory=read())
    assert stream.fileno() == -1
    assert not listeners._open
