"""
What client connections rely on in aiohttp, which does not document it.
"""

import asyncio
import inspect

import pytest
from aiohttp import web

from exporter.web.client_connection import ClientConnection


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("connection_made", ["self", "transport"]),
        ("connection_lost", ["self", "exc"]),
        ("data_received", ["self", "data"]),
        ("handle_error", ["self", "request", "status", "exc", "message"]),
        ("force_close", ["self"]),
    ],
)
def test_methods(method: str, parameters: list[str]) -> None:
    """
    Aiohttp calls the methods that are overridden, or has those that are called, with these
    parameters.
    """
    of_aiohttp = inspect.signature(getattr(web.RequestHandler, method))
    assert list(of_aiohttp.parameters) == parameters
    assert list(inspect.signature(getattr(ClientConnection, method)).parameters) == parameters


async def test_attributes() -> None:
    """
    A handler has a transport and a peer name from the start; the server lists its handlers.
    """
    runner = web.AppRunner(web.Application())
    await runner.setup()
    assert runner.server is not None
    handler = web.RequestHandler(runner.server, loop=asyncio.get_running_loop())
    assert (handler.transport, handler.peername) == (None, None)
    assert runner.server.connections == []
    await runner.cleanup()
