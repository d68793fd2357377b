"""
/metrics: metric families as text.
"""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporter.config.schema import Config
from exporter.metrics import families
from exporter.model import ClosureReading, Snapshot, since_boot

_LASTS = 0.2
"""Seconds for which a response is reused for identical requests."""
_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class DataSources:
    """
    Functions that return the latest data.

    snapshot returns None before the first sample, closures if they are not collected.
    """

    snapshot: Callable[[], Snapshot | None]
    closures: Callable[[], ClosureReading | None]
    config: Callable[[], Config]


class _Families(Collector):
    def __init__(self, sources: DataSources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        sources = self._sources
        return families(sources.snapshot(), sources.closures(), sources.config(), since_boot())


def registry(sources: DataSources) -> CollectorRegistry:
    """
    The registry of all metrics.
    """
    # Required for name[]: the families change from sample to sample.
    everything = CollectorRegistry(support_collectors_without_names=True)
    everything.register(_Families(sources))
    ProcessCollector(registry=everything)
    PlatformCollector(registry=everything)
    return everything


@dataclass(frozen=True, slots=True)
class _Response:
    created: float
    snapshot: Snapshot | None
    body: bytes


class Exposition:
    """
    Answers scrapes.

    Rendering takes some milliseconds of Python, during which the sampling thread waits (GIL). So
    many concurrent scrapes share a few responses.
    """

    def __init__(self, sources: DataSources) -> None:
        self._sources = sources
        self._registry = registry(sources)
        self._responses: dict[tuple[str, ...], _Response] = {}

    async def handle(self, request: web.Request) -> web.Response:
        """
        The metrics selected by name[], or all, in the format of the Accept header.
        """
        headers = {hdrs.VARY: "Accept, Accept-Encoding"}
        accept = ",".join(request.headers.getall(hdrs.ACCEPT, []))
        names = request.query.getall("name[]", [])
        zipped = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
        if zipped:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        body, headers[hdrs.CONTENT_TYPE] = self._body(accept, names, zipped=zipped)
        return web.Response(body=body, headers=headers)

    def _body(self, accept: str, names: list[str], *, zipped: bool) -> tuple[bytes, str]:
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # raised for an invalid version
            encode, content_type = choose_encoder("")
        key = (content_type, str(zipped), *names)
        cached, snapshot, now = self._responses.get(key), self._sources.snapshot(), since_boot()
        if cached and cached.snapshot is snapshot and now < cached.created + _LASTS:
            return cached.body, content_type
        body = encode(self._registry.restricted_registry(names) if names else self._registry)
        if zipped:
            body = gzip.compress(body, mtime=0)
        self._responses.pop(key, None)
        if len(self._responses) >= _REMEMBERED:
            del self._responses[next(iter(self._responses))]
        self._responses[key] = _Response(now, snapshot, body)
        return body, content_type
