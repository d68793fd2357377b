"""
The streams of closures of all namespaces, waited for and received on the event loop as one.
"""

import asyncio
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

from exporter.collectors.state import NamespaceMemory
from exporter.linux import (
    SUPPORTED,
    ClosureStream,
    is_inhabited,
    open_closures,
)
from exporter.model import CollectorError, ConnectionTable, Namespace

if SUPPORTED:
    # The sampler's thread opens streams while that of the page of connections may look around, and
    # pyroute2's modules import one another: were two threads to import them for the first time at
    # once, one would meet them half made.
    import exporter.linux.netlink.destroy_events
    import exporter.linux.netlink.dump  # noqa: F401

_LOOK_EVERY = 1.0
"""Seconds between two looks at which namespaces have been deserted. An open stream keeps its
namespace alive for about so long after its last process and name."""

_ALL_BUFFERS, _LEAST_BUFFER, _MOST_BUFFER = 64 << 20, 256 << 10, 16 << 20
"""Bytes that the kernel may hold for all namespaces but the own together, and for one of them."""


@dataclass(slots=True, eq=False)
class Listener:
    """
    An open stream, and the namespace it is of; lost is how many closures it has missed so far.
    """

    namespace: Namespace
    memory: NamespaceMemory
    stream: ClosureStream
    lost: int = 0


class Listeners:
    """
    Has a stream open for each namespace that is followed, until that is deserted.

    Made and used on the event loop, but for keep() and follow().
    """

    def __init__(self) -> None:
        self.lost = 0
        self._failing: dict[int, tuple[Namespace, CollectorError]] = {}
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, Listener] = {}
        self._readable: list[Listener] = []
        self._told = asyncio.Event()
        self._looked_at = time.monotonic()
        self._kept: frozenset[int] = frozenset()
        self._ended = False

    def keep(self, inodes: Collection[int]) -> None:
        """
        Listen to these namespaces from now on, and to no others. Called by the sampler's thread.
        """
        self._kept = frozenset(inodes)

    def follow(self, namespace: Namespace, memory: NamespaceMemory) -> None:
        """
        Listen to the calling thread's namespace, which is this one, if nobody does yet.

        Called with every sample, by its thread: it is inside.
        """
        listener = self._open.get(namespace.inode)
        if listener is not None:
            listener.namespace = namespace
        elif not self._ended:
            try:
                stream = open_closures()
            except CollectorError as error:
                self._loop.call_soon_threadsafe(self._fail, namespace, error)
            else:
                new = Listener(namespace, memory, stream)
                self._loop.call_soon_threadsafe(self._add, new)

    @property
    def failures(self) -> list[CollectorError]:
        """
        Why there are namespaces that are followed, but not listened to.
        """
        return [error for _, error in self._failing.values()]

    async def wait(self) -> bool:
        """
        Wait until something has been told, for a second at most; whether it has.
        """
        with suppress(TimeoutError):
            # Not wait_for(), which in Python 3.11 may swallow that the task is cancelled.
            async with asyncio.timeout(_LOOK_EVERY):
                await self._told.wait()
        self._told.clear()
        return bool(self._readable)

    def receive(self) -> Iterator[tuple[Listener, ConnectionTable]]:
        """
        What has been told, some thousands from each namespace at most.

        Nothing of a namespace that no sample has read: it could not be judged. Its buffer waits.
        """
        readable, self._readable = self._readable, []
        if time.monotonic() - self._looked_at >= _LOOK_EVERY:
            readable += self._leave_deserted()
        for listener in dict.fromkeys(readable):  # what is left may have told something before
            if listener.memory.surroundings is not None:
                yield from ((listener, table) for table in self._receive(listener))
            if self._open.get(listener.namespace.inode) is listener:
                self._loop.add_reader(listener.stream, self._has_told, listener)
            else:
                listener.stream.close()

    def end(self) -> None:
        """
        Close all streams, and open no more.
        """
        self._ended = True
        for listener in self._open.values():
            self._loop.remove_reader(listener.stream)
            listener.stream.close()
        self._open.clear()

    def _add(self, listener: Listener) -> None:
        if self._ended:
            listener.stream.close()
            return
        self._failing.pop(listener.namespace.inode, None)
        self._open[listener.namespace.inode] = listener
        self._share_buffers()
        self._loop.add_reader(listener.stream, self._has_told, listener)

    def _fail(self, namespace: Namespace, error: CollectorError) -> None:
        self._failing[namespace.inode] = namespace, error

    def _has_told(self, listener: Listener) -> None:
        # It stays readable until it is received from, which may take a while.
        self._loop.remove_reader(listener.stream)
        self._readable.append(listener)
        self._told.set()

    def _receive(self, listener: Listener) -> list[ConnectionTable]:
        try:
            tables = listener.stream.receive()
        except CollectorError as error:
            self._open.pop(listener.namespace.inode, None)  # the next sample opens it anew
            self._fail(listener.namespace, error)
            return []
        self.lost += listener.stream.lost - listener.lost
        listener.lost = listener.stream.lost
        return tables

    def _leave_deserted(self) -> list[Listener]:
        """
        Let go of the namespaces that nobody is in any more. Returns those that may have told
        something to the last.
        """
        self._looked_at = time.monotonic()
        deserted = [each for each in self._open.values() if self._is_deserted(each.namespace)]
        for listener in deserted:
            del self._open[listener.namespace.inode]
            self._loop.remove_reader(listener.stream)
        for namespace, _ in list(self._failing.values()):
            if self._is_deserted(namespace):
                del self._failing[namespace.inode]
        if deserted:
            self._share_buffers()
        return deserted

    def _is_deserted(self, namespace: Namespace) -> bool:
        return namespace.inode not in self._kept or not is_inhabited(namespace)

    def _share_buffers(self) -> None:
        others = [each for each in self._open.values() if not each.namespace.is_own]
        share = _ALL_BUFFERS // max(len(others), 1)
        for listener in others:
            listener.stream.limit_buffer(min(max(share, _LEAST_BUFFER), _MOST_BUFFER))
