"""
Real clients: `connections` recognises them, their defaults are those of clients.yml, and the fixes
protect their connections or close them in time.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporter.remedies.clients import client_named
from tests.clients.client_site import ADDRESSES, RunningClient, Site, client_of, opened
from tests.clients.registry import (
    BUILD,
    CLIENTS,
    FRONT_PORT,
    HAPROXY_PORT,
    NGINX_PORT,
    ClientProgram,
)
from tests.clients.scaled import expect_ok
from tests.clients.servers import Servers
from tests.e2e.proxies import start_haproxy, start_nginx
from tests.e2e.servers import PostgreSQL, wait_for_ports
from tests.exporter_process import ROOT
from tests.lab import LAB_MARKS, Pair, pair

pytestmark = [*LAB_MARKS, pytest.mark.timeout(300)]

TIMEOUT, TIME = 20, 5
"""Seconds: the idle timeout of the path, and the keepalive time of the fixes."""
MILLISECONDS = str(1000 * TIME)
_LATER = 3 * TIME
_ANSWERS_WITHIN = 60.0

PYTHON_HTTP = {"requests", "httpx", "urllib3", "pycurl", "aiohttp"}
RECOGNISED = {
    **dict.fromkeys(PYTHON_HTTP, "python-http"),
    **{f"{name}-tls": "python-http" for name in ("requests", "httpx", "pycurl", "aiohttp")},
    "psycopg": "libpq",
    "psycopg_pool": "libpq",
    "asyncpg": "asyncpg",
    "redis": "redis-py",
    "websockets": "python",  # its port is not the web's
    "grpcio": "grpc",
    "node-http": "node-http",
    "node-https": "node-http",
    "node-undici": "undici",
    "node-pg": "node-postgres",
    "node-ioredis": "ioredis",
    "java-httpclient": "java-http",
    "java-httpurlconnection": "java-http",  # the two cannot be told apart
    "java-pgjdbc": "pgjdbc",
    "go-http": "go",
    "nginx": "nginx-upstream",
    "haproxy": "haproxy-server",
    "ssh": "ssh",
}
CERTAIN = {"nginx", "haproxy", "ssh"}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """
    The listed connections of each client with its defaults.
    """
    _need_clients()
    directory = tmp_path_factory.mktemp("site")
    with PostgreSQL.installed() as postgresql, pair() as lab:
        with opened(lab, directory, postgresql, idle=0) as site:
            expect_ok(site)
            listed = site.listing(_config(directory))
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in ADDRESSES}
        for row in listed:
            if name := client_of(row["remote"]["address"]):
                found[name].append(row)
        yield found


def _need_clients() -> None:
    if not (BUILD / "go_client").exists():
        pytest.skip("needs the clients: make test installs them, as root or with sudo")


def _config(directory: Path) -> Path:
    file = directory / "exporter.yml"
    paths = [{"name": "nat", "remote": "public", "idle_timeout": f"{TIMEOUT}s"}]
    recommended = {"time": f"{TIME}s", "interval": f"{TIME}s"}
    # JSON is also YAML.
    file.write_text(json.dumps({"profile": "none", "paths": paths, "recommended": recommended}))
    return file


@pytest.mark.parametrize("name", ADDRESSES)
def test_recognised(rows: dict[str, list[dict[str, Any]]], name: str) -> None:
    """
    The real process is recognised; only programs named by their process are no guess.
    """
    assert rows[name]
    for row in rows[name]:
        assert row["client"]["id"] == RECOGNISED[name]
        assert row["client"]["probable"] == (name not in CERTAIN)


@pytest.mark.parametrize("name", ADDRESSES)
def test_defaults(rows: dict[str, list[dict[str, Any]]], name: str) -> None:
    """
    The options of the installed version are among the defaults in clients.yml.
    """
    client = client_named(RECOGNISED[name])
    assert client
    system = {"time": 7200, "interval": 75, "probes": 9, "user_timeout": 0}
    for row in rows[name]:
        keepalive = row["keepalive"]
        assert keepalive["exact"]
        times = {
            "time": keepalive["time_seconds"],
            "interval": keepalive["interval_seconds"],
            "probes": keepalive["probes"],
            "user_timeout": keepalive["user_timeout_seconds"],
        }
        expected = [
            (each.keepalive, system | each.times)
            for each in client.defaults
            if each.keepalive is not None
        ]
        assert (keepalive["on"], times) in expected


@pytest.mark.parametrize("name", [name for name in ADDRESSES if name != "go-http"])
def test_fix_is_shown(rows: dict[str, list[dict[str, Any]]], name: str) -> None:
    """
    Every unprotected connection has its client's fix, with the time for the path.
    """
    for row in rows[name]:
        if row["risk"] == "unprotected":
            assert str(TIME) in row["fix"]
        else:
            assert row["protection"] in ("own", "none")


Make = Callable[[ClientProgram, str], list[str]]


@dataclass(frozen=True)
class FixedClient:
    """
    A client program with its fix: how its command changes. closes: the fix closes idle connections
    instead of protecting them.
    """

    name: str
    command: Make
    closes: bool = False


def _python(program: ClientProgram, address: str) -> list[str]:
    module = "tests.clients.fixed_client"
    return [sys.executable, "-m", module, program.name, address, str(TIME)]


def _node(program: ClientProgram, address: str) -> list[str]:
    return [*program.command(address), MILLISECONDS]


def _java(flag: str) -> Make:
    def command(program: ClientProgram, address: str) -> list[str]:
        java, *arguments = program.command(address)
        return [java, flag, *arguments]

    return command


FIXED = [
    *(FixedClient(name, _python) for name in (*sorted(PYTHON_HTTP), "psycopg", "redis")),
    FixedClient("asyncpg", _python, closes=True),
    *(FixedClient(f"node-{name}", _node) for name in ("http", "https", "undici", "pg", "ioredis")),
    FixedClient("java-pgjdbc", _java("-Dparameters=?tcpKeepAlive=true")),
    FixedClient(
        "java-httpclient", _java(f"-Djdk.httpclient.keepalive.timeout={TIME}"), closes=True
    ),
    FixedClient("nginx", lambda program, address: program.command(address)),
    FixedClient("haproxy", lambda program, address: program.command(address)),
]


@dataclass(frozen=True)
class FixedSite:
    """
    The protection of each fixed client's connections, and how many remain idle for longer.
    """

    protection: dict[str, set[str]]
    later: dict[str, int]


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FixedSite]:
    """
    Fixed clients, whose namespace has a keepalive time of TIME, which pgjdbc and nginx need.
    """
    _need_clients()
    directory = tmp_path_factory.mktemp("fixed")
    programs = {each.name: each for each in CLIENTS}
    with PostgreSQL.installed() as postgresql, pair() as lab:
        for address in ADDRESSES.values():
            lab.server.ip(f"addr add {address}/24 dev eth0")
        lab.client.sysctl("net.ipv4.tcp_keepalive_time", TIME)
        lab.client.sysctl("net.ipv4.tcp_keepalive_intvl", TIME)
        servers = Servers(lab.server, directory / "servers", postgresql, idle=0)
        servers.start()
        proxies = _fixed_proxies(lab, directory / "proxies")
        with contextlib.ExitStack() as stack:
            clients = {
                each.name: RunningClient(
                    lab.client.start(
                        each.command(programs[each.name], ADDRESSES[each.name]),
                        cwd=ROOT,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                    )
                )
                for each in FIXED
            }
            for client in clients.values():
                stack.callback(client.end)
            site = Site(lab, servers, clients, proxies)
            answers = {each: use.result(_ANSWERS_WITHIN) for each, use in site.use().items()}
            assert "ended" not in answers.values()
            answers = {each: use.result(_ANSWERS_WITHIN) for each, use in site.use().items()}
            assert set(answers.values()) == {"ok"}, answers
            protection: dict[str, set[str]] = {each.name: set() for each in FIXED}
            for row in site.listing(_config(directory)):
                if name := client_of(row["remote"]["address"]):
                    protection[name].add(row["protection"])
            time.sleep(_LATER)
            later = {name: len(sockets) for name, sockets in site.sockets().items()}
        for proxy in proxies:
            proxy.terminate()
        yield FixedSite(protection, later)


def _fixed_proxies(lab: Pair, directory: Path) -> "list[subprocess.Popen[str]]":
    directory.mkdir()
    nginx, haproxy = ADDRESSES["nginx"], ADDRESSES["haproxy"]
    forward = (
        "; location / { proxy_pass http://server; proxy_http_version 1.1;"
        ' proxy_set_header Connection ""; proxy_socket_keepalive on; }'
    )
    upstream = f"upstream server {{ server {nginx}:80; keepalive 4; }}"
    back = (
        f"  bind :{HAPROXY_PORT}\n  mode http\n  http-reuse always\n  option srvtcpka\n"
        f"  srvtcpka-idle {TIME}s\n  srvtcpka-intvl {TIME}s\n  srvtcpka-cnt 3\n"
        f"  server front {haproxy}:{FRONT_PORT}\n"
    )
    started = [
        start_nginx(lab.client, directory, {NGINX_PORT: forward}, upstream),
        start_haproxy(lab.client, directory, {"back": back}),
    ]
    wait_for_ports(lab.client, (NGINX_PORT, HAPROXY_PORT))
    return started


@pytest.mark.parametrize(
    "client", [each for each in FIXED if not each.closes], ids=lambda x: x.name
)
def test_fix_protects(fixed: FixedSite, client: FixedClient) -> None:
    """
    With its fix, the client's own keepalive protects its connection.
    """
    assert fixed.protection[client.name] == {"own"}


@pytest.mark.parametrize("client", [each for each in FIXED if each.closes], ids=lambda x: x.name)
def test_fix_closes(fixed: FixedSite, client: FixedClient) -> None:
    """
    With its fix, the client closes its idle connection before the path's timeout.
    """
    assert fixed.protection[client.name]
    assert fixed.later[client.name] == 0
    assert fixed.later["psycopg"] == 1  # it was open for as long
