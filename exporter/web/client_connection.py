"""
One client's HTTP connection: aiohttp's, with deadlines and without version numbers.

aiohttp has no deadline for receiving a request. Its response to malformed requests has the versions
of aiohttp and Python, and cannot be replaced. So this class overrides methods of
aiohttp.web.RequestHandler that are not documented for it. pyproject.toml bounds aiohttp's version,
and tests/web/test_client_connection.py fails if a new version changes these methods.
"""

import asyncio
from typing import Any

import structlog
from aiohttp import web

from exporter.web.access import AccessRules
from exporter.web.tls import is_allowed

REQUEST_TIMEOUT = 10.0
"""Seconds from the connection, or the first byte of a request, to the end of the request."""
_IDLE_TIMEOUT = 310.0
"""Seconds between requests. Prometheus keeps idle connections for 300."""
_HANDLER: dict[str, Any] = {
    "access_log": None,
    "auto_decompress": False,  # bodies are rejected
    "keepalive_timeout": _IDLE_TIMEOUT,
    "lingering_time": 1.0,
}
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_log = structlog.get_logger()


class ClientConnection(web.RequestHandler):
    """
    One client's connection, and the access rules it was accepted under.
    """

    def __init__(self, server: web.Server, rules: AccessRules) -> None:
        self._clock = asyncio.get_running_loop()
        super().__init__(server, loop=self._clock, **_HANDLER)
        self.rules = rules
        self.busy = False
        self.idle_since = self._clock.time()
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """
        Called when the connection is established, including TLS.
        """
        super().connection_made(transport)
        self._expect_request()
        tls = self.rules.config.tls_server_config
        certificate = transport.get_extra_info("peercert")
        if tls and tls.client_allowed_sans and not is_allowed(certificate, tls.client_allowed_sans):
            _log.debug(
                "client certificate rejected",
                client=self.peername,
                error="no name in client_allowed_sans",
            )
            self.abort()

    def data_received(self, data: bytes) -> None:
        """
        Called with received data.
        """
        if not self.busy and self._deadline is None:
            self._expect_request()
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """
        Called when the connection is closed.
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
        Answer malformed requests. Errors of handlers are left to aiohttp, which logs them.
        """
        if status != web.HTTPBadRequest.status_code:
            return super().handle_error(request, status, exc, message)
        _log.debug("malformed HTTP request", client=self.peername, error=message)
        if self.transport is not None:
            # aiohttp's own response would reveal the versions of aiohttp and Python.
            self.transport.write(_BAD_REQUEST)
            self.force_close()
        return web.Response()

    def begin(self) -> None:
        """
        Note that a complete request was received.
        """
        self.busy = True
        self._stop_expecting()

    def end(self) -> None:
        """
        Note that the request was answered.
        """
        self.busy = False
        self.idle_since = self._clock.time()

    def abort(self) -> None:
        """
        Close the connection immediately.
        """
        if self.transport is not None:
            self.transport.abort()

    @property
    def is_open(self) -> bool:
        """
        Whether the connection is still open.
        """
        return self.transport is not None and not self.transport.is_closing()

    def _expect_request(self) -> None:
        self._deadline = self._clock.call_later(REQUEST_TIMEOUT, self.abort)

    def _stop_expecting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
