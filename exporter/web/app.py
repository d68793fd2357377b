"""
The web application: /metrics, pages, health checks and reload.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from exporter.config.yaml_file import ConfigError
from exporter.web.access import AccessControl
from exporter.web.connections_page import add_connections
from exporter.web.connections_service import ConnectionsService
from exporter.web.exposition import DataSources, Exposition
from exporter.web.middleware import add_headers, make_guard
from exporter.web.overview import make_landing
from exporter.web.templating import add_static

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

Reload = Callable[[], None]
"""Reloads the config file, or raises ConfigError."""


@dataclass(frozen=True, slots=True)
class WebOptions:
    """
    Options set by flags.

    telemetry_path is the path of /metrics, max_requests the maximum number of concurrent scrapes
    (0: no limit). enable_lifecycle allows reload by request. connections_insecure allows
    connections without authentication.
    """

    telemetry_path: str = "/metrics"
    max_requests: int = 40
    enable_lifecycle: bool = False
    connections_insecure: bool = False


def make_app(
    sources: DataSources,
    options: WebOptions,
    access: AccessControl,
    reload: Reload,
    service: ConnectionsService | None = None,
) -> web.Application:
    """
    The application. With a service, it has the pages of connections.
    """
    app = web.Application(middlewares=[make_guard(access)])
    add_headers(app, access)
    metrics = _limited(Exposition(sources).handle, options.max_requests)
    app.router.add_get(options.telemetry_path, metrics)
    if options.telemetry_path != "/":
        landing = make_landing(sources, options.telemetry_path, connections=service is not None)
        app.router.add_get("/", landing)
    if service is not None:
        add_connections(app, service, sources.config, access, insecure=options.connections_insecure)
    _add_health(app, sources)
    for method in ("POST", "PUT"):
        app.router.add_route(
            method,
            "/-/reload",
            _reload_handler(reload) if options.enable_lifecycle else _lifecycle_disabled,
        )
    add_static(app)
    return app


def _add_health(app: web.Application, sources: DataSources) -> None:
    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="tcp-keepalive-exporter is healthy.\n")

    async def ready(_: web.Request) -> web.Response:
        if sources.snapshot() is None:
            return web.Response(status=503, text="The first sample is not available yet.\n")
        return web.Response(text="tcp-keepalive-exporter is ready.\n")

    app.router.add_get("/-/healthy", healthy)
    app.router.add_get("/-/ready", ready)


async def _lifecycle_disabled(_: web.Request) -> web.Response:
    return web.Response(
        status=403, text="Reload is disabled; enable it with --web.enable-lifecycle.\n"
    )


def _reload_handler(reload: Reload) -> _Handler:
    async def handler(_: web.Request) -> web.Response:
        try:
            reload()
        except ConfigError as error:
            return web.Response(
                status=500, text=f"Reload failed, keeping the previous configuration.\n{error}\n"
            )
        return web.Response(text="Configuration reloaded.\n")

    return handler


def _limited(handler: _Handler, limit: int) -> _Handler:
    """
    The handler, which rejects requests beyond limit concurrent ones; 0: no limit.
    """
    running = 0

    async def limited(request: web.Request) -> web.StreamResponse:
        nonlocal running
        if limit and running >= limit:
            return web.Response(
                status=503, text=f"Limit of {limit} concurrent requests reached; try again later.\n"
            )
        running += 1
        try:
            response = await handler(request)
            await response.prepare(request)
            await response.write_eof()
        finally:
            running -= 1
        return response

    return limited
