"""
Where a scenario plays: a server's address of its own in a lab, and by that a path of its own.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.lab import Connection, Keepalive, NatLab, OnTimeout

IDLE_TIMEOUT = 5
"""Seconds after which the NAT forgets; near_limit is 3.75 s."""

_FIRST_ADDRESS = 101
_PATIENCE = 20.0
_LAST = b"!"
_CHAT_INTERVAL = 0.1


@dataclass
class Talk:
    """
    One connection, and when it was last used.
    """

    client: socket.socket
    server: socket.socket
    used_at: float = 0.0

    def exchange(self) -> None:
        """
        Have everything sent arrive at either end.
        """
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            sender.send(_LAST)
            receiver.settimeout(_PATIENCE)
            while not receiver.recv(4096).endswith(_LAST):
                pass  # what was sent before
            receiver.settimeout(None)
        self.used_at = time.monotonic()

    def write(self) -> float:
        """
        Send a byte; how long the connection had been idle before.
        """
        idle = self.idle()
        self.client.send(b"x")
        return idle

    def wait_for_end(self) -> float:
        """
        Wait until the kernel has ended the connection; how long that was after its last use.
        """
        assert Connection(self.client, self.server).client_error(_PATIENCE), "it lives on"
        return self.idle()

    def close(self) -> float:
        """
        Close the client's end; how long the connection had been idle before.
        """
        idle = self.idle()
        self.client.close()
        return idle

    def idle(self) -> float:
        """
        Seconds since the last use.
        """
        return time.monotonic() - self.used_at


@dataclass(frozen=True)
class Stage:
    """
    One scenario's corner of a lab, for one address family.
    """

    lab: NatLab
    on_timeout: OnTimeout
    family: int
    number: int

    def __post_init__(self) -> None:
        """
        Give the server the stage's address.
        """
        nodad = " nodad" if self.family == socket.AF_INET6 else ""
        self.lab.server.ip(f"addr add {self.network} dev eth0{nodad}")

    @property
    def address(self) -> str:
        """
        The server's address on this stage.
        """
        v4, v6 = "203.0.113.", "2001:db8::"
        prefix = v6 if self.family == socket.AF_INET6 else v4
        return f"{prefix}{_FIRST_ADDRESS + self.number}"

    @property
    def network(self) -> str:
        """
        The same with the length of its prefix.
        """
        return f"{self.address}/{128 if self.family == socket.AF_INET6 else 32}"

    def seconds_of_silence(self, seconds: float) -> float:
        """
        The seconds for which nothing answers, where a NAT with resets would answer at once.
        """
        return seconds if self.on_timeout == "drop" else 0.0

    def connect(
        self, keepalive: Keepalive | None = None, peers_keepalive: Keepalive | None = None
    ) -> Talk:
        """
        Connect the client to the server, and use the connection once.
        """
        (talk,) = self.connections(1)
        if keepalive is not None:
            keepalive.apply(talk.client)
        if peers_keepalive is not None:
            peers_keepalive.apply(talk.server)
        talk.exchange()
        return talk

    def connections(self, count: int) -> list[Talk]:
        """
        Connect many times, and use each connection once.
        """
        talks = []
        with self.listener() as listener:
            for client in self.lab.client.sockets(count, self.family):
                client.settimeout(_PATIENCE)
                client.connect(listener.getsockname())
                client.settimeout(None)
                server, _ = listener.accept()
                talks.append(Talk(client, self.lab.server.adopt(server)))
        for talk in talks:
            talk.exchange()
        return talks

    @contextmanager
    def wall(self) -> Iterator[None]:
        """
        Swallow whatever is sent to the stage's address, until the block is left.
        """
        self.lab.nat.ip(f"route add blackhole {self.network}")
        yield
        self.lab.nat.ip(f"route del blackhole {self.network}")

    def listener(self) -> socket.socket:
        """
        Listen on the stage's address.
        """
        listener = self.lab.server.socket(self.family)
        listener.bind((self.address, 0))
        listener.listen(1024)
        return listener


def chat(talks: Sequence[Talk], seconds: float) -> None:
    """
    Have both ends of the connections send all the time, whatever becomes of it.
    """
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        for talk in talks:
            talk.used_at = now
            for sock in (talk.client, talk.server):
                sock.send(b"x")
        time.sleep(_CHAT_INTERVAL)
        for talk in talks:
            for sock in (talk.client, talk.server):
                with suppress(BlockingIOError):
                    sock.recv(4096, socket.MSG_DONTWAIT)
