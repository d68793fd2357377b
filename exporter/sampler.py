"""
One sample - read, judge, make the snapshot - and the schedule of samples.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

from exporter.config import Config
from exporter.counts import count_connections
from exporter.failures import Failures
from exporter.judge.history import Recorder
from exporter.judge.observation import observe
from exporter.judge.sums import ConnectionCounter
from exporter.judge.verdicts import judge
from exporter.memory import Memory
from exporter.model import (
    HOST_NETNS,
    CollectorError,
    CollectorRun,
    CountsReading,
    InterruptedReadError,
    NamespaceReading,
    Settings,
    Snapshot,
    SocketsReading,
)
from exporter.paths import assign, idle_timeouts, is_listened_on
from exporter.settings import read_settings
from exporter.sockets import SUPPORTED, read_sockets

COLLECTORS = ("settings", "sockets")

STALE_AFTER_SAMPLES = 3
"""How many samples may be missed before the last reading of the sockets is no longer shown."""
_READ_ATTEMPTS = 3


class Sampler:
    """
    Takes samples, one at a time, and keeps what the next one needs of the last.
    """

    def __init__(
        self, config: Config, memory: Memory, collectors: Collection[str] = COLLECTORS
    ) -> None:
        self._config = config
        self._memory = memory
        known = {
            "settings": self._collect_settings,
            "sockets": self._collect_sockets if SUPPORTED else self._count_connections,
        }
        self._collect = {name: known[name] for name in COLLECTORS if name in collectors}
        self._settings: dict[str, Settings] = {}
        self._sockets: SocketsReading | None = None
        self._counts: CountsReading | None = None
        self._period = config.sampling.interval
        self._failures = Failures()
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
        readable = any(run.success for run in runs.values())
        return Snapshot(
            settings=self._settings,
            sockets=self._sockets,
            readable_namespaces=int(readable),
            unreadable_namespaces=int(not readable),
            runs=runs,
            due=started + STALE_AFTER_SAMPLES * self._period,
            counts=self._counts,
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
        try:
            collect()
        except Exception as error:  # noqa: BLE001  a fault of ours must not end the exporter
            self._failures.failed(name, error)
            success = False
        else:
            self._failures.worked(name)
            success = True
        return CollectorRun(success, time.monotonic() - started)

    def _collect_settings(self) -> None:
        settings = read_settings()
        self._settings = {HOST_NETNS: settings}
        if settings.problems:
            raise CollectorError("; ".join(settings.problems))

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
        timeouts = idle_timeouts(paths)
        counter = ConnectionCounter(paths)
        recorder = Recorder(self._memory.history)
        for table in found.tables:
            known = recorder.room(len(table))
            observe(table, recorder.recall(table.cookie), known)
            known["inbound"] |= is_listened_on(table, found.surroundings)
            path_of = assign(table, paths, found.surroundings, known["inbound"])
            verdicts = judge(table, known, timeouts[path_of], self._config.near_limit_ratio)
            counter.add(table, known, verdicts, path_of)
        self._memory.history = recorder.finish(started, self._memory.take_ended())
        self._memory.surroundings = found.surroundings
        sums = counter.sums()
        self._sockets = SocketsReading(
            connections=sums,
            namespaces={HOST_NETNS: NamespaceReading(found.counters, sums.at_risk)},
            timestamp=timestamp,
            fresh_until=started + STALE_AFTER_SAMPLES * self._period_after(started),
        )

    def _count_connections(self) -> None:
        timestamp, started = time.time(), time.monotonic()
        self._counts = CountsReading(
            connections=count_connections(self._config.paths),
            timestamp=timestamp,
            fresh_until=started + STALE_AFTER_SAMPLES * self._period_after(started),
        )
