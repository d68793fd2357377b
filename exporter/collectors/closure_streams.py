"""
The closure streams of all namespaces, combined into one on the event loop.
"""

import asyncio
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

from exporter.collectors.operating_system import (
    ClosureStream,
    is_in_use,
    open_closures,
)
from exporter.collectors.state import NamespaceState
from exporter.model import CollectorError, ConnectionTable, Namespace

_CHECK_INTERVAL = 1.0
"""Seconds between checks for namespaces no longer in use. An open stream keeps its namespace alive
for up to about this long after its last process and name are gone."""

_ALL_BUFFERS, _LEAST_BUFFER, _MOST_BUFFER = 64 << 20, 256 << 10, 16 << 20
"""Receive buffer sizes in bytes: total of all namespaces except the exporter's own, and the minimum
and maximum for one of them."""


@dataclass(slots=True, eq=False)
class NamespaceStream:
    """
    An open stream and its namespace; lost is the number of events lost up to the last receive.
    """

    namespace: Namespace
    state: NamespaceState
    stream: ClosureStream
    lost: int = 0


class ClosureStreams:
    """
    Keeps one stream open for each subscribed namespace until the namespace is no longer in use.

    All methods run on the event loop, except keep() and subscribe().
    """

    def __init__(self) -> None:
        self.lost = 0
        self._failing: dict[int, tuple[Namespace, Exception]] = {}
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, NamespaceStream] = {}
        self._readable: list[NamespaceStream] = []
        self._event = asyncio.Event()
        self._checked_at = time.monotonic()
        self._kept: frozenset[int] = frozenset()
        self._ended = False

    def keep(self, inodes: Collection[int]) -> None:
        """
        Keep the streams of these namespaces and close all others. Called by the sampler's thread.
        """
        self._kept = frozenset(inodes)

    def subscribe(self, namespace: Namespace, state: NamespaceState) -> None:
        """
        Open a stream for this namespace if none is open. The calling thread must be inside it.

        Called by the sampler's thread with every sample.
        """
        source = self._open.get(namespace.inode)
        if source is not None:
            source.namespace = namespace
        elif not self._ended:
            try:
                stream = open_closures()
            except CollectorError as error:
                self._loop.call_soon_threadsafe(self._fail, namespace, error)
            else:
                new = NamespaceStream(namespace, state, stream)
                self._loop.call_soon_threadsafe(self._add, new)

    @property
    def failures(self) -> list[Exception]:
        """
        The errors of subscribed namespaces without an open stream.
        """
        return [error for _, error in self._failing.values()]

    async def wait(self) -> bool:
        """
        Wait for events, for at most a second. Returns whether there are any.
        """
        with suppress(TimeoutError):
            # Not wait_for(): in Python 3.11 it may swallow the task's cancellation.
            async with asyncio.timeout(_CHECK_INTERVAL):
                await self._event.wait()
        self._event.clear()
        return bool(self._readable)

    def receive(self) -> Iterator[tuple[NamespaceStream, ConnectionTable]]:
        """
        The events received, at most some thousands from each namespace.

        Events of a namespace that no sample has read yet stay in its buffer, because they cannot
        be evaluated.
        """
        readable, self._readable = self._readable, []
        if time.monotonic() - self._checked_at >= _CHECK_INTERVAL:
            readable += self._remove_unused()
        for source in dict.fromkeys(readable):  # removed ones may have been readable already
            if source.state.endpoints is not None:
                yield from ((source, table) for table in self._receive(source))
            if self._open.get(source.namespace.inode) is source:
                self._loop.add_reader(source.stream, self._on_readable, source)
            else:
                source.stream.close()

    def end(self) -> None:
        """
        Close all streams, and do not open new ones.
        """
        self._ended = True
        for source in self._open.values():
            self._loop.remove_reader(source.stream)
            source.stream.close()
        self._open.clear()

    def _add(self, source: NamespaceStream) -> None:
        if self._ended:
            source.stream.close()
            return
        self._failing.pop(source.namespace.inode, None)
        self._open[source.namespace.inode] = source
        self._share_buffers()
        self._loop.add_reader(source.stream, self._on_readable, source)

    def _fail(self, namespace: Namespace, error: Exception) -> None:
        self._failing[namespace.inode] = namespace, error

    def _on_readable(self, source: NamespaceStream) -> None:
        # The socket stays readable until receive() is called, which may take a while.
        self._loop.remove_reader(source.stream)
        self._readable.append(source)
        self._event.set()

    def _receive(self, source: NamespaceStream) -> list[ConnectionTable]:
        try:
            tables = source.stream.receive()
        except Exception as error:  # noqa: BLE001  a bug must not silence the other streams
            self._open.pop(source.namespace.inode, None)  # the next sample opens a new one
            self._fail(source.namespace, error)
            return []
        self.lost += source.stream.lost - source.lost
        source.lost = source.stream.lost
        return tables

    def _remove_unused(self) -> list[NamespaceStream]:
        """
        Remove the namespaces that are no longer in use. Returns their streams, which may still
        have events.
        """
        self._checked_at = time.monotonic()
        unused = [source for source in self._open.values() if self._is_unused(source.namespace)]
        for source in unused:
            del self._open[source.namespace.inode]
            self._loop.remove_reader(source.stream)
        for namespace, _ in list(self._failing.values()):
            if self._is_unused(namespace):
                del self._failing[namespace.inode]
        if unused:
            self._share_buffers()
        return unused

    def _is_unused(self, namespace: Namespace) -> bool:
        return namespace.inode not in self._kept or not is_in_use(namespace)

    def _share_buffers(self) -> None:
        others = [source for source in self._open.values() if not source.namespace.is_own]
        share = _ALL_BUFFERS // max(len(others), 1)
        for source in others:
            source.stream.limit_buffer(min(max(share, _LEAST_BUFFER), _MOST_BUFFER))
