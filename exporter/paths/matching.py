"""
Assignment of connections to paths.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from exporter.model import (
    AddressArray,
    BoolArray,
    ConnectionTable,
    Direction,
    FloatArray,
    Path,
    Role,
)
from exporter.paths.addresses import Address, AddressSet
from exporter.paths.redirects import EndpointSet

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # RFC 6598, internal addresses of carriers and clouds
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform service, reached without NAT
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::/127",
        "fc00::/7",
        "fe80::/10",
    )
)
"""Networks of the word private in a path's remote; public means all others."""

REMOTE_WORDS = ("public", "private", "any")

_HALF = 64
_HALF_MASK = (1 << _HALF) - 1
_MAPPED_PREFIX = 0xFFFF << 32
_MAPPED_MASK = _HALF_MASK ^ 0xFFFFFFFF
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class LocalEndpoints:
    """
    Facts about a network namespace that determine which paths its connections cross.

    neighbours has addresses of other namespaces on this host, redirected the ends of this host from
    which redirected connections were opened.
    """

    listening_ports: frozenset[int]
    own_addresses: frozenset[Address]
    neighbours: AddressSet = field(default_factory=AddressSet)
    redirected: EndpointSet = field(default_factory=EndpointSet)


def halves(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Address:
    """
    The address in the connection table's format.
    """
    number = int(address)
    if address.version == 4:
        number |= _MAPPED_PREFIX
    return number >> _HALF, number & _HALF_MASK


def idle_timeouts(paths: Sequence[Path]) -> FloatArray:
    """
    The idle timeout in seconds for each index returned by Routes.deciding(); inf for -1.
    """
    return np.array([*(path.idle_timeout for path in paths), np.inf])


def is_listened_on(table: ConnectionTable, endpoints: LocalEndpoints) -> BoolArray:
    """
    Whether the namespace listens on the local port of each connection.
    """
    listening = np.zeros(1 << 16, np.bool_)
    listening[list(endpoints.listening_ports)] = True
    listened_on: BoolArray = listening[table.local_port]
    return listened_on


def to_text(address: Sequence[int]) -> str:
    """
    The address, given in the connection table's format, as text.
    """
    full = ipaddress.IPv6Address((int(address[0]) << _HALF) | int(address[1]))
    return str(full.ipv4_mapped or full)


def outbound_path(address: str, paths: Sequence[Path]) -> Path | None:
    """
    The path of connections from this host to an address on another host.
    """
    remote = np.array([halves(ipaddress.ip_address(address))], np.uint64)
    inbound = np.zeros(1, np.bool_)
    (index,) = Routes(remote, paths, inbound, ~inbound).deciding()
    return paths[index] if index >= 0 else None


class Routes:
    """
    The paths that each connection crosses.

    remote has the remote addresses; crossing is true for connections that leave this host.
    """

    def __init__(
        self, remote: AddressArray, paths: Sequence[Path], inbound: BoolArray, crossing: BoolArray
    ) -> None:
        self._paths = paths
        self._crossing = crossing
        words = {word for path in paths for word in path.remote}
        self._is_remote = {word: lead_to(remote, word) for word in words}
        self._is_direction: dict[Direction, BoolArray] = {
            Direction.INBOUND: inbound,
            Direction.OUTBOUND: ~inbound,
            Direction.ANY: np.ones(len(remote), np.bool_),
        }
        self._crossed = [self._matches(path) for path in paths]
        replaced: BoolArray = np.zeros(len(remote), np.bool_)
        for crossed in self._crossed_with(Role.REPLACES):
            crossed[replaced] = False  # only the first match replaces the profile's
            replaced |= crossed
        for crossed in self._crossed_with(Role.PROFILE):
            crossed[replaced] = False

    def crosses(self, index: int) -> BoolArray:
        """
        Whether each connection crosses the path with this index.
        """
        return self._crossed[index]

    def translated(self) -> BoolArray:
        """
        Whether each connection crosses each path with snat_ports: a row per connection, a column
        per such path, in the order of the paths.
        """
        columns = [
            self.crosses(index)
            for index, path in enumerate(self._paths)
            if path.snat_ports is not None
        ]
        shape = len(columns), len(self._crossing)
        translated: BoolArray = np.array(columns, np.bool_).reshape(shape).T
        return translated

    def deciding(self) -> npt.NDArray[np.int16]:
        """
        The index of each connection's path with the shortest timeout, which is the first one to
        drop it. Of equal ones the first in the order of the paths; -1 for none.
        """
        path_of = np.full(len(self._crossing), -1, np.int16)
        for index in _shortest_last(self._paths):
            path_of[self.crosses(index)] = index
        return path_of

    def _crossed_with(self, role: Role) -> list[BoolArray]:
        of_paths = zip(self._paths, self._crossed, strict=True)
        return [crossed for path, crossed in of_paths if path.role is role]

    def _matches(self, path: Path) -> BoolArray:
        matches: BoolArray = np.zeros(len(self._crossing), np.bool_)
        for word in path.remote:
            matches |= self._is_remote[word]
        matches &= self._crossing
        matches &= self._is_direction[path.direction]
        return matches


def deciding_paths(paths: Sequence[Path]) -> tuple[Path, ...]:
    """
    The paths that may be the deciding one of a connection.

    A path of a profile never is if another one of it covers the same connections with a shorter
    timeout, or with the same one and is listed before it.
    """
    return tuple(
        path
        for index, path in enumerate(paths)
        if path.role is not Role.PROFILE
        or not any(
            _covers(other, path) and (other.idle_timeout, number) < (path.idle_timeout, index)
            for number, other in enumerate(paths)
        )
    )


def _covers(wide: Path, narrow: Path) -> bool:
    return (
        wide.role is Role.PROFILE
        and wide.direction in (Direction.ANY, narrow.direction)
        and ("any" in wide.remote or set(narrow.remote) <= set(wide.remote))
    )


def _shortest_last(paths: Sequence[Path]) -> list[int]:
    """
    The indices of the paths, the longest timeout first; of equal ones the last in order first.
    """
    return sorted(range(len(paths)), key=lambda index: (-paths[index].idle_timeout, -index))


def lead_to(addresses: AddressArray, remote: str) -> BoolArray:
    """
    Whether each address matches remote, a network or one of REMOTE_WORDS.
    """
    if remote not in REMOTE_WORDS:
        return _in_networks(addresses, [ipaddress.ip_network(remote)])
    if remote == "any":
        return np.ones(len(addresses), np.bool_)
    private = _in_networks(addresses, PRIVATE)
    return private if remote == "private" else ~private


def is_redirected(
    table: ConnectionTable, endpoints: LocalEndpoints, inbound: BoolArray
) -> BoolArray:
    """
    Whether each connection was opened here and is redirected to a server on this host.
    """
    return ~inbound & endpoints.redirected.contains(table.local, table.local_port)


def stays_on_host(table: ConnectionTable, endpoints: LocalEndpoints) -> BoolArray:
    """
    Whether the remote address of each connection is this host's.
    """
    same = table.remote == table.local
    stays: BoolArray = same[:, 0] & same[:, 1]
    stays |= _in_networks(table.remote, _LOOPBACK)
    for high, low in endpoints.own_addresses:
        stays |= (table.remote[:, 1] == low) & (table.remote[:, 0] == high)
    stays |= endpoints.neighbours.contains(table.remote)
    return stays


_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def _in_networks(addresses: AddressArray, networks: Sequence[Network]) -> BoolArray:
    """
    Whether each address is in any of the networks.

    An IPv6 network contains no IPv4 addresses, not even ::/0, unless it contains only mapped ones.
    """
    high, low = addresses[:, 0], addresses[:, 1]
    is_v4 = (high == 0) & (low & np.uint64(_MAPPED_MASK) == _MAPPED_PREFIX)
    inside: BoolArray = np.zeros(len(addresses), np.bool_)
    address = low.astype(np.uint32)  # valid for IPv4 only
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
