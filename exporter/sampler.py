"""
One sample - read, judge, make the snapshot - and the schedule of samples.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import structlog

from exporter.config import Config
from exporter.judge.history import History, observe
from exporter.judge.sums import Counter
from exporter.judge.verdicts import judge
from exporter.model import (
    CollectorError,
    CollectorRun,
    InterruptedReadError,
    Settings,
    Snapshot,
    SocketsReading,
)
from exporter.paths import assign
from exporter.settings import read_settings
from exporter.sockets import SUPPORTED, read_sockets

COLLECTORS = ("settings", "sockets") if SUPPORTED else ("settings",)

STALE_AFTER_SAMPLES = 3
"""How many samples may be missed before the last reading of the sockets is no longer shown."""
_READ_ATTEMPTS = 3

_log = structlog.get_logger()


class Sampler:
    """
    Takes samples, one at a time, and keeps what the next one needs of the last.
    """

    def __init__(self, config: Config, collectors: Collection[str] = COLLECTORS) -> None:
        self._config = config
        known = {"settings": self._collect_settings, "sockets": self._collect_sockets}
        self._collect = {name: known[name] for name in COLLECTORS if name in collectors}
        self._settings: Settings | None = None
        self._sockets: SocketsReading | None = None
        self._history = History()
        self._period = config.sampling.interval
        self._failures: dict[str, str] = {}
        self.snapshot: Snapshot | None = None

    async def run(self) -> None:
        """
        Sample for ever, in a thread of its own, and keep the newest snapshot in self.snapshot.
        """
        loop = asyncio.get_running_loop()
        worker = ThreadPoolExecutor(1, thread_name_prefix="sampler")
        try:
            while True:
                started = time.monotonic()
                self.snapshot = await loop.run_in_executor(worker, self.sample)
                await asyncio.sleep(started + self._period - time.monotonic())
        finally:
            worker.shutdown(wait=False, cancel_futures=True)

    def sample(self) -> Snapshot:
        """
        Take one sample. Blocks; a collector that fails is logged and leaves the others alone.
        """
        started = time.monotonic()
        runs = {name: self._attempt(name, collect) for name, collect in self._collect.items()}
        self._period = self._period_after(started)
        return Snapshot(
            settings=self._settings,
            sockets=self._sockets,
            runs=runs,
            due=started + STALE_AFTER_SAMPLES * self._period,
        )

    def _period_after(self, started: float) -> float:
        """
        Seconds from the start of a sample that ends now to the start of the next one.
        """
        took = time.monotonic() - started
        sampling = self._config.sampling
        return max(sampling.interval, took / sampling.max_duty_cycle)

    def _attempt(self, name: str, collect: Callable[[], None]) -> CollectorRun:
        started = time.monotonic()
        failure = ""
        try:
            collect()
        except CollectorError as error:
            failure = str(error)
        except Exception as error:  # noqa: BLE001  a fault of ours must not end the exporter
            failure = f"unexpected {type(error).__name__}: {error}"
            if self._failures.get(name) != failure:
                _log.exception("a collector met a fault of the exporter's own", collector=name)
        self._report(name, failure)
        return CollectorRun(success=not failure, duration=time.monotonic() - started)

    def _report(self, name: str, failure: str) -> None:
        """
        Log a failure once, and the recovery from it.
        """
        before = self._failures.get(name, "")
        self._failures[name] = failure
        if failure and failure != before:
            _log.error("collector fails", collector=name, error=failure)
        elif before and not failure:
            _log.info("collector works again", collector=name)

    def _collect_settings(self) -> None:
        self._settings = read_settings()
        if self._settings.problems:
            raise CollectorError("; ".join(self._settings.problems))

    def _collect_sockets(self) -> None:
        for attempt in range(1, _READ_ATTEMPTS + 1):
            try:
                self._read_sockets()
            except InterruptedReadError:
                if attempt == _READ_ATTEMPTS:
                    raise
            else:
                return

    def _read_sockets(self) -> None:
        timestamp, started = time.time(), time.monotonic()
        found = read_sockets()
        paths = self._config.paths
        timeouts = np.array([*(path.idle_timeout for path in paths), np.inf])
        counter = Counter(paths)
        parts = []
        for table in found.tables:
            known = observe(table, self._history.recall(table.cookie))
            path_of = assign(table, paths, found.surroundings)
            verdicts = judge(table, known, timeouts[path_of], self._config.near_limit_ratio)
            counter.add(table, known, verdicts, path_of)
            parts.append(known)
        del self._history  # before the next one is built, to need the memory of two, not three
        self._history = History(parts)
        self._sockets = SocketsReading(
            connections=counter.sums(),
            counters=found.counters,
            timestamp=timestamp,
            fresh_until=started + STALE_AFTER_SAMPLES * self._period_after(started),
        )
