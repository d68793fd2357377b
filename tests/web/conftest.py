"""
The application on a real socket, and clients.
"""

import contextlib
import math
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import ClientSession
from aiohttp.web import Application

from exporter.config.schema import Config
from exporter.model import Snapshot
from exporter.web.access import AccessControl
from exporter.web.app import WebOptions, make_app
from exporter.web.exposition import DataSources
from exporter.web.server import HttpServer
from tests.golden import SNAPSHOT

Client = ClientSession


class Latest:
    """
    A stand-in for the sampler, with a snapshot that never becomes stale.
    """

    def __init__(self) -> None:
        assert SNAPSHOT.sockets is not None
        sockets = replace(SNAPSHOT.sockets, fresh_until=math.inf)
        self.config = Config()
        self.snapshot: Snapshot | None = replace(SNAPSHOT, sockets=sockets, due=math.inf)

    @property
    def sources(self) -> DataSources:
        """
        The data sources of the application.
        """
        return DataSources(lambda: self.snapshot, lambda: None, lambda: self.config)

    def app(
        self, options: WebOptions | None = None, access: AccessControl | None = None
    ) -> Application:
        """
        An application with this data, by default without authentication.
        """
        return make_app(
            self.sources, options or WebOptions(), access or AccessControl(), lambda: None
        )


@contextlib.asynccontextmanager
async def serving(
    app: Application, access: AccessControl | None = None, listener: socket.socket | None = None
) -> AsyncIterator[tuple[str, int]]:
    """
    Serve the application on listener, or a free port of 127.0.0.1. Yields the address.
    """
    listener = listener or socket.create_server(("127.0.0.1", 0))
    server = HttpServer(app, access or AccessControl())
    await server.start([listener])
    try:
        yield listener.getsockname()
    finally:
        await server.close()


@contextlib.asynccontextmanager
async def client_of(app: Application, access: AccessControl | None = None) -> AsyncIterator[Client]:
    """
    A client of the application.
    """
    async with (
        serving(app, access) as (host, port),
        ClientSession(f"http://{host}:{port}") as client,
    ):
        yield client


@pytest.fixture
def latest() -> Latest:
    """
    The latest snapshot, which a test may change.
    """
    return Latest()


@pytest.fixture
async def client(latest: Latest) -> AsyncIterator[Client]:
    """
    A client of the application with its default options.
    """
    async with client_of(latest.app()) as client:
        yield client
