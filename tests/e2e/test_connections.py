"""
The command `connections` on real servers: it shows the socket options of their configuration.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.connections.listing import ConnectionLister
from exporter.connections.query import Query
from exporter.connections.rows import Connection
from tests.e2e.proxies import start_haproxy, start_nginx
from tests.e2e.servers import software, wait_for_ports
from tests.exporter_process import COMMAND, NO_CLOUD, ROOT
from tests.lab import LAB_MARKS, Host, pair
from tests.linux.rights import (
    CAP_DAC_READ_SEARCH,
    CAP_NET_ADMIN,
    CAP_SYS_ADMIN,
    CAP_SYS_PTRACE,
    NOBODY,
    become_nobody,
)

pytestmark = LAB_MARKS

LINUX = (7200, 75, 9)
"""Keepalive time, interval and probes of a new network namespace."""


@dataclass(frozen=True)
class Server:
    """
    A listening server with its configuration, and the expected options of its connections.

    keepalive has time, interval and probes, None if keepalive is off. user_timeout is in seconds.
    """

    port: int
    process: str
    configuration: str
    keepalive: tuple[int, int, int] | None
    user_timeout: float = 0

    def __str__(self) -> str:
        return f"{self.process} {self.configuration or 'default'}".replace("\n", ", ")


SERVERS = (
    Server(5432, "postgres", "", LINUX),
    Server(
        5433,
        "postgres",
        "tcp_keepalives_idle = 110\ntcp_keepalives_interval = 21\ntcp_keepalives_count = 5\n"
        "tcp_user_timeout = 31000",
        (110, 21, 5),
        31,
    ),
    Server(6379, "redis-server", "", (300, 100, 3)),
    Server(6380, "redis-server", "tcp-keepalive 60", (60, 20, 3)),
    Server(6381, "redis-server", "tcp-keepalive 0", None),
    Server(2201, "sshd", "", LINUX),
    Server(2202, "sshd", "TCPKeepAlive no", None),
    Server(8081, "nginx", "", None),
    Server(8082, "nginx", "so_keepalive=on", LINUX),
    Server(8083, "nginx", "so_keepalive=100s:11s:4", (100, 11, 4)),
    Server(9001, "haproxy", "", None),
    Server(9002, "haproxy", "option clitcpka", LINUX),
    Server(
        9003,
        "haproxy",
        "option clitcpka\nclitcpka-idle 90s\nclitcpka-intvl 13s\nclitcpka-cnt 6",
        (90, 13, 6),
    ),
    Server(9004, "haproxy", "", None, 45),  # by tcp-ut on its bind line
)
BACKEND = 6400
BEHIND_HAPROXY = "option srvtcpka\nsrvtcpka-idle 80s\nsrvtcpka-intvl 12s\nsrvtcpka-cnt 7"
KINDS = {"postgres": "PostgreSQL", "redis-server": "Redis", "sshd": "OpenSSH"}


@dataclass
class Shown:
    """
    Listed connections: of each server by port, from HAProxy to its backend, and by capabilities.
    """

    inbound: dict[int, dict[str, Any]]
    to_backend: dict[str, Any]
    by_rights: dict[tuple[int, ...], list[Connection]]


RIGHTS: dict[tuple[int, ...], bool] = {
    (): False,
    (CAP_NET_ADMIN,): False,
    (CAP_SYS_ADMIN, CAP_SYS_PTRACE): False,
    (CAP_DAC_READ_SEARCH,): False,
    (CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH): True,
}
"""Capabilities of a user other than root, and whether they give processes and exact options."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """
    Connections to all servers in one namespace, listed with different capabilities.
    """
    directory = tmp_path_factory.mktemp("servers")
    with pair() as lab, software(directory) as kinds:
        server = lab.server
        for each in SERVERS:
            if each.process in KINDS:
                kinds[KINDS[each.process]].start(server, each.port, each.configuration)
        nginx = {each.port: f"{each.configuration};" for each in SERVERS if each.process == "nginx"}
        start_nginx(server, directory, nginx)
        kinds["Redis"].start(server, BACKEND, "tcp-keepalive 0")
        start_haproxy(server, directory, haproxies(server.address))
        ports = [each.port for each in SERVERS]
        wait_for_ports(server, [*ports, BACKEND])
        clients = [lab.client.connect(server.address, port) for port in ports]
        rows = list_when_accepted(server, len(clients) + 2 * len(haproxies("")))
        yield Shown(
            inbound={
                row["local"]["port"]: row
                for row in rows
                if row["remote"]["address"] == lab.client.address
            },
            to_backend=next(row for row in rows if row["remote"]["port"] == BACKEND),
            by_rights={rights: server.call(list_as_nobody, rights) for rights in RIGHTS},
        )


def haproxies(address: str) -> dict[str, str]:
    """
    The proxies of HAProxy. Every port leads to the backend.
    """
    proxies = {}
    for each in SERVERS:
        if each.process == "haproxy":
            words = f"tcp-ut {each.user_timeout:g}s" if each.user_timeout else ""
            proxies[f"port-{each.port}"] = (
                f"bind :{each.port} {words}\n{each.configuration}\n"
                f"{BEHIND_HAPROXY}\nserver backend {address}:{BACKEND}"
            )
    return proxies


def list_as_root(host: Host) -> list[dict[str, Any]]:
    """
    All connections of a host, from the command's JSON output.
    """
    ended = host.run([*COMMAND, "connections", NO_CLOUD, "--all", "--format=json"], cwd=ROOT)
    rows: list[dict[str, Any]] = json.loads(ended.stdout)["connections"]
    return rows


def list_when_accepted(host: Host, number: int) -> list[dict[str, Any]]:
    """
    All connections of a host, once there are this many and all belong to processes.
    """
    end = time.monotonic() + 20
    while True:
        rows = list_as_root(host)
        if len(rows) >= number and all(row["process"] for row in rows):
            return rows
        assert time.monotonic() < end, rows
        time.sleep(0.2)


def list_as_nobody(rights: tuple[int, ...]) -> list[Connection]:
    """
    All connections of the thread's namespace, listed with these capabilities only.
    """
    ConnectionLister().list_connections(
        Query(everything=True, limit=1), Config(), State()
    )  # imports modules that the user nobody cannot read
    become_nobody(*rights)
    return list(
        ConnectionLister().list_connections(Query(everything=True), Config(), State()).connections
    )


@pytest.mark.parametrize("server", SERVERS, ids=str)
def test_exact_options(shown: Shown, server: Server) -> None:
    """
    The options are those of the configuration, and the process is the server.
    """
    row = shown.inbound[server.port]
    # In OpenSSH 9.8 and newer, sshd-session serves the connections.
    assert row["process"]["name"].removesuffix("-session") == server.process
    assert options(row) == (server.keepalive, server.user_timeout)


def test_outbound(shown: Shown) -> None:
    """
    Connections from a proxy are outbound, those to it inbound.
    """
    assert shown.to_backend["process"]["name"] == "haproxy"
    assert options(shown.to_backend) == ((80, 12, 7), 0)
    assert shown.to_backend["direction"] == "outbound"
    assert {row["direction"] for row in shown.inbound.values()} == {"inbound"}


def options(row: dict[str, Any]) -> tuple[tuple[int, int, int] | None, float]:
    """
    Time, interval and probes, None if keepalive is off, and the user timeout in seconds.
    """
    keepalive = row["keepalive"]
    assert keepalive["exact"]
    numbers = tuple(keepalive[name] for name in ("time_seconds", "interval_seconds", "probes"))
    return numbers if keepalive["on"] else None, keepalive["user_timeout_seconds"]


@pytest.mark.parametrize(("rights", "enough"), RIGHTS.items(), ids=str)
def test_rights(shown: Shown, rights: tuple[int, ...], enough: bool) -> None:
    """
    Connections are visible to all users. Processes of other users, and therefore exact options,
    require CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH.
    """
    rows = shown.by_rights[rights]
    assert len(rows) >= len(SERVERS)
    others = [row for row in rows if row.uid != NOBODY]
    assert {row.process is not None for row in others} == {enough}
    assert {row.keepalive.exact for row in others} == {enough}


def test_without_rights_keepalive_is_still_known(shown: Shown) -> None:
    """
    The kernel's timers show whether keepalive is on, and a lower bound of its time.
    """
    rows = {row.local_port: row for row in shown.by_rights[()] if row.remote_port != BACKEND}
    for server in SERVERS:
        keepalive = rows[server.port].keepalive
        assert keepalive.on == (server.keepalive is not None)
        if server.keepalive is not None:
            assert keepalive.time is not None
            assert 0 < keepalive.time <= server.keepalive[0] + 1
