"""
The labs: two hosts joined directly, or with a NAT between them.

The addresses are the same in every lab. The client's are private, the server's and the NAT's are
documentation addresses (RFC 5737, RFC 3849), which stand for public ones.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

import psutil

from .hosts import Host, link
from .nat import Nat, OnTimeout
from .traffic import Connection, Keepalive

# IPv6 addresses are usable at once only without duplicate address detection (nodad).
_DEVICE = """
addr add {address}/24 dev {device}
addr add {address6}/64 dev {device} nodad
link set {device} up
"""
_EVERYONE_IS_NEXT_DOOR = """
route add 0.0.0.0/0 dev eth0
route add ::/0 dev eth0
"""
_BY_THE_NAT = """
route add 0.0.0.0/0 via {address}
route add ::/0 via {address6}
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
        for host in (client, server):
            _address(host, "eth0", host.address, host.address6)
            host.ip(_EVERYONE_IS_NEXT_DOOR)
        yield Pair(client, server)


@contextmanager
def nat_lab(*, idle_timeout: int, on_timeout: OnTimeout = "drop") -> Iterator[NatLab]:
    """
    Build a client, a server and between them a NAT that forgets after idle_timeout seconds.
    """
    with nat_labs("client", idle_timeout=idle_timeout, on_timeout=on_timeout) as (lab,):
        yield lab


@contextmanager
def nat_labs(
    *labels: str, idle_timeout: int, on_timeout: OnTimeout = "drop"
) -> Iterator[list[NatLab]]:
    """
    Build several clients behind one NAT, labelled so, and one server: a lab for each client.

    The clients reach each other through the NAT, which leaves their addresses alone.
    """
    with ExitStack() as stack:
        hosts = [stack.enter_context(_client(label, number)) for number, label in enumerate(labels)]
        nat = stack.enter_context(Nat(idle_timeout=idle_timeout, on_timeout=on_timeout))
        server = stack.enter_context(_server())
        for number, host in enumerate(hosts):
            _put_behind(nat, host, f"inside{number or ''}")
        _put_before(nat, server)
        yield [NatLab(host, server, nat=nat) for host in hosts]


@contextmanager
def nats_in_a_row(*idle_timeouts: int, on_timeout: OnTimeout = "drop") -> Iterator[NatLab]:
    """
    Build a client, a server and between them NATs one behind the other, the client's own first.

    The lab's nat is the client's own.
    """
    with ExitStack() as stack:
        client = stack.enter_context(_client())
        nats = [
            stack.enter_context(Nat(idle_timeout=timeout, on_timeout=on_timeout))
            for timeout in idle_timeouts
        ]
        server = stack.enter_context(_server())
        _put_behind(nats[0], client, "inside")
        for number, (near, far) in enumerate(pairwise(nats), start=200):
            link(near, "outside", far, "inside")
            gateway, gateway6 = IPv4Address(f"10.0.{number}.1"), IPv6Address(f"fd00:{number}::1")
            _address(far, "inside", gateway, gateway6)
            _address(near, "outside", gateway + 1, gateway6 + 1)
            near.ip(_BY_THE_NAT.format(address=gateway, address6=gateway6))
        _put_before(nats[-1], server)
        yield NatLab(client, server, nat=nats[0])


def _put_before(nat: Nat, server: Host) -> None:
    link(server, "eth0", nat, "outside")
    _address(nat, "outside", nat.address, nat.address6)
    _address(server, "eth0", server.address, server.address6)


def _put_behind(nat: Nat, host: Host, device: str) -> None:
    gateway, gateway6 = IPv4Address(host.address) - 1, IPv6Address(host.address6) - 1
    link(host, "eth0", nat, device)
    _address(nat, device, gateway, gateway6)
    _address(host, "eth0", host.address, host.address6)
    host.ip(_BY_THE_NAT.format(address=gateway, address6=gateway6))


def _address(host: Host, device: str, address: object, address6: object) -> None:
    host.ip(_DEVICE.format(device=device, address=address, address6=address6))


def _client(label: str = "client", number: int = 0) -> Host:
    address6 = IPv6Address("fd00::2") + (number << 64)
    return Host(label, address=f"10.0.{number}.2", address6=str(address6))


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
