"""
Accepts connections, with limits on number and time, over TLS or plain HTTP.

aiohttp's own servers cannot replace their TLS context or limit connections. So connections are
accepted here and passed to aiohttp.
"""

import asyncio
import errno
import socket
from collections.abc import Sequence

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from exporter.web.access import AccessControl
from exporter.web.client_connection import REQUEST_TIMEOUT, ClientConnection

MOST_CONNECTIONS = 128
"""Beyond this, the longest idle connection is closed. A TLS connection takes 0.3 MB."""
ANSWER_TIMEOUT = 30.0
"""Maximum seconds for a response, including the time the client takes to read it."""
_SHUTDOWN_TIMEOUT = 1.0
"""Seconds for running requests to finish."""
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_RETRY_AFTER = 1.0
"""Seconds until the next accept after one of these errors."""
_log = structlog.get_logger()


class HttpServer:
    """
    Serves an application on listening sockets.
    """

    def __init__(self, app: web.Application, access: AccessControl) -> None:
        app.middlewares.insert(0, self._answer)
        self._access = access
        self._runner = web.AppRunner(app, shutdown_timeout=_SHUTDOWN_TIMEOUT)
        self._listeners: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._handshakes: dict[asyncio.Task[None], socket.socket] = {}

    async def start(self, listeners: Sequence[socket.socket]) -> None:
        """
        Start to accept connections.
        """
        await self._runner.setup()
        for listener in listeners:
            listener.setblocking(False)
            self._listeners.append(listener)
            self._accepting.append(asyncio.create_task(self._accept(listener)))

    async def close(self) -> None:
        """
        Stop, after running requests if they finish soon.
        """
        tasks = [*self._accepting, *self._handshakes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        await self._runner.cleanup()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    _log.warning("accept failed", error=error.strerror)
                    await asyncio.sleep(_RETRY_AFTER)
                continue
            self._make_room()
            task = asyncio.create_task(self._handshake(client))
            self._handshakes[task] = client
            task.add_done_callback(self._handshake_done)
            await asyncio.sleep(0)  # sock_accept() does not yield while clients are waiting

    def _handshake_done(self, task: asyncio.Task[None]) -> None:
        client = self._handshakes.pop(task)
        if task.cancelled():
            client.close()

    async def _handshake(self, client: socket.socket) -> None:
        rules = self._access.rules()
        server = self._runner.server
        if server is None:
            client.close()
            return
        timeout = {"ssl_handshake_timeout": REQUEST_TIMEOUT} if rules.tls else {}
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: ClientConnection(server, rules), client, ssl=rules.tls, **timeout
            )
        except OSError as error:
            # For example plain HTTP on a TLS port, an invalid client certificate, or a port scan.
            _log.debug("TLS handshake failed", error=str(error) or type(error).__name__)

    def _make_room(self) -> None:
        """
        Close a connection if there are MOST_CONNECTIONS.
        """
        connections = [each for each in self._connections() if each.is_open]
        if len(connections) + len(self._handshakes) < MOST_CONNECTIONS:
            return
        idle = [each for each in connections if not each.busy]
        if idle:
            min(idle, key=lambda each: each.idle_since).abort()
        elif self._handshakes:
            next(iter(self._handshakes)).cancel()
        else:
            connections[0].abort()

    def _connections(self) -> list[ClientConnection]:
        server = self._runner.server
        connections = server.connections if server else []
        return [each for each in connections if isinstance(each, ClientConnection)]

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, ClientConnection):
            return await handler(request)
        connection.begin()
        try:
            if connection.rules.tls is not self._access.rules().tls:
                connection.abort()  # the client reconnects under the current rules
                return web.Response()
            async with asyncio.timeout(ANSWER_TIMEOUT):
                response = await handler(request)
                await response.prepare(request)
                await response.write_eof()
                return response
        except (TimeoutError, ConnectionError):  # the client does not read, or has disconnected
            connection.abort()
            return web.Response()
        finally:
            connection.end()
