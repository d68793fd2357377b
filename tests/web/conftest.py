"""
The application over a real socket.
"""

import math
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from exporter.config import Config
from exporter.model import Snapshot
from exporter.web.app import Sources, WebOptions, make_app
from tests.golden import SNAPSHOT

Client = TestClient[Request, Application]


class Latest:
    """
    The sampler's place: holds the newest snapshot, which never gets stale.
    """

    def __init__(self) -> None:
        assert SNAPSHOT.sockets is not None
        sockets = replace(SNAPSHOT.sockets, fresh_until=math.inf)
        self.snapshot: Snapshot | None = replace(SNAPSHOT, sockets=sockets, due=math.inf)

    @property
    def sources(self) -> Sources:
        """
        What the application asks.
        """
        return Sources(lambda: self.snapshot, lambda: None)


@pytest.fixture
def latest() -> Latest:
    """
    The newest snapshot; a test may change it.
    """
    return Latest()


@pytest.fixture
async def client(latest: Latest) -> AsyncIterator[Client]:
    """
    A client of the application with its default options.
    """
    async with TestClient(TestServer(make_app(latest.sources, Config(), WebOptions()))) as client:
        yield client
