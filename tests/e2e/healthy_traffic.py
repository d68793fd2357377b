"""
Healthy traffic: permanent and short-lived connections, none of them idle for too long.
"""

import itertools
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from sched import scheduler

from tests.e2e.scenario_endpoint import UsedConnection
from tests.lab import Connection, Keepalive, NatLab
from tests.lab.traffic import abort

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_PERMANENT = 300
"""Permanent connections per address family and kind: used, probing, probed by the peer."""
_USE_EVERY = 2.5
_PROBES = Keepalive(time=1, interval=1, probes=8)
_OPENERS = 6
"""Threads that open connections. One whose SYN is lost waits for a second."""
_OPEN_EVERY = 0.05
_LONGEST_AGE = 3.0
"""Maximum lifetime of short-lived connections in seconds. They are used only at the start."""
_GRACEFUL = 0.6
"""Share of connections that are closed. The others are aborted."""
_CONNECT_TIMEOUT = 20.0
_TICK = 0.02
_CLOSE_DELAY = 0.2
"""Seconds between the closes of both ends of a connection."""


@dataclass
class TrafficCounts:
    """
    Closed connections, those aborted by each side, and the longest idle time of any connection in
    seconds.
    """

    closed: int = 0
    aborted: Counter[str] = field(default_factory=Counter)
    longest_idle: float = 0.0

    def closures(self, side: str) -> dict[str, int]:
        """
        The closures by reason, as one side should count them.
        """
        own = self.aborted[side]
        return {"normal": self.closed, "abort": own, "reset": self.aborted.total() - own}

    def note_idle(self, seconds: float) -> None:
        """
        Record the idle time of a connection.
        """
        self.longest_idle = max(self.longest_idle, seconds)


class HealthyTraffic:
    """
    Connections from a lab's client to its server.
    """

    def __init__(self, lab: NatLab) -> None:
        """
        Open the permanent connections, and listen for the others.
        """
        self.counts = TrafficCounts()
        self._lab = lab
        self._busy = self._open_permanent()
        self._probing = self._open_permanent(keepalive=_PROBES)
        self._probed = self._open_permanent()
        for connection in self._probed:
            _PROBES.apply(connection.server)
        families = itertools.islice(itertools.cycle(_FAMILIES), _OPENERS)
        self._listeners = [lab.server.listener(family) for family in families]
        self._schedule = scheduler(time.monotonic)

    def _open_permanent(self, keepalive: Keepalive | None = None) -> list[Connection]:
        return [
            connection
            for family in _FAMILIES
            for connection in self._lab.connections(_PERMANENT, keepalive=keepalive, family=family)
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        """
        Use, open and close connections until the end of the block, and close the short-lived ones.
        """
        stop_opening, all_closed = threading.Event(), threading.Event()
        with ThreadPoolExecutor(_OPENERS + 2) as pool:
            using = pool.submit(self._use, all_closed)
            opening = [
                pool.submit(self._open, listener, stop_opening) for listener in self._listeners
            ]
            ending = pool.submit(self._run_schedule, stop_opening)
            try:
                yield
            finally:
                stop_opening.set()
                for each in (*opening, ending):
                    each.exception()
                all_closed.set()
            for each in (*opening, ending, using):
                each.result()

    def close(self) -> None:
        """
        Use every permanent connection once more, and close it.
        """
        permanent = self._busy + self._probing + self._probed
        used = [UsedConnection(connection.client, connection.server) for connection in permanent]
        for each in used:
            each.exchange()
        for connection in permanent:
            connection.close()
            self.counts.closed += 1

    def _use(self, all_closed: threading.Event) -> None:
        """
        Use all connections of the first kind periodically, a few per tick, and more after a late
        tick.
        """
        began = time.monotonic()
        used_at = [began] * len(self._busy)
        numbers = itertools.cycle(range(len(self._busy)))
        used = 0
        while not all_closed.wait(_TICK):
            now = time.monotonic()
            due = int(len(self._busy) * (now - began) / _USE_EVERY)
            share, used = due - used, due
            for number in itertools.islice(numbers, share):
                self.counts.note_idle(now - used_at[number])
                used_at[number] = now
                for sock in (self._busy[number].client, self._busy[number].server):
                    _read(sock)
                    sock.send(b"x")

    def _open(self, listener: socket.socket, stop_opening: threading.Event) -> None:
        """
        Open connections and schedule their ends.
        """
        address, port = listener.getsockname()[:2]
        chance = random.Random(port)
        while not stop_opening.wait(_OPEN_EVERY):
            client = self._lab.client.connect(address, port, timeout=_CONNECT_TIMEOUT)
            client.send(b"x")
            server, _ = listener.accept()
            server.settimeout(_CONNECT_TIMEOUT)  # without it, a lost byte would block this thread
            server.recv(1)
            first, second = chance.sample([client, server], 2)
            side = "client" if first is client else "server"
            graceful = chance.random() < _GRACEFUL
            age = chance.uniform(0, _LONGEST_AGE)
            self._schedule.enter(
                age, 0, self._end, (first, second, side, graceful, time.monotonic())
            )

    def _end(
        self,
        first: socket.socket,
        second: socket.socket,
        side: str,
        graceful: bool,
        used_at: float,
    ) -> None:
        """
        End a connection at one end, that of side, and schedule the close of the other end, which
        has then received it.
        """
        self.counts.note_idle(time.monotonic() - used_at)
        if graceful:
            first.close()
            self.counts.closed += 1
        else:
            abort(first)
            self.counts.aborted[side] += 1
        self._schedule.enter(_CLOSE_DELAY, 0, second.close)

    def _run_schedule(self, stop_opening: threading.Event) -> None:
        """
        Run due ends, until none is left and no connection will be opened.
        """
        while not stop_opening.is_set() or not self._schedule.empty():
            self._schedule.run(blocking=False)
            time.sleep(_TICK)


def _read(sock: socket.socket) -> None:
    with suppress(BlockingIOError):
        sock.recv(4096, socket.MSG_DONTWAIT)
