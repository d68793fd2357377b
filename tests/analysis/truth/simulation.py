"""
Simulated connections, and the values that inet_diag would report for them.

Without a kernel, hours of many connections take seconds, and round trips may be long.
"""

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from exporter.model import Timer
from tests.analysis.truth.end import WHEEL, End

_DELAYED_ACK = 0.04


@dataclass(slots=True)
class SimulatedEnd(End):
    """
    An end that also keeps the values of tcp_info.
    """

    data_sent_at: float = 0
    data_received_at: float = 0
    unacked: int = 0
    unanswered: int = 0
    segments_in: int = 2
    segments_out: int = 2
    fires_at: float = math.inf
    fires_for: float | None = None


class SimulatedConnection:
    """
    A connection between a client and a server, as observed on the client's host.
    """

    loses_segments = False

    def __init__(self, rng: Random, now: float, round_trip: float) -> None:
        self.client, self.server = (
            SimulatedEnd(received_at=now, refreshed_at=now, data_sent_at=now, data_received_at=now)
            for _ in range(2)
        )
        self.last_segment_at = self.data_at = self.now = now
        self._rng = rng
        self._one_way = round_trip / 2
        self._under_way = 0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()

    @property
    def is_moving(self) -> bool:
        """
        Whether a segment is under way.
        """
        return self._under_way > 0

    def at(self, at: float, action: Callable[..., None], *arguments: Any) -> None:
        """
        Plan an action at a time.
        """
        happen: Callable[[], None] = partial(action, *arguments)
        heapq.heappush(self._due, (at, next(self._serial), happen))

    def set(self, end: SimulatedEnd, option: str, value: float) -> None:
        """
        Set one of an end's options now.
        """
        end.set(self.now, option, value)

    def send(self, sender: SimulatedEnd) -> None:
        """
        Send a message now.
        """
        sender.data_sent_at = self.now
        sender.unacked += 1
        sender.unacknowledged = True
        self._transmit(sender, None, self._receive_data)

    def run_until(self, now: float) -> None:
        """
        Run all due actions and timers.
        """
        while True:
            end = min(self.client, self.server, key=self._fires_at)
            if self._due and self._due[0][0] <= min(end.fires_at, now):
                self.now, _, action = heapq.heappop(self._due)
                action()
            elif end.fires_at <= now:
                self.now, end.fires_for = end.fires_at, None
                if end.check(self.now):
                    end.unanswered += 1
                    end.probe(self.now)
                    self._transmit(end, end, self._receive_probe)
            else:
                break
        self.now = now

    def row(self) -> dict[str, Any]:
        """
        The client's end as inet_diag would report it now.
        """
        end = self.client
        timer, expires = Timer.NONE, 0.0
        if end.unacked:
            timer, expires = Timer.RETRANSMIT, 0.2
        elif end.check_at is not None:
            timer, expires = Timer.KEEPALIVE, max(0.0, end.check_at - self.now)
        return {
            "read_at": self.now,
            "timer": timer,
            "expires": expires,
            "unanswered": end.unanswered if timer == Timer.KEEPALIVE else 0,
            "unacked": end.unacked,
            "last_data_sent": self.now - end.data_sent_at,
            "last_data_received": self.now - end.data_received_at,
            "last_ack_received": self.now - end.received_at,
            "segments_in": end.segments_in,
            "segments_out": end.segments_out,
        }

    def _fires_at(self, end: SimulatedEnd) -> float:
        if end.check_at != end.fires_for:
            end.fires_for = end.check_at
            late = self._rng.random() * WHEEL * end.armed_for
            end.fires_at = math.inf if end.check_at is None else end.check_at + late
        return end.fires_at

    def _transmit(
        self,
        sender: SimulatedEnd,
        prober: SimulatedEnd | None,
        arrive: Callable[[SimulatedEnd, SimulatedEnd | None], None],
    ) -> None:
        """
        Send a segment; prober is the end whose probe caused it, if any.
        """
        receiver = self.server if sender is self.client else self.client
        sender.segments_out += 1
        self._under_way += 1
        if sender is self.client:
            self._cross(prober)

        def received() -> None:
            self._under_way -= 1
            receiver.segments_in += 1
            if receiver is self.client:
                self._cross(prober)
            arrive(receiver, prober)

        self.at(self.now + self._one_way, received)

    def _cross(self, prober: SimulatedEnd | None) -> None:
        self.last_segment_at = self.now
        if prober is None:
            self.data_at = self.now
        for end in (self.client, self.server):
            if prober is None or prober is end:
                end.refreshed_at = self.now

    def _receive_data(self, end: SimulatedEnd, _prober: SimulatedEnd | None) -> None:
        end.data_received_at = end.received_at = self.now
        delay = self._rng.choice((0.0, _DELAYED_ACK))
        self.at(self.now + delay, self._transmit, end, None, self._receive_answer)

    def _receive_probe(self, end: SimulatedEnd, prober: SimulatedEnd | None) -> None:
        self._transmit(end, prober, self._receive_answer)

    def _receive_answer(self, end: SimulatedEnd, prober: SimulatedEnd | None) -> None:
        end.received_at = self.now
        end.unanswered = 0
        if prober is None:
            end.unacked -= 1
            end.unacknowledged = end.unacked > 0


@dataclass
class Scenario:
    """
    Random connections, with options and traffic on the scale of a path's timeout.
    """

    rng: Random
    timeout: float
    began: float
    seconds: float
    changing: bool
    connections: list[SimulatedConnection] = field(default_factory=list)

    def add(self) -> None:
        """
        Add a connection.
        """
        rng = self.rng
        connection = SimulatedConnection(rng, self.began, rng.choice((0.0002, 0.02, 0.2)))
        for end, share in ((connection.client, 0.7), (connection.server, 0.35)):
            end.set(self.began, "time", self._time())
            end.set(self.began, "interval", self._interval())
            end.set(self.began, "keepalive", rng.random() < share)
            if self.changing:
                self._plan_changes(connection, end)
        if rng.random() < 0.85:
            self._converse(connection, self._gaps())
        self.connections.append(connection)

    def _time(self) -> float:
        unit = self.timeout / 240
        some = (60, 120, 7200, self.rng.uniform(120, 240), self.rng.uniform(10, 1200))
        return max(1.0, unit * self.rng.choice(some))

    def _interval(self) -> float:
        unit = self.timeout / 240
        return max(1.0, unit * self.rng.choice((10, 30, 75, 300, self.rng.uniform(5, 400))))

    def _plan_changes(self, connection: SimulatedConnection, end: SimulatedEnd) -> None:
        rng = self.rng
        for option, value in (("keepalive", rng.random() < 0.7), ("time", self._time())):
            if rng.random() < 0.3:
                at = self.began + rng.random() * self.seconds
                connection.at(at, connection.set, end, option, value)

    def _gaps(self) -> Callable[[], float]:
        """
        Seconds between messages: constant, random, or bursts with long breaks.
        """
        rng = self.rng
        mean = rng.uniform(0.02, 2.5) * self.timeout
        return rng.choice(
            (
                lambda: mean,
                lambda: rng.expovariate(1 / mean),
                lambda: (
                    self.timeout * rng.choice((rng.uniform(0, 0.02),) * 4 + (rng.random() * 4,))
                ),
            )
        )

    def _converse(self, connection: SimulatedConnection, gap: Callable[[], float]) -> None:
        ends = (connection.client, connection.server)
        senders = self.rng.choice((ends[:1], ends[1:], ends))

        def speak() -> None:
            connection.send(self.rng.choice(senders))
            connection.at(connection.now + gap(), speak)

        connection.at(self.began + gap(), speak)
