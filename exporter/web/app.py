"""
The web application: /metrics, the landing page, health.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.config import Config
from exporter.metrics import families
from exporter.model import ClosureReading, Snapshot
from exporter.web.pages import render

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class WebOptions:
    """
    What of the web is configurable: where /metrics is, how many requests at once.
    """

    telemetry_path: str = "/metrics"
    max_requests: int = 40


@dataclass(frozen=True, slots=True)
class Sources:
    """
    Where what is shown comes from: functions that return the newest there is.

    snapshot returns None before the first sample, closures where they are not watched.
    """

    snapshot: Callable[[], Snapshot | None]
    closures: Callable[[], ClosureReading | None]


class _Families(Collector):
    def __init__(self, sources: Sources, config: Config) -> None:
        self._sources = sources
        self._config = config

    def collect(self) -> Iterator[Metric]:
        sources = self._sources
        return families(sources.snapshot(), sources.closures(), self._config, time.monotonic())


def registry(sources: Sources, config: Config) -> CollectorRegistry:
    """
    Everything that /metrics shows.
    """
    # Without names, name[] would select nothing: which families there are changes by the sample.
    everything = CollectorRegistry(support_collectors_without_names=True)
    everything.register(_Families(sources, config))
    ProcessCollector(registry=everything)
    PlatformCollector(registry=everything)
    return everything


def make_app(sources: Sources, config: Config, options: WebOptions) -> web.Application:
    """
    The application.
    """
    metrics = _limited(make_aiohttp_handler(registry(sources, config)), options.max_requests)

    async def index(_: web.Request) -> web.Response:
        page = render("index.html", version=__version__, telemetry_path=options.telemetry_path)
        return web.Response(text=page, content_type="text/html")

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="tcp-keepalive-exporter is healthy.\n")

    async def ready(_: web.Request) -> web.Response:
        if sources.snapshot() is None:
            return web.Response(status=503, text="The first sample is not there yet.\n")
        return web.Response(text="tcp-keepalive-exporter is ready.\n")

    app = web.Application()
    app.router.add_get(options.telemetry_path, metrics)
    if options.telemetry_path != "/":
        app.router.add_get("/", index)
    app.router.add_get("/-/healthy", healthy)
    app.router.add_get("/-/ready", ready)
    return app


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
