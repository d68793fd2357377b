"""
A server address in a lab for each scenario, which gives each scenario its own path.
"""

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.lab import Connection, Keepalive, NatLab, OnTimeout

IDLE_TIMEOUT = 5
"""The NAT's idle timeout in seconds; near_limit begins at 3.75 s."""

_FIRST_ADDRESS = 101
_PATIENCE = 20.0
_LAST = b"!"
_BUSY_INTERVAL = 0.1


@dataclass
class UsedConnection:
    """
    One connection with the time of its last use.
    """

    client: socket.socket
    server: socket.socket
    used_at: float = 0.0

    def exchange(self) -> None:
        """
        Send a byte in both directions, and wait until it and all earlier data has arrived.
        """
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            sender.send(_LAST)
            receiver.settimeout(_PATIENCE)
            while not receiver.recv(4096).endswith(_LAST):
                pass  # earlier data
            receiver.settimeout(None)
        self.used_at = time.monotonic()

    def write(self) -> float:
        """
        Send a byte; returns the idle time before it in seconds.
        """
        idle = self.idle()
        self.client.send(b"x")
        return idle

    def wait_for_end(self) -> float:
        """
        Wait until the kernel has ended the connection; returns the seconds since its last use.
        """
        assert Connection(self.client, self.server).client_error(_PATIENCE), "still open"
        return self.idle()

    def close(self) -> float:
        """
        Close the client's end; returns the idle time before it in seconds.
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
class ScenarioEndpoint:
    """
    The server address of one scenario in a lab, in one address family.
    """

    lab: NatLab
    on_timeout: OnTimeout
    family: int
    number: int

    def __post_init__(self) -> None:
        """
        Add the address to the server.
        """
        nodad = " nodad" if self.family == socket.AF_INET6 else ""
        self.lab.server.ip(f"addr add {self.network} dev eth0{nodad}")

    @property
    def address(self) -> str:
        """
        The server address of this scenario.
        """
        v4, v6 = "203.0.113.", "2001:db8::"
        prefix = v6 if self.family == socket.AF_INET6 else v4
        return f"{prefix}{_FIRST_ADDRESS + self.number}"

    @property
    def network(self) -> str:
        """
        The address with its prefix length.
        """
        return f"{self.address}/{128 if self.family == socket.AF_INET6 else 32}"

    def seconds_of_silence(self, seconds: float) -> float:
        """
        The given seconds with a silent NAT, 0 with a NAT that answers with resets.
        """
        return seconds if self.on_timeout == "drop" else 0.0

    def connect(
        self, keepalive: Keepalive | None = None, peers_keepalive: Keepalive | None = None
    ) -> UsedConnection:
        """
        Connect the client to the server, and use the connection once.
        """
        (connection,) = self.connections(1)
        if keepalive is not None:
            keepalive.apply(connection.client)
        if peers_keepalive is not None:
            peers_keepalive.apply(connection.server)
        connection.exchange()
        return connection

    def connections(self, count: int) -> list[UsedConnection]:
        """
        Open many connections, and use each of them once.
        """
        connections = []
        with self.listener() as listener:
            for client in self.lab.client.sockets(count, self.family):
                client.settimeout(_PATIENCE)
                client.connect(listener.getsockname())
                client.settimeout(None)
                server, _ = listener.accept()
                connections.append(UsedConnection(client, self.lab.server.adopt(server)))
        for connection in connections:
            connection.exchange()
        return connections

    @contextmanager
    def wall(self) -> Iterator[None]:
        """
        Drop everything that is sent to the address, until the end of the block.
        """
        self.lab.nat.ip(f"route add blackhole {self.network}")
        yield
        self.lab.nat.ip(f"route del blackhole {self.network}")

    def listener(self) -> socket.socket:
        """
        Listen on the address.
        """
        listener = self.lab.server.socket(self.family)
        listener.bind((self.address, 0))
        listener.listen(1024)
        return listener


def keep_busy(connections: Sequence[UsedConnection], seconds: float) -> None:
    """
    Send continuously from both ends of the connections, without checking that data arrives.
    """
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        for connection in connections:
            connection.used_at = now
            for sock in (connection.client, connection.server):
                sock.send(b"x")
        time.sleep(_BUSY_INTERVAL)
        for connection in connections:
            for sock in (connection.client, connection.server):
                with suppress(BlockingIOError):
                    sock.recv(4096, socket.MSG_DONTWAIT)
