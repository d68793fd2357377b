"""
Watches closures as the kernel tells them: judges, counts, and logs the idle drops.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from exporter.analysis.closure_reasons import Closures, judge_closures
from exporter.analysis.history_table import Rows
from exporter.analysis.sums import ClosureCounter
from exporter.collectors.error_log import Failures
from exporter.collectors.listeners import Listener, Listeners
from exporter.collectors.rate_limit import RateLimit
from exporter.collectors.state import Memory, NamespaceMemory
from exporter.config.schema import Config
from exporter.model import (
    UNKNOWN_WORKLOAD,
    BoolArray,
    ClosureReading,
    CollectorRun,
    ConnectionTable,
    FloatArray,
    Path,
    Reason,
)
from exporter.paths.matching import (
    first_match,
    idle_timeouts,
    is_listened_on,
    stays_on_host,
    to_text,
)

COLLECTOR = "closures"

_GATHERED = 100
"""How many closures to let gather: judging a hundred costs little more than judging one."""
_SHORTEST, _LONGEST = 0.001, 0.02
"""Seconds that this may take. The faster they come, the shorter it must be: the buffer fills."""
_RETRY_AFTER = 15.0
"""Seconds of rest after a fault."""
_LOGGED, _LOG_WINDOW = 20, 60.0
"""How many idle drops are logged in so many seconds."""

_log = structlog.get_logger()


class ClosureWatcher:
    """
    Counts closures on the event loop, judged by what the sampler knows of the connections.

    Those of the namespaces into which the sampler takes listeners.
    """

    def __init__(self, config: Config, memory: Memory, *, log_addresses: bool = False) -> None:
        self.listeners = Listeners()
        self._memory = memory
        self._log_addresses = log_addresses
        self._counter = ClosureCounter(config.paths, config.near_limit_ratio)
        self.use(config)
        self._lost = 0
        self._lost_at = float("-inf")
        self._failing = False
        self._duration = 0.0
        self._failures = Failures()
        self._rate = RateLimit(_LOGGED, _LOG_WINDOW)

    def use(self, config: Config) -> None:
        """
        Judge by another configuration from now on; the counts go on.
        """
        self._paths = config.paths
        self._near_limits = idle_timeouts(self._paths) * config.near_limit_ratio
        self._counter = self._counter.continued(self._paths, config.near_limit_ratio)

    def reading(self) -> ClosureReading:
        """
        What has been counted until now.
        """
        run = CollectorRun(not self._failing, self._duration)
        return ClosureReading(self._counter.sums(self.listeners.lost), run)

    async def run(self) -> None:
        """
        Watch for ever; a stream that breaks is logged, and opened again with the next sample.
        """
        gather = _LONGEST
        try:
            while True:
                try:
                    gather = await self._watch(gather)
                except Exception as error:  # noqa: BLE001  a fault of ours must not end the exporter
                    self._failures.failed(COLLECTOR, error)
                    self._failing = True
                    await asyncio.sleep(_RETRY_AFTER)
        finally:
            self.listeners.end()

    async def _watch(self, gather: float) -> float:
        """
        Take what is told once, after so many seconds. Returns how many it should be the next time.
        """
        if await self.listeners.wait():
            await asyncio.sleep(gather)
        started = time.monotonic()
        heard = list(self.listeners.receive())
        told = sum(len(table) for _, table in heard)
        if told:
            self._take(heard)
            self._duration = time.monotonic() - started
        self._note_losses()
        failures = self.listeners.failures
        self._failing = bool(failures)
        if failures:
            self._failures.failed(COLLECTOR, failures[0])
        elif told:
            self._failures.worked(COLLECTOR)
        return min(max(gather * _GATHERED / max(told, 1), _SHORTEST), _LONGEST)

    def _take(self, heard: Sequence[tuple[Listener, ConnectionTable]]) -> None:
        """
        Judge and count the closures of all namespaces at once.
        """
        recalled = [_recall(listener.memory, table) for listener, table in heard]
        whose = np.repeat(np.arange(len(heard)), [len(table) for _, table in heard])
        table = ConnectionTable.concatenate([table for _, table in heard])
        known = Rows.concatenate([each.known for each in recalled])
        gone_since = np.concatenate([each.gone_since for each in recalled])
        inbound = np.concatenate([each.inbound for each in recalled])
        on_host = np.concatenate([each.on_host for each in recalled])

        closures = judge_closures(table, known, gone_since, inbound)
        path_of = first_match(table.remote, self._paths, inbound, ~on_host)[closures.counts]
        cgroup, whose = known["cgroup"][closures.counts], whose[closures.counts]
        table, closures = table.rows(closures.counts), closures.rows(closures.counts)
        drops = (closures.reason != Reason.NORMAL) & (closures.spell >= self._near_limits[path_of])
        self._counter.add(closures, drops, path_of)
        now = time.monotonic()
        self._memory.evidence.note_closures(closures, table.remote, path_of, self._paths, now)
        for row in np.flatnonzero(drops):
            if self._rate.allow(now):
                workload = self._memory.workloads.get(int(cgroup[row]), UNKNOWN_WORKLOAD)
                namespace = heard[whose[row]][0].namespace
                owner = {"workload": workload}
                if not namespace.is_own:
                    owner["netns"] = namespace.name
                self._log_drop(table, closures, self._paths[path_of[row]], owner, row)

    def _log_drop(
        self,
        table: ConnectionTable,
        closures: Closures,
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
            not_logged=self._rate.take_refused(),
            **(addresses if self._log_addresses else {}),
        )

    def _note_losses(self) -> None:
        """
        Log the first of a spell of losses: closures that were told and missed.
        """
        lost = self.listeners.lost - self._lost
        if not lost:
            return
        now = time.monotonic()
        if now - self._lost_at > _LOG_WINDOW:
            _log.warning(
                "closures are lost: they come faster than they are read, or in larger bursts than"
                " the receive buffer holds (CAP_NET_ADMIN or net.core.rmem_max make it larger)",
                lost=lost,
            )
        self._lost += lost
        self._lost_at = now


@dataclass(frozen=True, slots=True)
class _Recalled:
    """
    What is known of one namespace's connections that have ended.
    """

    known: Rows
    gone_since: FloatArray
    inbound: BoolArray
    on_host: BoolArray


def _recall(memory: NamespaceMemory, table: ConnectionTable) -> _Recalled:
    history, surroundings = memory.history, memory.surroundings
    if surroundings is None:
        raise ValueError("nothing is received of a namespace that no sample has read")
    index = history.find(table.cookie)
    known = history.at(index)
    memory.note_ended(table.cookie)
    return _Recalled(
        known=known,
        gone_since=history.gone_since(index),
        inbound=is_listened_on(table, surroundings) | known["inbound"],
        on_host=stays_on_host(table, surroundings),
    )
