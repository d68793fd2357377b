"""
TCP sockets of every kind that the kernel reports, in a separate namespace.
"""

import contextlib
import errno
import itertools
import os
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from socket import AF_INET, AF_INET6, IPPROTO_TCP

from tests.lab import Host, Keepalive
from tests.lab.requirements import needs_files
from tests.lab.traffic import Socket
from tests.linux.netlink.states import SHARES, drop_incoming

V4_ADDRESSES = ("192.0.2.7", "203.0.113.10")
MAPPED_ADDRESSES = ("::ffff:192.0.2.7", "::ffff:203.0.113.10")
V6_ADDRESSES = ("2001:db8:1:2:3:4:5:6", "2001:db8:f:e:d:c:b:a")

_TCP_MD5SIG, _TCP_ULP = 14, 31
_MD5_KEY = struct.Struct("@H2s4s120sBBHi80s")
_CONGESTION_CONTROLS = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
_SYSCTLS = {
    "net.ipv4.tcp_rmem": "4096 8192 8192",  # to fill windows quickly
    "net.ipv4.tcp_wmem": "4096 8192 8192",
    "net.ipv4.tcp_syn_linear_timeouts": 0,  # for rare retransmissions
    "net.ipv4.tcp_syn_retries": 30,  # to keep half-open connections
    "net.ipv4.tcp_synack_retries": 30,
}
_HOLD_A_CONNECTION = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
print("ready", flush=True)
time.sleep(3600)
"""


@dataclass(frozen=True, slots=True)
class Route:
    """
    The address family of a client, its source and target addresses, and the listener's family.
    """

    family: int
    source: str
    target: str
    listener: int


ROUTES = (
    Route(AF_INET, *V4_ADDRESSES, AF_INET),
    Route(AF_INET6, *V6_ADDRESSES, AF_INET6),
    Route(AF_INET6, *MAPPED_ADDRESSES, AF_INET6),
    Route(AF_INET, *V4_ADDRESSES, AF_INET6),  # mapped at the server's end only
)
KEEPALIVES = (None, Keepalive(60), Keepalive(120, 30, 8), Keepalive(), Keepalive(32767))
SIGNING_KEY = b"-"
OWNERS = (0, 33, 65534)


@dataclass
class Population:
    """
    Sockets in a host, closed with it.

    kinds counts the sockets by kind, lacking has the kinds that this kernel does not support,
    cgroup is the id of the cgroup of some of the sockets.
    """

    host: Host
    kinds: Counter[str] = field(default_factory=Counter)
    lacking: list[str] = field(default_factory=list)
    cgroup: int | None = None


@contextlib.contextmanager
def population(connections: int) -> Iterator[Population]:
    """
    Open this many connections, in all states, and some sockets of each rarer kind.
    """
    needs_files(2 * connections)
    with Host("population") as host:
        for name, value in _SYSCTLS.items():
            with contextlib.suppress(FileNotFoundError):  # missing in older kernels
                host.sysctl(name, value)
        host.ip("".join(f"addr add {address}/32 dev lo\n" for address in V4_ADDRESSES))
        host.ip("".join(f"addr add {address}/128 dev lo nodad\n" for address in V6_ADDRESSES))
        everyone = Population(host)
        host.call(_open, everyone, connections)
        with _in_a_cgroup(everyone):
            yield everyone


def _open(everyone: Population, connections: int) -> None:
    """
    Runs completely inside the namespace, because entering it for each socket would take longer.
    """
    _wait_for_ipv6()
    _half_open(everyone)  # first, so that their retransmissions are rare when all are open
    _connect(everyone, connections)
    _listen(everyone)
    _with_protocols_on_top(everyone)


def _wait_for_ipv6() -> None:
    """
    The kernel adds an address's route in the background, even without duplicate address detection.
    """
    deadline = time.monotonic() + 10
    while not all(map(_is_routed, V6_ADDRESSES, reversed(V6_ADDRESSES))):
        assert time.monotonic() < deadline, "IPv6 addresses have no routes"
        time.sleep(0.01)


def _is_routed(source: str, target: str) -> bool:
    with Socket(AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((source, 0))
            probe.connect((target, 9))
        except OSError:
            return False
    return True


def _connect(everyone: Population, connections: int) -> None:
    controls = _CONGESTION_CONTROLS.read_text().split()
    listeners: dict[int, Socket] = {
        family: _listener(everyone.host, family) for family in (AF_INET, AF_INET6)
    }
    random = Random(1)
    for state in random.choices(list(SHARES), list(SHARES.values()), k=connections):
        route, control = random.choice(ROUTES), random.choice(controls)
        client, server = _pair(everyone.host, route, listeners[route.listener], control)
        if keepalive := random.choice(KEEPALIVES):
            keepalive.apply(client)
        os.fchown(client.fileno(), random.choice(OWNERS), -1)
        state(client, server)
        everyone.kinds[f"{state.__name__}, {control}"] += 1


def _pair(host: Host, route: Route, listener: Socket, control: str) -> tuple[Socket, Socket]:
    client = host.adopt(Socket(route.family))
    client.setsockopt(IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())
    client.bind((route.source, 0))
    _connect_when_routed(client, (route.target, listener.getsockname()[1]))
    server, _ = listener.accept()
    return client, host.adopt(server)


def _connect_when_routed(client: Socket, address: tuple[str, int]) -> None:
    """
    Connect. A route of IPv6 can be missing for a moment even after it was there.
    """
    deadline = time.monotonic() + 10
    while True:
        try:
            return client.connect(address)
        except OSError as error:
            if error.errno != errno.ENETUNREACH or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _listener(host: Host, family: int, *, v6_only: bool = False) -> Socket:
    listener = host.adopt(Socket(family))
    if v6_only:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(("", 0))
    listener.listen(4096)
    return listener


def _listen(everyone: Population) -> None:
    """
    Listeners, some with TCP-MD5 keys, which make messages of different lengths.
    """
    for family, keys in itertools.product((AF_INET, AF_INET6), range(4)):
        listener = _listener(everyone.host, family, v6_only=family == AF_INET6 and keys == 0)
        for key in range(keys if family == AF_INET else 0):
            _demand_signature(listener, f"192.0.2.{key + 1}")
        everyone.kinds["listening"] += 1


def _demand_signature(listener: Socket, peer: str) -> None:
    key = _MD5_KEY.pack(AF_INET, b"", socket.inet_aton(peer), b"", 0, 0, 1, 0, SIGNING_KEY)
    listener.setsockopt(IPPROTO_TCP, _TCP_MD5SIG, key)


def _half_open(everyone: Population) -> None:
    """
    SYN_SENT to a listener that does not receive it, SYN_RECV from a client that does not receive
    the answer.
    """
    for route, at_listener in itertools.product(ROUTES, (True, False)):
        listener = _listener(everyone.host, route.listener)
        client = everyone.host.adopt(Socket(route.family))
        drop_incoming(listener if at_listener else client)
        client.setblocking(False)
        client.bind((route.source, 0))
        client.connect_ex((route.target, listener.getsockname()[1]))
        everyone.kinds["half open"] += 1


def _with_protocols_on_top(everyone: Population) -> None:
    """
    Subflows of MPTCP, and kernel TLS; each adds an attribute.
    """
    host = everyone.host
    try:
        listener = Socket(AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP)
    except OSError as error:
        everyone.lacking.append(f"MPTCP ({error.strerror})")
    else:
        host.adopt(listener).bind((V4_ADDRESSES[1], 0))
        listener.listen()
        for _ in range(4):
            client = Socket(AF_INET, socket.SOCK_STREAM, socket.IPPROTO_MPTCP)
            host.adopt(client).connect(listener.getsockname())
            host.adopt(listener.accept()[0])
            everyone.kinds["MPTCP"] += 1
    for route in ROUTES:
        client, _ = _pair(host, route, _listener(host, route.listener), "cubic")
        try:
            client.setsockopt(IPPROTO_TCP, _TCP_ULP, b"tls")
        except OSError as error:
            everyone.lacking.append(f"kernel TLS ({error.strerror})")
            break
        everyone.kinds["kernel TLS"] += 1


@contextlib.contextmanager
def _in_a_cgroup(everyone: Population) -> Iterator[None]:
    """
    A listener and a connection that is not accepted, in a separate cgroup.
    """
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    roots = [mount.split()[1] for mount in mounts if mount.split()[2] == "cgroup2"]
    directory = Path(roots[0] if roots else "/none", f"test-{everyone.host.name}")
    try:
        directory.mkdir()  # fails if cgroup2 is not mounted, or read-only
    except OSError as error:
        everyone.lacking.append(f"another cgroup ({error.strerror})")
        yield
        return
    try:
        enter = ["sh", "-c", 'echo $$ >"$0"/cgroup.procs && exec "$@"', str(directory)]
        argv = [*enter, sys.executable, "-c", _HOLD_A_CONNECTION]
        process = everyone.host.start(argv, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        everyone.cgroup = directory.stat().st_ino
        everyone.kinds["in a cgroup"] += 1
        yield
    finally:
        everyone.host.close()
        directory.rmdir()
