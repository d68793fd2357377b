"""
The labs: two hosts joined directly, or with a NAT between them.

The addresses are the same in every lab. Those of the client are private. Those of the server and
the NAT are documentation addresses (RFC 5737, RFC 3849), used as public ones.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

from .hosts import Host, link
from .nat import Nat, OnTimeout
from .requirements import needs_files
from .traffic import Connection, Keepalive

# Only without duplicate address detection (nodad) are IPv6 addresses usable at once.
_DEVICE = """
addr add {address}/24 dev {device}
addr add {address6}/64 dev {device} nodad
link set {device} up
"""
_ALL_ON_LINK = """
route add 0.0.0.0/0 dev eth0
route add ::/0 dev eth0
"""
_VIA_NAT = """
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
        Connect the client to the server. keepalive applies to the client's socket.
        """
        return self.connections(1, keepalive=keepalive, family=family)[0]

    def connections(
        self, count: int, *, keepalive: Keepalive | None = None, family: int = socket.AF_INET
    ) -> list[Connection]:
        """
        Make many connections to one port, on which the server keeps listening.

        More than 28,000 need a wider net.ipv4.ip_local_port_range in the client.
        """
        needs_files(2 * count)
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
    A client behind a NAT, and a server outside, which sees the NAT's address as the remote one.
    """

    nat: Nat = field(kw_only=True)


@contextmanager
def pair() -> Iterator[Pair]:
    """
    Build a client and a server that are directly connected.
    """
    with _client() as client, _server() as server:
        link(client, "eth0", server, "eth0")
        for host in (client, server):
            _address(host, "eth0", host.address, host.address6)
            host.ip(_ALL_ON_LINK)
        yield Pair(client, server)


@contextmanager
def nat_lab(*, idle_timeout: int, on_timeout: OnTimeout = "drop") -> Iterator[NatLab]:
    """
    Build a client, a server and between them a NAT with an idle timeout in seconds.
    """
    with nat_labs("client", idle_timeout=idle_timeout, on_timeout=on_timeout) as (lab,):
        yield lab


@contextmanager
def nat_labs(
    *labels: str, idle_timeout: int, on_timeout: OnTimeout = "drop"
) -> Iterator[list[NatLab]]:
    """
    Build a client for each label, one NAT and one server; yields a lab for each client.

    The clients reach each other through the NAT, which does not translate between them.
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
    Build a client, a server and between them a chain of NATs, starting at the client.

    `nat` of the lab is the one next to the client.
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
            near.ip(_VIA_NAT.format(address=gateway, address6=gateway6))
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
    host.ip(_VIA_NAT.format(address=gateway, address6=gateway6))


def _address(host: Host, device: str, address: object, address6: object) -> None:
    host.ip(_DEVICE.format(device=device, address=address, address6=address6))


def _client(label: str = "client", number: int = 0) -> Host:
    address6 = IPv6Address("fd00::2") + (number << 64)
    return Host(label, address=f"10.0.{number}.2", address6=str(address6))


def _server() -> Host:
    return Host("server", address="203.0.113.10", address6="2001:db8::10")
