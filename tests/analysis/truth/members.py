"""
Connections with random keepalive options at both ends, random traffic, and a log of set options.
"""

import contextlib
import heapq
import itertools
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random

from tests.analysis.truth.capture import Flow
from tests.lab import Pair

_SO_COOKIE = 57  # include/uapi/asm-generic/socket.h; Python has no name for it
_COOKIE = struct.Struct("=Q")
_OPTIONS = {
    "keepalive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "time": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    "interval": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
}
_LOSS = """
add table inet loss
add chain inet loss input {{ type filter hook input priority 0; }}
add rule inet loss input tcp sport {{ {ports} }} drop
"""
_DISTURBED = 6
"""Number of connections with each kind of disturbance."""
_MOST_PROBES = 127

Messages = Iterator[tuple[float, bool]]
"""Traffic: seconds until the next message, and whether the client sends it."""


@dataclass(frozen=True, slots=True)
class OptionSet:
    """
    An option set at a time, with the value returned by getsockopt afterwards.
    """

    at: float
    option: str
    value: int


@dataclass(slots=True)
class LoggedSocket:
    """
    One end of a connection, with the log of its options.
    """

    sock: socket.socket
    log: list[OptionSet] = field(default_factory=list)

    def set(self, option: str, value: int) -> None:
        """
        Set one of keepalive, time and interval, and log it.
        """
        self.sock.setsockopt(*_OPTIONS[option], value)
        actual = self.sock.getsockopt(*_OPTIONS[option])
        self.log.append(OptionSet(time.monotonic(), option, actual))

    def set_at_random(self, rng: Random, *, on: bool) -> None:
        """
        Enable keepalive if on, with a random time and interval or the defaults.
        """
        if on:
            self.set("keepalive", 1)
        if rng.random() < 0.9:
            self.set("time", _random_time(rng))
        if rng.random() < 0.75:
            self.set("interval", rng.choice((1, 2, 3, 5, 7, 75)))


@dataclass(slots=True)
class Member:
    """
    A connection of the crowd.

    flow is that of the capture at the client, cookie that of the client's end. A disturbed
    connection has no other traffic. Segments from the client are lost in lost_between.
    """

    client: LoggedSocket
    server: LoggedSocket
    flow: Flow
    cookie: int
    is_disturbed: bool = False
    lost_between: tuple[float, float] = (0, 0)


class Crowd:
    """
    The connections, and the planned events.
    """

    def __init__(self, lab: Pair, rng: Random, seconds: float) -> None:
        self.members: list[Member] = []
        self._lab = lab
        self._rng = rng
        self._ends_at = time.monotonic() + seconds
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._inbound = lab.client.listener()

    def outbound(self, count: int, family: int) -> None:
        """
        Add connections from the client to the server.
        """
        for connection in self._lab.connections(count, family=family):
            self._join(connection.client, connection.server)

    def inbound(self, count: int) -> None:
        """
        Add connections from the server to a port that the client listens on.
        """
        for _ in range(count):
            server = self._lab.server.connect(*self._inbound.getsockname())
            client, _ = self._inbound.accept()
            self._join(self._lab.client.adopt(client), server)

    def disturb(self) -> None:
        """
        Plan closed windows and lost segments on some connections, for a quarter of the time.
        """
        now = time.monotonic()
        quarter = (self._ends_at - now) / 4
        for member in self.members[:_DISTURBED]:
            member.is_disturbed = True
            self._at(now + 1.2 * quarter, partial(_fill, member.client.sock))
            self._at(now + 2.2 * quarter, partial(_receive_all, member.server.sock))
        self._lose(self.members[_DISTURBED : 2 * _DISTURBED], now + quarter, now + 2 * quarter)

    def run(self) -> None:
        """
        Run the planned events until the end.
        """
        while self._due and self._due[0][0] < self._ends_at:
            at, _, action = heapq.heappop(self._due)
            time.sleep(max(0.0, at - time.monotonic()))
            action()
        time.sleep(max(0.0, self._ends_at - time.monotonic()))

    def _at(self, at: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at, next(self._serial), action))

    def _lose(self, members: list[Member], at: float, until: float) -> None:
        """
        Plan a time in which segments of the clients are lost; each client sends once in it.
        """
        ports = ", ".join(str(member.flow[1]) for member in members)
        nft = partial(self._lab.server.run, ["nft", "--file", "-"])

        def begin() -> None:
            nft(input=_LOSS.format(ports=ports))
            for member in members:
                member.lost_between = (time.monotonic(), self._ends_at)

        def end() -> None:
            nft(input="delete table inet loss\n")
            for member in members:
                member.lost_between = (member.lost_between[0], time.monotonic())

        self._at(at, begin)
        self._at(until, end)
        for member in members:
            member.is_disturbed = True
            self._at(at + self._rng.uniform(0.5, 1.5), partial(_send, member.client.sock))

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        rng = self._rng
        cookie = client.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, _COOKIE.size)
        flow = client.family, client.getsockname()[1], client.getpeername()[1]
        member = Member(LoggedSocket(client), LoggedSocket(server), flow, *_COOKIE.unpack(cookie))
        self.members.append(member)
        for sock in (client, server):
            # No connection may time out, even on a machine under load.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _MOST_PROBES)
        member.client.set_at_random(rng, on=rng.random() < 0.6)
        member.server.set_at_random(rng, on=rng.random() < 0.4)
        self._plan_changes(member)
        self._plan_message(member, _traffic(rng), time.monotonic() + rng.random())

    def _plan_changes(self, member: Member) -> None:
        rng = self._rng

        def some_time() -> float:
            now = time.monotonic()
            return now + rng.uniform(0.2, 0.8) * (self._ends_at - now)

        for end in (member.client, member.server):
            match rng.randrange(20):
                case 0 | 1:
                    self._at(some_time(), partial(end.set, "keepalive", 1))
                case 2 | 3:
                    self._at(some_time(), partial(end.set, "time", _random_time(rng)))
                case 4:
                    self._at(some_time(), partial(end.set, "keepalive", 0))
        if rng.random() < 0.05:
            self._at(some_time(), partial(member.server.sock.shutdown, socket.SHUT_WR))

    def _plan_message(self, member: Member, messages: Messages, after: float) -> None:
        gap, by_client = next(messages)
        self._at(after + gap, partial(self._exchange, member, messages, by_client=by_client))

    def _exchange(self, member: Member, messages: Messages, *, by_client: bool) -> None:
        if not member.is_disturbed:
            source, target = member.client.sock, member.server.sock
            if not by_client:
                source, target = target, source
            _send(source)
            _receive_all(target)
            self._plan_message(member, messages, time.monotonic())


def _random_time(rng: Random) -> int:
    """
    1 to 30 seconds, half of them near the timeouts.
    """
    return rng.choice((rng.randint(1, 30), rng.randint(2, 7)))


def _traffic(rng: Random) -> Messages:
    """
    No messages, or messages at regular or random times or in bursts, from one end or both.
    """
    by_client = rng.choice(((True,), (False,), (True, False)))
    period, mean = rng.uniform(0.3, 12), rng.uniform(1, 6)
    gaps = rng.choice(
        (
            itertools.repeat(float("inf")),
            itertools.repeat(period),
            iter(partial(rng.expovariate, 1 / mean), None),
            _bursts(rng),
        )
    )
    return ((gap, rng.choice(by_client)) for gap in gaps)


def _bursts(rng: Random) -> Iterator[float]:
    while True:
        yield rng.uniform(2, 25)
        for _ in range(rng.randrange(8)):
            yield rng.uniform(0, 0.6)


def _send(sock: socket.socket) -> None:
    # An end that was shut down, or whose peer's window is closed, cannot send.
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        sock.send(b"x" * 100, socket.MSG_DONTWAIT)


def _fill(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while sock.send(b"x" * 65536, socket.MSG_DONTWAIT):
            pass


def _receive_all(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while sock.recv(1 << 20, socket.MSG_DONTWAIT):
            pass
