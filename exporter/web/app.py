"""
The web application: /metrics, pages for people, health, reload.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from exporter.config.yaml_file import ConfigError
from exporter.web.access import Access
from exporter.web.connections_page import add_connections
from exporter.web.connections_service import Viewer
from exporter.web.exposition import Exposition, Sources
from exporter.web.landing import make_landing
from exporter.web.middleware import add_headers, make_guard
from exporter.web.templating import add_static

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

Reload = Callable[[], None]
"""Reads the config file again, or raises ConfigError."""


@dataclass(frozen=True, slots=True)
class WebOptions:
    """
    What of the web is configurable by flags: where /metrics is, how many scrapes at once, whether
    a request may have the config file read again, and whether whoever comes may see connections.
    """

    telemetry_path: str = "/metrics"
    max_requests: int = 40
    enable_lifecycle: bool = False
    connections_insecure: bool = False


def make_app(
    sources: Sources,
    options: WebOptions,
    access: Access,
    reload: Reload,
    viewer: Viewer | None = None,
) -> web.Application:
    """
    The application; with a viewer, it shows connections.
    """
    app = web.Application(middlewares=[make_guard(access)])
    add_headers(app, access)
    metrics = _limited(Exposition(sources).handle, options.max_requests)
    app.router.add_get(options.telemetry_path, metrics)
    if options.telemetry_path != "/":
        landing = make_landing(sources, options.telemetry_path, connections=viewer is not None)
        app.router.add_get("/", landing)
    if viewer is not None:
        add_connections(app, viewer, sources.config, access, insecure=options.connections_insecure)
    _add_health(app, sources)
    for method in ("POST", "PUT"):
        app.router.add_route(
            method, "/-/reload", _reloading(reload) if options.enable_lifecycle else _no_lifecycle
        )
    add_static(app)
    return app


def _add_health(app: web.Application, sources: Sources) -> None:
    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="tcp-keepalive-exporter is healthy.\n")

    async def ready(_: web.Request) -> web.Response:
        if sources.snapshot() is None:
            return web.Response(status=503, text="The first sample is not there yet.\n")
        return web.Response(text="tcp-keepalive-exporter is ready.\n")

    app.router.add_get("/-/healthy", healthy)
    app.router.add_get("/-/ready", ready)


async def _no_lifecycle(_: web.Request) -> web.Response:
    return web.Response(status=403, text="Start with --web.enable-lifecycle to allow this.\n")


def _reloading(reload: Reload) -> _Handler:
    async def handler(_: web.Request) -> web.Response:
        try:
            reload()
        except ConfigError as error:
            return web.Response(status=500, text=f"Refused, nothing has changed.\n{error}\n")
        return web.Response(text="Reloaded.\n")

    return handler


def _limited(handler: _Handler, limit: int) -> _Handler:
    """
    The handler, refusing what goes beyond limit requests at once; 0 is no limit.
    """
    running = 0

    async def limited(request: web.Request) -> web.StreamResponse:
        nonlocal running
        if limit and running >= limit:
            return web.Response(
                status=503, text=f"{limit} requests are being served already; try again later.\n"
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
