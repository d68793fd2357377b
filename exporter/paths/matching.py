"""
The idle timeouts that connections meet: the clouds' profiles, and which connection crosses which.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from exporter.model import (
    AddressArray,
    BoolArray,
    ConnectionTable,
    Direction,
    FloatArray,
    OnTimeout,
    Path,
)
from exporter.paths.addresses import Address, AddressSet

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

REMOTE_WORDS = ("public", "private", "any")

_HALF = 64
_HALF_MASK = (1 << _HALF) - 1
_MAPPED_PREFIX = 0xFFFF << 32
_MAPPED_MASK = _HALF_MASK ^ 0xFFFFFFFF
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")

PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # RFC 6598, carriers' and clouds' inner addresses
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's own platform service, which no NAT stands before
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::/127",
        "fc00::/7",
        "fe80::/10",
    )
)
"""What the word private means in a path's remote; public is everything else."""


class Profile(StrEnum):
    """
    A cloud's set of paths.
    """

    AZURE = "azure"
    AZURE_NAT_GATEWAY = "azure-nat-gateway"
    AKS = "aks"
    AWS = "aws"
    GCP = "gcp"
    NONE = "none"


def _path(
    name: str,
    direction: Direction,
    timeout: float,
    on_timeout: OnTimeout = OnTimeout.DROP,
    remote: str = "public",
) -> Path:
    return Path(name, direction, (remote,), timeout, on_timeout)


_AZURE_INBOUND = _path("azure-inbound", Direction.INBOUND, 240)

PROFILES: dict[Profile, tuple[Path, ...]] = {
    # Sources of the figures: docs/paths.md
    Profile.AZURE: (_path("azure-outbound", Direction.OUTBOUND, 240), _AZURE_INBOUND),
    Profile.AZURE_NAT_GATEWAY: (
        _path("azure-nat-gateway", Direction.OUTBOUND, 240),
        _AZURE_INBOUND,
    ),
    Profile.AKS: (
        _path("aks-outbound", Direction.OUTBOUND, 1800, OnTimeout.RESET),
        _AZURE_INBOUND,
    ),
    Profile.AWS: (
        _path("aws-nat-gateway", Direction.OUTBOUND, 350, OnTimeout.RESET),
        _path("aws-nlb", Direction.INBOUND, 350, OnTimeout.RESET),
    ),
    # The firewall tracks traffic between private addresses too, and forgets before Cloud NAT does.
    Profile.GCP: (_path("gcp-firewall", Direction.ANY, 600, remote="any"),),
    Profile.NONE: (),
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What must be known of a network namespace to tell which paths its connections cross.

    neighbours are addresses of other namespaces on this host.
    """

    listening_ports: frozenset[int]
    own_addresses: frozenset[Address]
    neighbours: AddressSet = field(default_factory=AddressSet)


def halves(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Address:
    """
    The address as the connection table holds it.
    """
    number = int(address)
    if address.version == 4:
        number |= _MAPPED_PREFIX
    return number >> _HALF, number & _HALF_MASK


def idle_timeouts(paths: Sequence[Path]) -> FloatArray:
    """
    The idle timeout for each index that assign() gives, in seconds; inf for -1.
    """
    return np.array([*(path.idle_timeout for path in paths), np.inf])


def is_listened_on(table: ConnectionTable, surroundings: Surroundings) -> BoolArray:
    """
    Which connections have a local port that the namespace listens on.
    """
    listening = np.zeros(1 << 16, np.bool_)
    listening[list(surroundings.listening_ports)] = True
    listened_on: BoolArray = listening[table.local_port]
    return listened_on


def to_text(address: Sequence[int]) -> str:
    """
    The address, given as the connection table holds it, as people write it.
    """
    full = ipaddress.IPv6Address((int(address[0]) << _HALF) | int(address[1]))
    return str(full.ipv4_mapped or full)


def assign(
    table: ConnectionTable,
    paths: Sequence[Path],
    surroundings: Surroundings,
    inbound: BoolArray,
) -> npt.NDArray[np.int16]:
    """
    The index of the path that each connection crosses, the first that matches; -1 for none.

    inbound tells which connections are.
    """
    crossing = ~stays_on_host(table, surroundings)
    return first_match(table.remote, paths, inbound, crossing)


def outbound_path(address: str, paths: Sequence[Path]) -> Path | None:
    """
    The path that connections from this host to another one's address cross.
    """
    remote = np.array([halves(ipaddress.ip_address(address))], np.uint64)
    inbound = np.zeros(1, np.bool_)
    (index,) = first_match(remote, paths, inbound, ~inbound)
    return paths[index] if index >= 0 else None


def first_match(
    remote: AddressArray, paths: Sequence[Path], inbound: BoolArray, crossing: BoolArray
) -> npt.NDArray[np.int16]:
    """
    The index of the path that each connection crosses, as of assign(); to remote, of any namespace.

    crossing tells which of them leave this host.
    """
    everything = np.ones(len(remote), np.bool_)
    is_direction: dict[Direction, BoolArray] = {
        Direction.INBOUND: inbound,
        Direction.OUTBOUND: ~inbound,
        Direction.ANY: everything,
    }
    words = {word for path in paths for word in path.remote}
    is_remote = {word: lead_to(remote, word) for word in words}

    path_of = np.full(len(remote), -1, np.int16)
    unassigned = crossing.copy()
    for index, path in enumerate(paths):
        matches: BoolArray = np.zeros(len(remote), np.bool_)
        for word in path.remote:
            matches |= is_remote[word]
        matches &= unassigned & is_direction[path.direction]
        path_of[matches] = index
        unassigned &= ~matches
    return path_of


def lead_to(addresses: AddressArray, remote: str) -> BoolArray:
    """
    Which of the addresses are meant by a network or one of REMOTE_WORDS.
    """
    if remote not in REMOTE_WORDS:
        return _in_networks(addresses, [ipaddress.ip_network(remote)])
    if remote == "any":
        return np.ones(len(addresses), np.bool_)
    private = _in_networks(addresses, PRIVATE)
    return private if remote == "private" else ~private


def stays_on_host(table: ConnectionTable, surroundings: Surroundings) -> BoolArray:
    """
    Which connections have both ends on this host.
    """
    same = table.remote == table.local
    stays: BoolArray = same[:, 0] & same[:, 1]
    stays |= _in_networks(table.remote, _LOOPBACK)
    for high, low in surroundings.own_addresses:
        stays |= (table.remote[:, 1] == low) & (table.remote[:, 0] == high)
    stays |= surroundings.neighbours.holds(table.remote)
    return stays


_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def _in_networks(addresses: AddressArray, networks: Sequence[Network]) -> BoolArray:
    """
    Which of the addresses lie in any of the networks.

    An IPv6 network holds no IPv4 addresses, not even ::/0, unless it is of mapped ones alone.
    """
    high, low = addresses[:, 0], addresses[:, 1]
    is_v4 = (high == 0) & (low & np.uint64(_MAPPED_MASK) == _MAPPED_PREFIX)
    inside: BoolArray = np.zeros(len(addresses), np.bool_)
    address = low.astype(np.uint32)  # of those that are IPv4
    for network in networks:
        if network.version == 4:
            inside |= (address & np.uint32(int(network.netmask))) == int(network.network_address)
    inside &= is_v4
    for network in networks:
        if network.version == 6:
            (network_high, network_low), mask = (
                halves(network.network_address),
                halves(network.netmask),
            )
            matches = (high & np.uint64(mask[0])) == network_high
            if mask[1]:
                matches &= (low & np.uint64(mask[1])) == network_low
            if network.supernet_of(_MAPPED):
                matches &= ~is_v4
            inside |= matches
    return inside
