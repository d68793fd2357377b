"""
The labs: two hosts joined directly, or with a NAT between them.

The addresses are the same in every lab. The client's are private, the server's and the NAT's are
documentation addresses (RFC 5737, RFC 3849), which stand for public ones.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from .hosts import Host, link
from .nat import Nat, OnTimeout
from .traffic import Connection, Keepalive

# IPv6 addresses are usable at once only without duplicate address detection (nodad).
_CLIENT = """
addr add 10.0.0.2/24 dev eth0
addr add fd00::2/64 dev eth0 nodad
link set eth0 up
"""
_SERVER = """
addr add 203.0.113.10/24 dev eth0
addr add 2001:db8::10/64 dev eth0 nodad
link set eth0 up
"""
_NAT = """
addr add 10.0.0.1/24 dev inside
addr add fd00::1/64 dev inside nodad
link set inside up
addr add 203.0.113.1/24 dev outside
addr add 2001:db8::1/64 dev outside nodad
link set outside up
"""
_EVERYONE_IS_NEXT_DOOR = """
route add 0.0.0.0/0 dev eth0
route add ::/0 dev eth0
"""
_BY_THE_NAT = """
route add 0.0.0.0/0 via 10.0.0.1
route add ::/0 via fd00::1
"""


@dataclass(frozen=True)
class Pair:
    """
    A client and a server that can reach each other.
    """

    client: Host
    server: Host
    _listeners: dict[int, socket.socket] = field(default_factory=dict, repr=False)

    def connect(
        self, *, keepalive: Keepalive | None = None, family: int = socket.AF_INET
    ) -> Connection:
        """
        Connect the client to the server; keepalive is the client's.
        """
        return self.connections(1, keepalive=keepalive, family=family)[0]

    def connections(
        self, count: int, *, keepalive: Keepalive | None = None, family: int = socket.AF_INET
    ) -> list[Connection]:
        """
        Make many connections, all to one port on which the server goes on listening.

        More than 28,000 need a wider net.ipv4.ip_local_port_range in the client.
        """
        _allow_more_files(2 * count)
        if family not in self._listeners:
            self._listeners[family] = self.server.listener(family)
        listener = self._listeners[family]
        connections = []
        for client in self.client.sockets(count, family):
            if keepalive is not None:
                keepalive.apply(client)
            client.settimeout(5)
            client.connect(listener.getsockname())
            client.settimeout(None)
            server, _ = listener.accept()
            connections.append(Connection(client, self.server.adopt(server)))
        return connections


@dataclass(frozen=True)
class NatLab(Pair):
    """
    A client behind a NAT, and a server outside, which sees all comers at the NAT's address.
    """

    nat: Nat = field(kw_only=True)


@contextmanager
def pair() -> Iterator[Pair]:
    """
    Build a client and a server with nothing between them.
    """
    with _client() as client, _server() as server:
        link(client, "eth0", server, "eth0")
        client.ip(_CLIENT + _EVERYONE_IS_NEXT_DOOR)
        server.ip(_SERVER + _EVERYONE_IS_NEXT_DOOR)
        yield Pair(client, server)


@contextmanager
def nat_lab(*, idle_timeout: int, on_timeout: OnTimeout = "drop") -> Iterator[NatLab]:
    """
    Build a client, a server and between them a NAT that forgets after idle_timeout seconds.
    """
    with (
        _client() as client,
        Nat(idle_timeout=idle_timeout, on_timeout=on_timeout) as nat,
        _server() as server,
    ):
        link(client, "eth0", nat, "inside")
        link(server, "eth0", nat, "outside")
        nat.ip(_NAT)
        client.ip(_CLIENT + _BY_THE_NAT)
        server.ip(_SERVER)
        yield NatLab(client, server, nat=nat)


def _client() -> Host:
    return Host("client", address="10.0.0.2", address6="fd00::2")


def _server() -> Host:
    return Host("server", address="203.0.113.10", address6="2001:db8::10")


def _allow_more_files(count: int) -> None:
    """
    Raise this process's limit of open files if so many more would exceed it.
    """
    process = psutil.Process()
    soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
    needed = process.num_fds() + count + 64
    if soft < needed:
        process.rlimit(psutil.RLIMIT_NOFILE, (needed, max(needed, hard)))
