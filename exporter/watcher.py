"""
Watches closures as the kernel tells them: judges, counts, and logs the idle drops.
"""

import asyncio
import time

import numpy as np
import structlog

from exporter.config import Config
from exporter.failures import Failures
from exporter.judge.closures import Closures, judge_closures
from exporter.judge.sums import ClosureCounter
from exporter.memory import Memory
from exporter.model import (
    UNKNOWN_WORKLOAD,
    ClosureReading,
    CollectorRun,
    ConnectionTable,
    Path,
    Reason,
)
from exporter.paths import Surroundings, assign, idle_timeouts, is_listened_on, to_text
from exporter.rate_limit import RateLimit
from exporter.sockets import SUPPORTED, ClosureStream, open_closures

if SUPPORTED:
    # The sampler's thread imports the same modules as open_closures(), which import one another:
    # were both to import them for the first time at once, one would meet them half made.
    import exporter.sockets.closures  # noqa: F401

COLLECTOR = "closures"

_GATHERED = 100
"""How many closures to let gather: judging a hundred costs little more than judging one."""
_SHORTEST, _LONGEST = 0.001, 0.02
"""Seconds that this may take. The faster they come, the shorter it must be: the buffer fills."""
_RETRY_AFTER = 15.0
"""Seconds before a stream that broke is opened again."""
_LOGGED, _LOG_WINDOW = 20, 60.0
"""How many idle drops are logged in so many seconds."""

_log = structlog.get_logger()


class ClosureWatcher:
    """
    Counts closures on the event loop, judged by what the sampler knows of the connections.
    """

    def __init__(self, config: Config, memory: Memory, *, log_addresses: bool = False) -> None:
        self._memory = memory
        self._log_addresses = log_addresses
        self._counter = ClosureCounter(config.paths, config.near_limit_ratio)
        self.use(config)
        self._lost = 0
        self._lost_at = float("-inf")
        self._run = CollectorRun(success=True, duration=0.0)
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
        return ClosureReading(self._counter.sums(self._lost), self._run)

    async def run(self) -> None:
        """
        Watch for ever; a stream that breaks is logged and opened again.
        """
        while True:
            try:
                stream = open_closures()
                self._run = CollectorRun(success=True, duration=0.0)
                try:
                    await self._watch(stream)
                finally:
                    stream.close()
            except Exception as error:  # noqa: BLE001  a fault of ours must not end the exporter
                self._failures.failed(COLLECTOR, error)
                self._run = CollectorRun(success=False, duration=0.0)
            await asyncio.sleep(_RETRY_AFTER)

    async def _watch(self, stream: ClosureStream) -> None:
        lost_in_stream = 0
        gather = _LONGEST
        while True:
            await _readable(stream)
            await asyncio.sleep(gather)
            surroundings = self._memory.surroundings
            if surroundings is None:
                continue  # nothing can be judged before the first sample; the stream's buffer waits
            started = time.monotonic()
            told = 0
            for table in stream.receive():
                self._take(table, surroundings)
                told += len(table)
            gather = min(max(gather * _GATHERED / max(told, 1), _SHORTEST), _LONGEST)
            self._note_losses(stream.lost - lost_in_stream)
            lost_in_stream = stream.lost
            self._failures.worked(COLLECTOR)
            self._run = CollectorRun(success=True, duration=time.monotonic() - started)

    def _take(self, table: ConnectionTable, surroundings: Surroundings) -> None:
        history = self._memory.history
        index = history.find(table.cookie)
        known = history.at(index)
        inbound = is_listened_on(table, surroundings) | known["inbound"]
        closures = judge_closures(table, known, history.gone_since(index), inbound)
        self._memory.note_ended(table.cookie)
        path_of = assign(table, self._paths, surroundings, inbound)[closures.counts]
        cgroup = known["cgroup"][closures.counts]
        table, closures = table.rows(closures.counts), closures.rows(closures.counts)
        drops = (closures.reason != Reason.NORMAL) & (closures.spell >= self._near_limits[path_of])
        self._counter.add(closures, drops, path_of)
        now = time.monotonic()
        self._memory.evidence.note_closures(closures, table.remote, path_of, self._paths, now)
        for row in np.flatnonzero(drops):
            if self._rate.allow(now):
                workload = self._memory.workloads.get(int(cgroup[row]), UNKNOWN_WORKLOAD)
                self._log_drop(table, closures, self._paths[path_of[row]], workload, row)

    def _log_drop(
        self,
        table: ConnectionTable,
        closures: Closures,
        path: Path,
        workload: str,
        row: np.intp,
    ) -> None:
        addresses = {
            "local": f"{to_text(table.local[row])}:{table.local_port[row]}",
            "remote": f"{to_text(table.remote[row])}:{table.remote_port[row]}",
        }
        _log.warning(
            "idle drop",
            path=path.name,
            workload=workload,
            reason=Reason(closures.reason[row]).name.lower(),
            idle_seconds=round(float(closures.spell[row]), 1),
            idle_timeout_seconds=path.idle_timeout,
            not_logged=self._rate.take_refused(),
            **(addresses if self._log_addresses else {}),
        )

    def _note_losses(self, lost: int) -> None:
        """
        Count closures that were told and missed, and log the first of a spell of losses.
        """
        if not lost:
            return
        self._lost += lost
        now = time.monotonic()
        if now - self._lost_at > _LOG_WINDOW:
            _log.warning(
                "closures are lost: they come faster than they are read, or in larger bursts than"
                " the receive buffer holds (CAP_NET_ADMIN or net.core.rmem_max make it larger)",
                lost=lost,
            )
        self._lost_at = now


async def _readable(stream: ClosureStream) -> None:
    """
    Wait until the stream has something to receive.
    """
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(stream.fileno(), readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(stream.fileno())
