"""
/metrics: families, as text.
"""

import gzip
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporter.config.schema import Config
from exporter.metrics import families
from exporter.model import ClosureReading, Snapshot

_LASTS = 0.2
"""Seconds for which an answer is good for whoever else asks for the same."""
_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class Sources:
    """
    Where what is shown comes from: functions that return the newest there is.

    snapshot returns None before the first sample, closures where they are not watched.
    """

    snapshot: Callable[[], Snapshot | None]
    closures: Callable[[], ClosureReading | None]
    config: Callable[[], Config]


class _Families(Collector):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        sources = self._sources
        return families(sources.snapshot(), sources.closures(), sources.config(), time.monotonic())


def registry(sources: Sources) -> CollectorRegistry:
    """
    Everything that /metrics shows.
    """
    # Without names, name[] would select nothing: which families there are changes by the sample.
    everything = CollectorRegistry(support_collectors_without_names=True)
    everything.register(_Families(sources))
    ProcessCollector(registry=everything)
    PlatformCollector(registry=everything)
    return everything


@dataclass(frozen=True, slots=True)
class _Answer:
    made: float
    snapshot: Snapshot | None
    body: bytes


class Exposition:
    """
    Answers scrapes.

    To make an answer takes some milliseconds of Python, which the sampling thread has to wait for.
    So a storm of scrapes shares a few answers.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._registry = registry(sources)
        self._answers: dict[tuple[str, ...], _Answer] = {}

    async def handle(self, request: web.Request) -> web.Response:
        """
        The metrics that the request names with name[], or all, in the format it prefers.
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
        except (TypeError, ValueError):  # version=x is a surprise to it
            encode, content_type = choose_encoder("")
        key = (content_type, str(zipped), *names)
        answer, snapshot, now = self._answers.get(key), self._sources.snapshot(), time.monotonic()
        if answer and answer.snapshot is snapshot and now < answer.made + _LASTS:
            return answer.body, content_type
        body = encode(self._registry.restricted_registry(names) if names else self._registry)
        if zipped:
            body = gzip.compress(body, mtime=0)
        self._answers.pop(key, None)
        if len(self._answers) >= _REMEMBERED:
            del self._answers[next(iter(self._answers))]
        self._answers[key] = _Answer(now, snapshot, body)
        return body, content_type
