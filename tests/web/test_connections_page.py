"""
/connections and its API.
"""

import asyncio
import json
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.collectors.state import State
from exporter.connections.query import Query, Remote, Sort
from exporter.model import Risk
from exporter.web.access import AccessControl
from exporter.web.app import WebOptions, make_app
from exporter.web.connections_page import parse_query
from exporter.web.connections_service import ConnectionsService
from tests.cgroups import needs_cgroups
from tests.exporter_process import ROOT, exporter_process, run_exporter
from tests.web.conftest import Client, Latest, client_of
from tests.web.test_passwords import ALICE, hashed, write

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")

SHOW = "--web.enable-connections"
ANYWHERE = "--web.listen-address=0.0.0.0:0"


@pytest.mark.parametrize("risk", sorted(set(Risk) - {Risk.NO_PATH}), ids=lambda risk: risk.name)
def test_each_risk_has_a_color(risk: Risk) -> None:
    """Every risk of a connection that crosses a path, or hangs, or is leaked, has a color."""
    style = (ROOT / "exporter/web/static/style.css").read_text()
    assert re.search(rf"\.risk\.{risk.name.lower()}\b", style)


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({}, Query(limit=100)),
        ({"all": "1", "limit": "7", "offset": "14"}, Query(True, limit=7, offset=14)),
        ({"workload": "a*", "path": "none"}, Query(workload="a*", path="none", limit=100)),
        ({"remote": ":5432"}, Query(remote=Remote("any", 5432), limit=100)),
        ({"sort": "idle"}, Query(sort=Sort.IDLE, limit=100)),
        (dict.fromkeys(["all", "workload", "path", "remote", "sort"], ""), Query(limit=100)),
    ],
)
def test_query(params: dict[str, str], query: Query) -> None:
    """
    Parameters match the flags of the command, plus offset and limit.
    """
    assert parse_query(params) == query


@pytest.mark.parametrize(
    ("params", "value", "allowed"),
    [
        ({"sorting": "idle"}, "'sorting'", "all, workload, path, remote"),
        ({"sort": "age"}, "sort: 'age'", "risk, idle, workload, path"),
        ({"all": "yes"}, "all: 'yes'", "0, 1, false, true"),
        ({"limit": "0"}, "limit: '0'", "1 to 1000"),
        ({"limit": "1001"}, "limit: '1001'", "1 to 1000"),
        ({"offset": "-1"}, "offset: '-1'", "0 to 10000000"),
        ({"offset": "\N{SUPERSCRIPT TWO}"}, "offset: ", "0 to 10000000"),
        ({"offset": "9" * 5000}, "offset: ", "0 to 10000000"),
        ({"remote": "nowhere"}, "'nowhere'", "203.0.113.0/24"),
    ],
)
def test_wrong_query(params: dict[str, str], value: str, allowed: str) -> None:
    """
    Invalid parameters are rejected. The message has the value and what is allowed.
    """
    with pytest.raises(ValueError, match=f"{re.escape(value)}.*{re.escape(allowed)}"):
        parse_query(params)


@pytest.fixture
def pairs() -> Iterator[int]:
    """
    The port of five connections to this process.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        clients = [socket.create_connection(listener.getsockname()) for _ in range(5)]
        servers = [listener.accept()[0] for _ in clients]
        yield listener.getsockname()[1]
        for each in (*clients, *servers):
            each.close()


@asynccontextmanager
async def connections_client(
    latest: Latest, access: AccessControl | None = None, *, insecure: bool = False
) -> AsyncIterator[Client]:
    """
    A client of an application with the pages of connections.
    """
    access = access or AccessControl()
    options = WebOptions(connections_insecure=insecure)
    app = make_app(latest.sources, options, access, lambda: None, ConnectionsService(State()))
    async with client_of(app, access) as client:
        yield client


async def fetch_document(client: Client, **params: object) -> Any:
    """
    The JSON document for these parameters.
    """
    query = {key: str(value) for key, value in params.items()}
    async with client.get("/api/v1/connections", params=query) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "application/json"
        return json.loads(await response.text())


@pytest.mark.system
async def test_document(latest: Latest, pairs: int) -> None:
    """
    The document is that of the command, plus offset and limit.
    """
    async with connections_client(latest) as client:
        found = await fetch_document(client, all=1, remote=f"127.0.0.1:{pairs}")
    assert (found["schema_version"], found["matching"]) == (1, 5)
    assert (found["offset"], found["limit"]) == (0, 100)
    assert {each["remote"]["port"] for each in found["connections"]} == {pairs}
    assert found["connections_by_risk"]["no_path"] >= 10


@pytest.mark.system
async def test_pages(latest: Latest, pairs: int) -> None:
    """
    The pages together have every connection exactly once.
    """
    remote = f"127.0.0.1:{pairs}"
    async with connections_client(latest) as client:
        pages = [
            await fetch_document(
                client, all=1, remote=remote, sort="remote", limit=2, offset=offset
            )
            for offset in (0, 2, 4, 6)
        ]
    assert [page["matching"] for page in pages] == [5] * 4
    assert [len(page["connections"]) for page in pages] == [2, 2, 1, 0]
    ports = {each["local"]["port"] for page in pages for each in page["connections"]}
    assert len(ports) == 5


@pytest.mark.system
async def test_page(latest: Latest, pairs: int) -> None:
    """
    The page has links to previous and next pages that keep the filters.
    """
    query = {"all": "1", "remote": f"127.0.0.1:{pairs}", "limit": "2", "offset": "2"}
    async with connections_client(latest) as client:
        async with client.get("/connections", params=query) as response:
            assert response.status == 200
            page = await response.text()
        links = re.findall(r'id="(?:previous|next)" href="(.*?)"', page)
        for link in links:
            async with client.get(link.replace("&amp;", "&")) as response:
                assert response.status == 200
        async with client.get("/") as response:
            assert 'href="/connections"' in await response.text()
    assert page.count('<th scope="row">') == 2
    assert "3 to 4 of 5" in page
    assert len(links) == 2
    assert all(f"remote=127.0.0.1%3A{pairs}" in link for link in links)


@pytest.mark.system
@pytest.mark.parametrize("path", ["/connections", "/api/v1/connections"])
@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ({"limit": "x"}, "1 to 1000"),
        ({"path": "nowhere"}, "azure-outbound, azure-inbound, none"),
        ({"remote": "<script>"}, "203.0.113.0/24"),
    ],
)
async def test_wrong_request(
    latest: Latest, path: str, query: dict[str, str], allowed: str
) -> None:
    """
    An invalid request returns 400 with what is allowed, escaped.
    """
    async with connections_client(latest) as client, client.get(path, params=query) as response:
        text = await response.text()
    assert response.status == 400
    assert allowed in text
    assert "<script>" not in text or response.content_type == "application/json"


@pytest.mark.system
async def test_part_of_a_name(latest: Latest, pairs: int) -> None:
    """
    On the page, part of a workload's name matches; an unknown one matches nothing.
    """
    needs_cgroups()
    async with connections_client(latest) as client:
        remote = f"127.0.0.1:{pairs}"
        (name, *_) = {
            each["workload"]
            for each in (await fetch_document(client, all=1, remote=remote))["connections"]
        }
        counts = []
        for workload in (name[: len(name) // 2 + 1], "no such workload"):
            query = {"all": "1", "remote": remote, "workload": workload}
            async with client.get("/connections", params=query) as response:
                counts.append((await response.text()).count('<th scope="row">'))
    assert counts == [5, 0]


@pytest.mark.system
async def test_at_once(latest: Latest) -> None:
    """
    Identical concurrent requests share a listing. Too many different ones get 503.
    """
    async with connections_client(latest) as client:

        async def status(number: int) -> int:
            async with client.get("/api/v1/connections", params={"offset": number}) as response:
                return response.status

        assert set(await asyncio.gather(*(status(0) for _ in range(5)))) == {200}
        assert set(await asyncio.gather(*map(status, range(60)))) == {200, 503}
        assert await status(0) == 200


@pytest.mark.system
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:10240", 200),
        ("[::1]:10240", 200),
        ("localhost", 200),
        ("exporter.localhost:10240", 200),
        ("rebound.example", 403),
        ("localhost.example:10240", 403),
        ("127.0.0.1.example", 403),
        ("a b", 403),
        ("", 403),
    ],
)
async def test_host(latest: Latest, host: str, status: int) -> None:
    """
    Without authentication, DNS rebinding by a foreign page is blocked.
    """
    for path in ("/connections", "/api/v1/connections"):
        async with (
            connections_client(latest) as client,
            client.get(path, headers={"Host": host}) as response,
        ):
            assert response.status == status
    async with (
        connections_client(latest, insecure=True) as client,
        client.get("/connections", headers={"Host": host}) as response,
    ):
        assert response.status == 200


@pytest.mark.system
async def test_with_users(latest: Latest, tmp_path: Path) -> None:
    """
    Authenticated clients may use any host name.
    """
    file = tmp_path / "web.yml"
    write(file, alice=hashed(ALICE.password))
    headers = {"Host": "monitored.example"}
    async with connections_client(latest, AccessControl(file)) as client:
        async with client.get("/connections", headers=headers) as response:
            assert response.status == 401
        async with client.get("/connections", headers=headers | ALICE.headers) as response:
            assert response.status == 200


@pytest.mark.system
@pytest.mark.parametrize(
    "flags",
    [
        [ANYWHERE],
        ["--web.listen-address=:0"],
        ["--web.listen-address=127.0.0.1:0", "--web.listen-address=[::]:0"],
    ],
    ids=" ".join,
)
def test_exposed(flags: list[str]) -> None:
    """
    Without authentication, a listen address beyond loopback is a startup error.
    """
    ended = run_exporter(SHOW, *flags)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Error: --web.enable-connections" in ended.stderr
    assert "basic_auth_users" in ended.stderr
    assert "--web.connections-insecure" in ended.stderr


@pytest.mark.system
@pytest.mark.usefixtures("pairs")
@pytest.mark.parametrize(
    "flags",
    [[], ["--web.listen-address=localhost:0"], [ANYWHERE, "--web.connections-insecure"]],
    ids=" ".join,
)
def test_shown(flags: list[str]) -> None:
    """
    Connections are shown on loopback, or with the insecure flag, using the history of samples.
    """
    with exporter_process(SHOW, *flags) as exporter:
        exporter.wait_for({'tcp_keepalive_collector_success{collector="sockets"}': 1})
        port = exporter.addresses[0].rpartition(":")[2]
        status, text = exporter.get(f"/api/v1/connections?all=1&remote=:{port}")
    assert status == 200
    found = json.loads(text)
    assert found["connections"][0]["process"]["pid"] > 0
    assert not any(row["protection_presumed"] for row in found["connections"])


@pytest.mark.system
def test_not_shown() -> None:
    """
    Without the flag, the pages do not exist.
    """
    with exporter_process() as exporter:
        assert exporter.get("/connections")[0] == 404
        assert exporter.get("/api/v1/connections")[0] == 404
        assert "/connections" not in exporter.get("/")[1]


@pytest.mark.system
def test_users_removed(tmp_path: Path) -> None:
    """
    A reload that removes authentication fails while the listen address is not loopback.
    """
    file = tmp_path / "web.yml"
    write(file, alice=hashed(ALICE.password))
    with exporter_process(SHOW, ANYWHERE, f"--web.config.file={file}") as exporter:
        assert exporter.get("/connections")[0] == 401
        file.write_text("")
        assert exporter.get("/connections")[0] == 401
        assert "web config reload failed" in exporter.log[-1]
