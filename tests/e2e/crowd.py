"""
A crowd of healthy connections: some stay, some come and go, none is idle for too long.
"""

import itertools
import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from sched import scheduler

from tests.e2e.scenario_endpoint import Talk
from tests.lab import Connection, Keepalive, NatLab
from tests.lab.traffic import abort

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_STAYING = 300
"""Connections of each family and kind that stay: they talk, probe, or are probed."""
_TALK_EVERY = 2.5
_PROBES = Keepalive(time=1, interval=1, probes=8)
_OPENERS = 6
"""Threads that open connections: one that loses a SYN waits for a second."""
_OPEN_EVERY = 0.05
_LONGEST_AGE = 3.0
"""Seconds after which those that come have gone, without having been used meanwhile."""
_GRACEFUL = 0.6
"""The share that is closed; the others are aborted."""
_CONNECT_TIMEOUT = 20.0
_TICK = 0.02
_FAREWELL = 0.2
"""Seconds by which one end of a connection outlives the other."""


@dataclass
class Tally:
    """
    What has become of the crowd, and for how many seconds any of it was idle at most.
    """

    closed: int = 0
    aborted: int = 0
    longest_idle: float = 0.0

    def note_idle(self, seconds: float) -> None:
        """
        A connection has been idle for so long.
        """
        self.longest_idle = max(self.longest_idle, seconds)


class Crowd:
    """
    Connections from a lab's client to its server.
    """

    def __init__(self, lab: NatLab) -> None:
        """
        Let those come that stay, and listen for the others.
        """
        self.tally = Tally()
        self._lab = lab
        self._talkers = self._staying()
        self._probers = self._staying(keepalive=_PROBES)
        self._probed = self._staying()
        for connection in self._probed:
            _PROBES.apply(connection.server)
        families = itertools.islice(itertools.cycle(_FAMILIES), _OPENERS)
        self._listeners = [lab.server.listener(family) for family in families]
        self._plans = scheduler(time.monotonic)

    def _staying(self, keepalive: Keepalive | None = None) -> list[Connection]:
        return [
            connection
            for family in _FAMILIES
            for connection in self._lab.connections(_STAYING, keepalive=keepalive, family=family)
        ]

    @contextmanager
    def milling_about(self) -> Iterator[None]:
        """
        Talk, come and go until the block is left and those that came have gone.
        """
        no_more, all_gone = threading.Event(), threading.Event()
        with ThreadPoolExecutor(_OPENERS + 2) as pool:
            talking = pool.submit(self._talk, all_gone)
            opening = [pool.submit(self._open, listener, no_more) for listener in self._listeners]
            ending = pool.submit(self._follow_plans, no_more)
            try:
                yield
            finally:
                no_more.set()
                for each in (*opening, ending):
                    each.exception()
                all_gone.set()
            for each in (*opening, ending, talking):
                each.result()

    def leave(self) -> None:
        """
        Have every connection that stayed used once more, and close it.
        """
        staying = self._talkers + self._probers + self._probed
        talks = [Talk(connection.client, connection.server) for connection in staying]
        for talk in talks:
            talk.exchange()
        for connection in staying:
            connection.close()
            self.tally.closed += 1

    def _talk(self, over: threading.Event) -> None:
        """
        Have all talkers talk every now and then, a few at a time.
        """
        used_at = [time.monotonic()] * len(self._talkers)
        share = int(len(self._talkers) * _TICK / _TALK_EVERY) + 1
        numbers = itertools.cycle(range(len(self._talkers)))
        while not over.wait(_TICK):
            now = time.monotonic()
            for number in itertools.islice(numbers, share):
                self.tally.note_idle(now - used_at[number])
                used_at[number] = now
                for sock in (self._talkers[number].client, self._talkers[number].server):
                    _read(sock)
                    sock.send(b"x")

    def _open(self, listener: socket.socket, no_more: threading.Event) -> None:
        """
        Open connections and plan their ends.
        """
        address, port = listener.getsockname()[:2]
        chance = random.Random(port)
        while not no_more.wait(_OPEN_EVERY):
            client = self._lab.client.connect(address, port, timeout=_CONNECT_TIMEOUT)
            client.send(b"x")
            server, _ = listener.accept()
            server.recv(1)
            first, second = chance.sample([client, server], 2)
            graceful = chance.random() < _GRACEFUL
            age = chance.uniform(0, _LONGEST_AGE)
            self._plans.enter(age, 0, self._end, (first, second, graceful, time.monotonic()))

    def _end(
        self, first: socket.socket, second: socket.socket, graceful: bool, used_at: float
    ) -> None:
        """
        End a connection at one end, and plan to close the other, which then knows.
        """
        self.tally.note_idle(time.monotonic() - used_at)
        if graceful:
            first.close()
            self.tally.closed += 1
        else:
            abort(first)
            self.tally.aborted += 1
        self._plans.enter(_FAREWELL, 0, second.close)

    def _follow_plans(self, no_more: threading.Event) -> None:
        """
        Do what is due, until nothing is and no more will be.
        """
        while not no_more.is_set() or not self._plans.empty():
            self._plans.run(blocking=False)
            time.sleep(_TICK)


def _read(sock: socket.socket) -> None:
    with suppress(BlockingIOError):
        sock.recv(4096, socket.MSG_DONTWAIT)
