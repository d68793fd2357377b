"""
The closures collector: evaluates and counts socket destroy events, and logs idle drops.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from exporter.analysis.closure_reasons import ClosureVerdicts, classify_closures
from exporter.analysis.direction import Course, course
from exporter.analysis.history_table import HistoryTable
from exporter.analysis.losses import closed_losses
from exporter.analysis.sums import ClosureCounter
from exporter.collectors.closure_streams import ClosureStreams, NamespaceStream
from exporter.collectors.error_log import CollectorErrorLog
from exporter.collectors.rate_limit import RateLimit
from exporter.collectors.state import NamespaceState, State
from exporter.config.schema import Config
from exporter.model import (
    UNKNOWN_WORKLOAD,
    ClosureReading,
    CollectorRun,
    ConnectionTable,
    FloatArray,
    Path,
    Reason,
)
from exporter.paths.matching import (
    Routes,
    idle_timeouts,
    to_text,
)

COLLECTOR = "closures"

_GATHERED = 100
"""Batch size aimed at: evaluating a hundred closures costs little more than evaluating one."""
_SHORTEST, _LONGEST = 0.001, 0.02
"""Minimum and maximum seconds to wait for a batch. The wait is shorter at higher rates, because the
receive buffer fills faster."""
_RETRY_AFTER = 15.0
"""Seconds to wait after an unexpected exception."""
_LOGGED, _LOG_WINDOW = 20, 60.0
"""Maximum number of idle drops logged within a window of this many seconds."""

_log = structlog.get_logger()


class ClosureCollector:
    """
    Counts closures on the event loop, using the sampler's history of the connections.

    The sampler subscribes streams to the namespaces that it reads.
    """

    def __init__(self, config: Config, state: State, *, log_addresses: bool = False) -> None:
        self.streams = ClosureStreams()
        self._state = state
        self._log_addresses = log_addresses
        self._counter = ClosureCounter(config.paths, config.near_limit_ratio)
        self.use(config)
        self._lost = 0
        self._lost_at = float("-inf")
        self._failing = False
        self._duration = 0.0
        self._failures = CollectorErrorLog()
        self._rate = RateLimit(_LOGGED, _LOG_WINDOW)

    def use(self, config: Config) -> None:
        """
        Use another configuration from now on; the counts continue.
        """
        self._paths = config.paths
        self._near_limits = idle_timeouts(self._paths) * config.near_limit_ratio
        self._counter = self._counter.continued(self._paths, config.near_limit_ratio)

    def reading(self) -> ClosureReading:
        """
        The counts so far, and the state of the collector.
        """
        run = CollectorRun(not self._failing, self._duration)
        return ClosureReading(self._counter.sums(self.streams.lost), run)

    async def run(self) -> None:
        """
        Run until cancelled. The failure of a stream is logged; the next sample reopens it.
        """
        gather = _LONGEST
        try:
            while True:
                try:
                    gather = await self._watch(gather)
                except Exception as error:  # noqa: BLE001  a bug must not stop the exporter
                    self._failures.failed(COLLECTOR, error)
                    self._failing = True
                    await asyncio.sleep(_RETRY_AFTER)
        finally:
            self.streams.end()

    async def _watch(self, gather: float) -> float:
        """
        Wait for events, gather more for this many seconds, and process them. Returns the seconds
        to gather next time.
        """
        if await self.streams.wait():
            await asyncio.sleep(gather)
        started = time.monotonic()
        received = list(self.streams.receive())
        count = sum(len(table) for _, table in received)
        if count:
            try:
                self._process(received)
            except Exception:
                self.streams.lost += count
                raise
            self._duration = time.monotonic() - started
        self._log_losses()
        failures = self.streams.failures
        self._failing = bool(failures)
        if failures:
            self._failures.failed(COLLECTOR, failures[0])
        elif count:
            self._failures.succeeded(COLLECTOR)
        return min(max(gather * _GATHERED / max(count, 1), _SHORTEST), _LONGEST)

    def _process(self, received: Sequence[tuple[NamespaceStream, ConnectionTable]]) -> None:
        """
        Evaluate and count the closures of all namespaces at once.
        """
        recalled = [_recall(source.state, table) for source, table in received]
        source = np.repeat(np.arange(len(received)), [len(table) for _, table in received])
        table = ConnectionTable.concatenate([table for _, table in received])
        known = HistoryTable.concatenate([each.known for each in recalled])
        missing_since = np.concatenate([each.missing_since for each in recalled])
        inbound = np.concatenate([each.course.inbound for each in recalled])
        on_host = np.concatenate([each.course.on_host for each in recalled])

        closures = classify_closures(table, known, missing_since, inbound)
        path_of = Routes(table.remote, self._paths, inbound, ~on_host).deciding()[closures.counts]
        outbound = (~inbound & ~on_host)[closures.counts]
        cgroup, source = known["cgroup"][closures.counts], source[closures.counts]
        table, closures = table.rows(closures.counts), closures.rows(closures.counts)
        drops = closures.idle_drops(self._near_limits[path_of])
        self._counter.add(closures, drops, path_of)
        now = time.monotonic()
        self._state.evidence.note_closures(closures, table.remote, path_of, self._paths, now)
        lost = outbound & closures.unexplained(self._near_limits[path_of])
        losses = closed_losses(table.rows(lost), closures.rows(lost), path_of[lost], self._paths)
        self._state.losses.note_closures(losses, now)
        for row in np.flatnonzero(drops):
            if self._rate.allow(now):
                workload = self._state.workloads.get(int(cgroup[row]), UNKNOWN_WORKLOAD)
                namespace = received[source[row]][0].namespace
                owner = {"workload": workload}
                if not namespace.is_own:
                    owner["netns"] = namespace.name
                self._log_drop(table, closures, self._paths[path_of[row]], owner, row)

    def _log_drop(
        self,
        table: ConnectionTable,
        closures: ClosureVerdicts,
        path: Path,
        owner: dict[str, str],
        row: np.intp,
    ) -> None:
        addresses = {
            "local": f"{to_text(table.local[row])}:{table.local_port[row]}",
            "remote": f"{to_text(table.remote[row])}:{table.remote_port[row]}",
        }
        _log.warning(
            "idle drop",
            path=path.name,
            **owner,
            reason=Reason(closures.reason[row]).name.lower(),
            idle_seconds=round(float(closures.spell[row]), 1),
            idle_timeout_seconds=path.idle_timeout,
            suppressed=self._rate.take_suppressed(),
            **(addresses if self._log_addresses else {}),
        )

    def _log_losses(self) -> None:
        """
        Log lost events, once until none have been lost for a log window.
        """
        lost = self.streams.lost - self._lost
        if not lost:
            return
        now = time.monotonic()
        if now - self._lost_at > _LOG_WINDOW:
            _log.warning(
                "closure events lost",
                lost=lost,
                hint="grant CAP_NET_ADMIN or raise net.core.rmem_max",
            )
        self._lost += lost
        self._lost_at = now


@dataclass(frozen=True, slots=True)
class _Recalled:
    """
    The known facts about closed connections of one namespace.
    """

    known: HistoryTable
    missing_since: FloatArray
    course: Course


def _recall(state: NamespaceState, table: ConnectionTable) -> _Recalled:
    history, endpoints = state.history, state.endpoints
    if endpoints is None:
        raise ValueError("closures received from a namespace that no sample has read")
    index = history.find(table.cookie)
    known = history.at(index)
    state.note_ended(table.cookie)
    return _Recalled(known, history.missing_since(index), course(table, known, endpoints))
