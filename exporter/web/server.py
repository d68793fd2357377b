"""
Connections: accepted, bounded in number and time, spoken to in TLS or in plain HTTP.

aiohttp's own servers keep one TLS context for ever and accept everybody; so connections are
accepted here, and handed over to aiohttp.
"""

import asyncio
import errno
import socket
from collections.abc import Sequence
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from exporter.web.access import Access, Rules
from exporter.web.tls import is_allowed

MOST_CONNECTIONS = 128
"""Above, whoever has been idle for longest makes room: a connection in TLS takes 0.3 MB."""
REQUEST_TIMEOUT = 10.0
"""Seconds from a connection's or a request's first byte to the end of the request."""
ANSWER_TIMEOUT = 30.0
"""Seconds an answer may take, most of them its reader's."""
_IDLE_TIMEOUT = 310.0
"""Seconds between requests: Prometheus, on its side, waits for 300."""
_SHUTDOWN_TIMEOUT = 1.0
"""Seconds that requests under way get to end."""
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_RETRY_AFTER = 1.0
"""Seconds until the next attempt when the process or the machine is."""
_HANDLER: dict[str, Any] = {
    "access_log": None,
    "auto_decompress": False,  # bodies are refused
    "keepalive_timeout": _IDLE_TIMEOUT,
    "lingering_time": 1.0,
}
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_log = structlog.get_logger()


class Connection(web.RequestHandler):
    """
    One client's connection, and the rules it was made under.
    """

    def __init__(self, server: web.Server, rules: Rules) -> None:
        self._clock = asyncio.get_running_loop()
        super().__init__(server, loop=self._clock, **_HANDLER)
        self.rules = rules
        self.busy = False
        self.idle_since = self._clock.time()
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        The connection is there, TLS and all.
        """
        super().connection_made(transport)
        self._expect_request()
        tls = self.rules.config.tls_server_config
        certificate = transport.get_extra_info("peercert")
        if tls and tls.client_allowed_sans and not is_allowed(certificate, tls.client_allowed_sans):
            _log.debug("client refused: its certificate has no allowed name", client=self.peername)
            self.abort()

    def data_received(self, data: bytes) -> None:
        """
        The client has sent something.
        """
        if not self.busy and self._deadline is None:
            self._expect_request()
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """
        The connection is over.
        """
        self._stop_expecting()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """
        Answer what is no HTTP at all, and leave our own faults to aiohttp, which logs them.
        """
        if status != web.HTTPBadRequest.status_code:
            return super().handle_error(request, status, exc, message)
        _log.debug("no HTTP request", client=self.peername, error=message)
        if self.transport is not None:
            # aiohttp's own answer would say which versions of it and of Python run here.
            self.transport.write(_BAD_REQUEST)
            self.force_close()
        return web.Response()

    def begin(self) -> None:
        """
        A whole request has come.
        """
        self.busy = True
        self._stop_expecting()

    def end(self) -> None:
        """
        It has been answered.
        """
        self.busy = False
        self.idle_since = self._clock.time()

    def abort(self) -> None:
        """
        End the connection here and now.
        """
        if self.transport is not None:
            self.transport.abort()

    @property
    def is_open(self) -> bool:
        """
        Whether it lasts.
        """
        return self.transport is not None and not self.transport.is_closing()

    def _expect_request(self) -> None:
        self._deadline = self._clock.call_later(REQUEST_TIMEOUT, self.abort)

    def _stop_expecting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class HttpServer:
    """
    Serves an application on listening sockets.
    """

    def __init__(self, app: web.Application, access: Access) -> None:
        app.middlewares.insert(0, self._answer)
        self._access = access
        self._runner = web.AppRunner(app, shutdown_timeout=_SHUTDOWN_TIMEOUT)
        self._listeners: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._arriving: dict[asyncio.Task[None], socket.socket] = {}

    async def start(self, listeners: Sequence[socket.socket]) -> None:
        """
        Accept connections from now on.
        """
        await self._runner.setup()
        for listener in listeners:
            listener.setblocking(False)
            self._listeners.append(listener)
            self._accepting.append(asyncio.create_task(self._accept(listener)))

    async def close(self) -> None:
        """
        End, after the requests under way if those end soon.
        """
        tasks = [*self._accepting, *self._arriving]
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
                    _log.warning("no connection can be accepted", error=error.strerror)
                    await asyncio.sleep(_RETRY_AFTER)
                continue
            self._make_room()
            task = asyncio.create_task(self._welcome(client))
            self._arriving[task] = client
            task.add_done_callback(self._has_arrived)
            await asyncio.sleep(0)  # sock_accept() does not wait while there are clients waiting

    def _has_arrived(self, task: asyncio.Task[None]) -> None:
        client = self._arriving.pop(task)
        if task.cancelled():
            client.close()

    async def _welcome(self, client: socket.socket) -> None:
        rules = self._access.rules()
        server = self._runner.server
        if server is None:
            client.close()
            return
        timeout = {"ssl_handshake_timeout": REQUEST_TIMEOUT} if rules.tls else {}
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Connection(server, rules), client, ssl=rules.tls, **timeout
            )
        except OSError as error:
            # Plain HTTP on a port for TLS, a certificate that does not verify, a port scan.
            _log.debug("no TLS with a client", error=str(error) or type(error).__name__)

    def _make_room(self) -> None:
        """
        Have at most MOST_CONNECTIONS - 1.
        """
        connections = [each for each in self._connections() if each.is_open]
        if len(connections) + len(self._arriving) < MOST_CONNECTIONS:
            return
        idle = [each for each in connections if not each.busy]
        if idle:
            min(idle, key=lambda each: each.idle_since).abort()
        elif self._arriving:
            next(iter(self._arriving)).cancel()
        else:
            connections[0].abort()

    def _connections(self) -> list[Connection]:
        server = self._runner.server
        connections = server.connections if server else []
        return [each for each in connections if isinstance(each, Connection)]

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, Connection):
            return await handler(request)
        connection.begin()
        try:
            if connection.rules.tls is not self._access.rules().tls:
                connection.abort()  # the client comes again, under the rules of now
                return web.Response()
            async with asyncio.timeout(ANSWER_TIMEOUT):
                response = await handler(request)
                await response.prepare(request)
                await response.write_eof()
                return response
        except (TimeoutError, ConnectionError):  # nobody reads the answer, or is there to read it
            connection.abort()
            return web.Response()
        finally:
            connection.end()
