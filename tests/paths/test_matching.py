"""
Assignment of connections to paths.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import ConnectionTable, Direction, OnTimeout, Path, Role
from exporter.paths.matching import (
    LocalEndpoints,
    Network,
    Routes,
    deciding_paths,
    halves,
    is_listened_on,
    stays_on_host,
)
from exporter.paths.profiles import PROFILES, Profile
from tests.tables import connections

OWN_V4, OWN_V6 = "10.0.0.4", "fd00::4"
ENDPOINTS = LocalEndpoints(
    listening_ports=frozenset({443}),
    own_addresses=frozenset(
        halves(ipaddress.ip_address(address))
        for address in ("127.0.0.1", "::1", OWN_V4, OWN_V6, "198.51.100.9")
    ),
)
OUTBOUND, INBOUND = f"{OWN_V4}:50000", f"{OWN_V4}:443"
OUTBOUND_V6, INBOUND_V6 = f"[{OWN_V6}]:50000", f"[{OWN_V6}]:443"


def path(
    name: str,
    *remote: str,
    direction: Direction = Direction.ANY,
    timeout: float = 60.0,
    role: Role = Role.REPLACES,
) -> Path:
    """
    A path of the config file, unless role says otherwise.
    """
    return Path(name, direction, remote or ("any",), timeout, OnTimeout.DROP, role)


def crossed(table: ConnectionTable, paths: Sequence[Path], endpoints: LocalEndpoints) -> list[int]:
    """
    The index of each connection's path when it is first seen.
    """
    crossing = ~stays_on_host(table, endpoints)
    inbound = is_listened_on(table, endpoints)
    indices = Routes(table.remote, paths, inbound, crossing).deciding()
    return [int(index) for index in indices]


def names(paths: Sequence[Path], *ends: tuple[str, str]) -> list[str | None]:
    """
    The name of each connection's path.
    """
    indices = crossed(connections(*ends), paths, ENDPOINTS)
    return [paths[index].name if index >= 0 else None for index in indices]


@pytest.mark.parametrize(
    ("profile", "outbound", "inbound", "private"),
    [
        (Profile.AZURE, "azure-outbound", "azure-inbound", None),
        (Profile.AZURE_NAT_GATEWAY, "azure-nat-gateway", "azure-inbound", None),
        (
            Profile.AZURE_FIREWALL,
            "azure-firewall-outbound",
            "azure-inbound",
            "azure-firewall-private",
        ),
        (Profile.AKS, "aks-outbound", "azure-inbound", None),
        (Profile.AWS, "aws-eni", "aws-eni", "aws-eni"),
        (Profile.AWS_NAT_GATEWAY, "aws-nat-gateway", "aws-nlb", None),
        (Profile.AWS_ENI, "aws-eni", "aws-eni", "aws-eni"),
        (Profile.GCP, "gcp-firewall", "gcp-firewall", "gcp-firewall"),
        (Profile.OCI, None, "oci-nlb", None),
        (Profile.ALIBABA, "alibaba-nat-gateway", None, None),
        (Profile.CALICO_EBPF, "calico-ebpf", "calico-ebpf", "calico-ebpf"),
        (Profile.CILIUM, "cilium", "cilium", "cilium"),
        (Profile.NONE, None, None, None),
    ],
)
def test_profiles(
    profile: Profile, outbound: str | None, inbound: str | None, private: str | None
) -> None:
    """
    Each profile's paths match the traffic that its devices forget.
    """
    assert names(
        PROFILES[profile],
        (OUTBOUND, "203.0.113.1:443"),
        (OUTBOUND_V6, "[2001:db8::1]:443"),
        (INBOUND, "203.0.113.1:50000"),
        (INBOUND_V6, "[2001:db8::1]:50000"),
        (OUTBOUND, "10.1.0.1:443"),
        (INBOUND_V6, "[fd00:1::1]:50000"),
    ) == [outbound, outbound, inbound, inbound, private, private]


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("9.255.255.255", "public"),
        ("10.0.0.0", "private"),
        ("100.63.255.255", "public"),
        ("100.64.0.0", "private"),
        ("100.127.255.255", "private"),
        ("100.128.0.0", "public"),
        ("168.63.129.15", "public"),
        ("168.63.129.16", "private"),  # Azure's platform service, reached without NAT
        ("168.63.129.17", "public"),
        ("169.254.169.254", "private"),
        ("172.15.255.255", "public"),
        ("172.16.0.0", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.0", "public"),
        ("192.168.255.255", "private"),
        ("192.169.0.0", "public"),
        ("::ffff:10.1.2.3", "private"),
        ("::ffff:203.0.113.1", "public"),
        ("2001:db8::1", "public"),
        ("fc00::1", "private"),
        ("fdff::1", "private"),
        ("fe00::1", "public"),
        ("fe80::1", "private"),
        ("fec0::1", "public"),
    ],
)
def test_public_and_private(address: str, word: str) -> None:
    """
    Every address is either public or private, also IPv4 in mapped form.
    """
    host = f"[{address}]" if ":" in address else address
    paths = [path("private", "private"), path("public", "public")]
    assert names(paths, (OUTBOUND, f"{host}:443")) == [word]
    assert names(paths[::-1], (OUTBOUND, f"{host}:443")) == [word]


def test_azure_platform_crosses_no_nat() -> None:
    """
    Azure's platform service 168.63.129.16 crosses no path.
    """
    assert names(PROFILES[Profile.AZURE], (OUTBOUND, "168.63.129.16:80")) == [None]


def test_first_match_wins() -> None:
    """
    The first matching path is used: paths in the file before the profile's, earlier before later.
    """
    paths = [
        path("office", "203.0.113.0/24", direction=Direction.OUTBOUND),
        path("wider", "203.0.0.0/16"),
        *PROFILES[Profile.AZURE],
    ]
    assert names(
        paths,
        (OUTBOUND, "203.0.113.1:443"),
        (INBOUND, "203.0.113.1:50000"),
        (OUTBOUND, "203.0.112.1:443"),
        (OUTBOUND, "203.1.0.1:443"),
    ) == ["office", "wider", "wider", "azure-outbound"]


def test_any_of_several_remotes() -> None:
    """
    A path matches if one of its remotes does, networks and words alike.
    """
    paths = [path("partners", "203.0.113.0/24", "2001:db8::/32", "private")]
    assert names(
        paths,
        (OUTBOUND, "203.0.113.1:443"),
        (OUTBOUND_V6, "[2001:db8::1]:443"),
        (OUTBOUND, "192.168.1.1:443"),
        (OUTBOUND, "203.0.114.1:443"),
    ) == ["partners", "partners", "partners", None]


def test_v4_network_matches_mapped_address() -> None:
    """
    IPv4 networks match a connection of an IPv6 socket to an IPv4 peer.
    """
    paths = [path("v4", "203.0.113.0/24")]
    assert names(
        paths,
        (f"[::ffff:{OWN_V4}]:50000", "[::ffff:203.0.113.1]:443"),
        (f"[::ffff:{OWN_V4}]:50000", "[::ffff:203.0.114.1]:443"),
        (OUTBOUND_V6, "[::203.0.113.1]:443"),
    ) == ["v4", None, None]


def test_all_of_ipv6_has_no_ipv4() -> None:
    """
    ::/0 matches every IPv6 peer and no IPv4 peer, although it contains the mapped addresses.
    """
    ends = (OUTBOUND, "203.0.113.1:443"), (OUTBOUND_V6, "[2001:db8::1]:443")
    assert names([path("v6", "::/0")], *ends) == [None, "v6"]
    assert names([path("mapped", "::ffff:203.0.113.0/120")], *ends) == ["mapped", None]


@pytest.mark.parametrize(
    ("local", "remote"),
    [
        ("127.0.0.1:50000", "127.0.0.1:443"),
        ("127.0.0.1:50000", "127.9.9.9:443"),
        ("[::1]:50000", "[::1]:443"),
        ("[::ffff:127.0.0.1]:50000", "[::ffff:127.0.0.1]:443"),
        (OUTBOUND, f"{OWN_V4}:443"),
        (OUTBOUND, "198.51.100.9:443"),
        (INBOUND_V6, f"[{OWN_V6}]:50000"),
        (f"[::ffff:{OWN_V4}]:50000", f"[::ffff:{OWN_V4}]:443"),
        ("203.0.113.77:50000", "203.0.113.77:443"),  # an address removed from its interface
    ],
)
def test_connection_within_host(local: str, remote: str) -> None:
    """
    A connection with both ends on this host crosses no path, for any addresses.
    """
    assert names([path("all", "any")], (local, remote), (remote, local)) == [None, None]


def test_host_without_listeners() -> None:
    """
    Without listening ports, every connection is outbound.
    """
    paths = [path("in", direction=Direction.INBOUND), path("out", direction=Direction.OUTBOUND)]
    nothing = LocalEndpoints(frozenset(), frozenset())
    assert crossed(connections((INBOUND, "203.0.113.1:1")), paths, nothing) == [1]


def test_no_connections() -> None:
    """
    An empty table is accepted.
    """
    assert crossed(connections(), PROFILES[Profile.AZURE], ENDPOINTS) == []


MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
V4_NETWORKS = st.builds(
    lambda number, bits: ipaddress.IPv4Network((number, bits), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
V6_NETWORKS = st.builds(
    lambda number, bits: ipaddress.IPv6Network((number, bits), strict=False),
    st.integers(0, 2**128 - 1),
    st.integers(0, 128),
).filter(lambda network: not network.subnet_of(MAPPED))
HERE = "192.0.2.1"


def at_the_edges(network: Network) -> list[str]:
    """
    The network's first and last address, one in between, and both adjacent addresses outside.
    """
    kind = type(network.network_address)
    first, last = int(network.network_address), int(network.broadcast_address)
    numbers = [first - 1, first, (first + last) // 2, last, last + 1]
    addresses = [str(kind(number)) for number in numbers if 0 <= number < 2**network.max_prefixlen]
    return [address for address in addresses if not stays_here(address)]


def as_peer(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """
    The peer's address: IPv4 if it is a mapped address.
    """
    peer = ipaddress.ip_address(address)
    return (peer.version == 6 and peer.ipv4_mapped) or peer


def stays_here(address: str) -> bool:
    """
    Whether a connection from HERE to the address crosses no path.
    """
    return address == HERE or as_peer(address).is_loopback


@given(st.lists(V4_NETWORKS | V6_NETWORKS, min_size=1, max_size=4))
def test_matches_as_ipaddress_does(networks: list[Network]) -> None:
    """
    Networks match the same addresses as Python's ipaddress; the first matching one is used.
    """
    addresses = [address for network in networks for address in at_the_edges(network)]
    ends = [
        (f"{HERE}:1", f"[{address}]:1" if ":" in address else f"{address}:1")
        for address in addresses
    ]
    paths = [path(str(number), str(network)) for number, network in enumerate(networks)]
    expected = [
        next((index for index, network in enumerate(networks) if as_peer(address) in network), -1)
        for address in addresses
    ]
    nothing = LocalEndpoints(frozenset(), frozenset())
    assert crossed(connections(*ends), paths, nothing) == expected


NAT = path("nat", "public", direction=Direction.OUTBOUND, timeout=350, role=Role.PROFILE)
INTERFACE = path("interface", timeout=350, role=Role.PROFILE)
FIREWALL = path("firewall", timeout=600, role=Role.PROFILE)
PARTNER = "203.0.113.1:443"


@pytest.mark.parametrize(
    ("paths", "private", "partner", "other"),
    [
        ((NAT, FIREWALL), "firewall", "nat", "nat"),
        ((FIREWALL, NAT), "firewall", "nat", "nat"),
        ((NAT, INTERFACE), "interface", "nat", "nat"),
        ((INTERFACE, NAT), "interface", "interface", "interface"),
        ((path("own", "203.0.113.0/24", timeout=3600), NAT), None, "own", "nat"),
        (
            (path("own", "203.0.113.0/24", timeout=3600, role=Role.ADDS), NAT),
            None,
            "nat",
            "nat",
        ),
        ((path("own", "203.0.113.0/24", timeout=60, role=Role.ADDS), NAT), None, "own", "nat"),
        (
            (path("own", timeout=900), path("also", timeout=60, role=Role.ADDS), NAT),
            "also",
            "also",
            "also",
        ),
        (
            (path("own", timeout=900), path("also", timeout=3600, role=Role.ADDS), NAT),
            "own",
            "own",
            "own",
        ),
        ((path("also", timeout=350, role=Role.ADDS), NAT), "also", "also", "also"),
    ],
)
def test_shortest_timeout_decides(
    paths: tuple[Path, ...], private: str | None, partner: str, other: str
) -> None:
    """
    Of several devices on a route, the one with the shortest timeout decides, the first of equals.
    A path of the config file replaces the profile's, or is added to them.
    """
    ends = ((OUTBOUND, "10.9.0.1:5432"), (OUTBOUND, PARTNER), (OUTBOUND, "198.18.0.1:443"))
    assert names(paths, *ends) == [private, partner, other]


def test_a_shorter_own_path_does_not_win_before_the_first_match() -> None:
    """
    Of several paths of the config file that replace the profile's, the first match applies.
    """
    paths = (path("first", timeout=900), path("second", timeout=60))
    assert names(paths, (OUTBOUND, PARTNER)) == ["first"]


def test_every_device_is_crossed() -> None:
    """
    A connection crosses all devices of its route, not only the one that decides.
    """
    table = connections((OUTBOUND, PARTNER), (INBOUND, PARTNER), (OUTBOUND, "10.9.0.1:443"))
    paths = (path("also", "203.0.113.0/24", timeout=60, role=Role.ADDS), NAT, INTERFACE)
    inbound = is_listened_on(table, ENDPOINTS)
    routes = Routes(table.remote, paths, inbound, ~stays_on_host(table, ENDPOINTS))
    assert [routes.crosses(index).tolist() for index in range(3)] == [
        [True, True, False],
        [True, False, False],
        [True, True, True],
    ]
    assert routes.deciding().tolist() == [0, 0, 2]


def test_paths_that_never_decide() -> None:
    """
    A profile's path never decides if another one of it covers the same connections and is shorter,
    or as short and listed before it. Other paths may decide, and those of the config file always.
    """
    longer = replace(INTERFACE, name="longer", idle_timeout=600)
    private = path("private", "private", timeout=900, role=Role.PROFILE)
    assert names_of(deciding_paths((INTERFACE, NAT, longer))) == ["interface"]
    assert names_of(deciding_paths((NAT, INTERFACE, longer))) == ["nat", "interface"]
    assert names_of(deciding_paths((NAT, private))) == ["nat", "private"]
    assert names_of(deciding_paths((NAT, replace(NAT, name="late", idle_timeout=400)))) == ["nat"]
    own = [replace(longer, name=role, role=role) for role in (Role.REPLACES, Role.ADDS)]
    assert names_of(deciding_paths((*own, INTERFACE))) == ["replaces", "adds", "interface"]


def names_of(paths: Sequence[Path]) -> list[str]:
    """
    The names of paths.
    """
    return [each.name for each in paths]


def test_translated_by_paths_with_ports() -> None:
    """
    The paths with SNAT ports that a connection crosses, also where another path decides.
    """
    table = connections((OUTBOUND, PARTNER), (INBOUND, PARTNER), (OUTBOUND, "10.9.0.1:443"))
    paths = (
        path("also", "203.0.113.0/24", timeout=60, role=Role.ADDS),
        replace(NAT, snat_ports=1024),
        INTERFACE,
        replace(path("office", "10.0.0.0/8"), snat_ports=64),
    )
    inbound = is_listened_on(table, ENDPOINTS)
    routes = Routes(table.remote, paths, inbound, ~stays_on_host(table, ENDPOINTS))
    assert routes.translated().tolist() == [[True, False], [False, False], [False, True]]


@pytest.mark.parametrize("rows", [0, 2])
def test_translated_by_no_path(rows: int) -> None:
    """
    Without paths with SNAT ports, there is a row without columns for each connection.
    """
    table = connections(*[(OUTBOUND, PARTNER)] * rows)
    routes = Routes(table.remote, (NAT,), np.zeros(rows, np.bool_), np.ones(rows, np.bool_))
    assert routes.translated().shape == (rows, 0)
