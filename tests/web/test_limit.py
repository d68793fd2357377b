"""
Limit on concurrent scrapes.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import ClientSession

from exporter.analysis.sums import ConnectionCounter
from exporter.config.schema import Config
from exporter.web.app import WebOptions
from tests.web.conftest import Latest, serving

pytestmark = pytest.mark.system

MANY_PATHS = Config.model_validate(
    {"paths": [{"name": f"{'p' * 60}{n}", "idle_timeout": "1m"} for n in range(32)]}
)
LIMIT = 2


@contextlib.asynccontextmanager
async def limited(latest: Latest, limit: int) -> AsyncIterator[tuple[str, int]]:
    """
    Serve with this limit, and with send buffers smaller than a response.
    """
    assert latest.snapshot is not None
    assert latest.snapshot.sockets is not None
    sums = ConnectionCounter(MANY_PATHS.paths).sums()
    latest.snapshot = replace(
        latest.snapshot, sockets=replace(latest.snapshot.sockets, connections=sums)
    )
    latest.config = MANY_PATHS
    app = latest.app(WebOptions(max_requests=limit))
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    async with serving(app, listener=listener) as address:
        yield address


@contextlib.asynccontextmanager
async def scrapers_that_do_not_read(address: tuple[str, int], number: int) -> AsyncIterator[None]:
    """
    Request the metrics number times without reading the responses.
    """
    with contextlib.ExitStack() as open_sockets:
        for _ in range(number):
            scraper = open_sockets.enter_context(socket.socket())
            scraper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            scraper.connect(address)
            scraper.send(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")
        await asyncio.sleep(0.3)
        yield


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """
    A scraper that reads responses.
    """
    async with ClientSession() as session:
        yield session


async def test_rejected_beyond_limit(latest: Latest, session: ClientSession) -> None:
    """
    Beyond the limit, a scrape gets 503, and other pages still respond.
    """
    async with limited(latest, LIMIT) as (host, port):
        url = f"http://{host}:{port}"
        async with scrapers_that_do_not_read((host, port), LIMIT):
            async with session.get(f"{url}/metrics") as response:
                assert response.status == 503
                assert str(LIMIT) in await response.text()
            async with session.head(f"{url}/metrics") as response:
                assert response.status == 503
            async with session.get(f"{url}/-/healthy") as response:
                assert response.status == 200
        await asyncio.sleep(0.1)
        async with session.get(f"{url}/metrics") as response:
            assert response.status == 200


async def test_served_below_limit(latest: Latest, session: ClientSession) -> None:
    """
    With one scrape less than the limit, another one is served.
    """
    async with (
        limited(latest, LIMIT) as (host, port),
        scrapers_that_do_not_read((host, port), LIMIT - 1),
        session.get(f"http://{host}:{port}/metrics") as response,
    ):
        assert response.status == 200


async def test_no_limit(latest: Latest, session: ClientSession) -> None:
    """
    0 allows any number.
    """
    async with (
        limited(latest, 0) as (host, port),
        scrapers_that_do_not_read((host, port), 50),
        session.get(f"http://{host}:{port}/metrics") as response,
    ):
        assert response.status == 200
