"""
One sample - read, judge, make the snapshot - and the schedule of samples.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from exporter.config import Config
from exporter.counts import count_connections
from exporter.failures import Failures
from exporter.judge.findings import find_all
from exporter.judge.history import Recorder
from exporter.judge.judged import judge_table
from exporter.judge.stale import count_stale
from exporter.judge.sums import ConnectionCounter
from exporter.judge.survivals import Survivals
from exporter.judge.workloads import CgroupCounter, Count, TopWorkloads, by_workload
from exporter.memory import Memory
from exporter.model import (
    HOST_NETNS,
    CollectorError,
    CollectorRun,
    CountsReading,
    InterruptedReadError,
    NamespaceReading,
    Recommended,
    Settings,
    Snapshot,
    SocketsReading,
    StaleTimers,
)
from exporter.settings import read_settings
from exporter.sockets import SUPPORTED, read_sockets
from exporter.sockets.cgroups import Workloads

COLLECTORS = ("settings", "sockets", "owners") if SUPPORTED else ("settings", "sockets")
"""In the order in which they run: the owners of sockets are told after those have been read."""

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
        self._config = self._next_config = config
        self._memory = memory
        known = {
            "settings": self._collect_settings,
            "sockets": self._collect_sockets if SUPPORTED else self._count_connections,
            "owners": self._collect_owners,
        }
        chosen = collectors if "sockets" in collectors else {*collectors} - {"owners"}
        self._collect = {name: known[name] for name in COLLECTORS if name in chosen}
        self._workloads = Workloads()
        self._top_workloads = TopWorkloads(config.workloads.max)
        self._cgroups: dict[int, Count] = {}
        self._settings: dict[str, Settings] = {}
        self._sockets: SocketsReading | None = None
        self._counts: CountsReading | None = None
        self._period = config.sampling.interval
        self._failures = Failures()
        self._reconfigured = asyncio.Event()
        self.snapshot: Snapshot | None = None

    def use(self, config: Config) -> None:
        """
        Judge by another configuration from the next sample on, which follows at once.
        """
        self._next_config = config
        self._reconfigured.set()

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
                rest = (time.monotonic() - started) * (1 / self._config.sampling.max_duty_cycle - 1)
                due = started + self._period
                await asyncio.sleep(rest)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._reconfigured.wait(), due - time.monotonic())
                self._reconfigured.clear()
        finally:
            worker.shutdown(wait=False, cancel_futures=True)

    def sample(self) -> Snapshot:
        """
        Take one sample. Blocks; a collector that fails is logged and leaves the others alone.
        """
        started = time.monotonic()
        self._config = self._next_config
        self._top_workloads.most = self._config.workloads.max
        runs = {name: self._attempt(name, collect) for name, collect in self._collect.items()}
        self._period = self._period_after(started)
        readable = any(run.success for name, run in runs.items() if name != "owners")
        return Snapshot(
            settings=self._settings,
            sockets=self._sockets,
            readable_namespaces=int(readable),
            unreadable_namespaces=int(not readable),
            runs=runs,
            due=started + STALE_AFTER_SAMPLES * self._period,
            findings=find_all(
                self._settings,
                self._stale_timers(),
                Recommended(**self._config.recommended.model_dump()),
                self._config.paths,
            ),
            counts=self._counts,
        )

    def _stale_timers(self) -> dict[str, StaleTimers]:
        """
        Those counted lately, by namespace.
        """
        if self._sockets is None or time.monotonic() > self._sockets.fresh_until:
            return {}
        return {netns: each.stale_timers for netns, each in self._sockets.namespaces.items()}

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
        counter = ConnectionCounter(paths)
        cgroups = CgroupCounter(self._cgroups)
        survivals = Survivals(paths)
        recorder = Recorder(self._memory.history)
        settings = self._settings.get(HOST_NETNS)
        stale_timers = StaleTimers()
        for table in found.tables:
            judged = judge_table(
                table, recorder, paths, found.surroundings, self._config.near_limit_ratio
            )
            counter.add(table, judged.known, judged.verdicts, judged.path_of)
            cgroups.add(table.cgroup, judged.verdicts.at_risk)
            survivals.add(judged.path_of, judged.survived)
            stale_timers += count_stale(table, judged.known, judged.verdicts, settings)
        self._memory.history = recorder.finish(started, self._memory.take_ended())
        self._memory.surroundings = found.surroundings
        self._cgroups = cgroups.counts()
        sums = counter.sums()
        evidence = self._memory.evidence
        evidence.note_sample(survivals, started)
        self._sockets = SocketsReading(
            connections=sums,
            namespaces={HOST_NETNS: NamespaceReading(found.counters, sums.at_risk, stale_timers)},
            workloads=None,
            idle_bounds={path.name: evidence.bounds(path, started) for path in paths},
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

    def _collect_owners(self) -> None:
        if self._sockets is None:
            return
        names = self._memory.workloads = self._workloads.names(self._cgroups)
        self._top_workloads.most = self._config.workloads.max
        workloads = self._top_workloads.choose(by_workload(self._cgroups, names))
        self._sockets = replace(self._sockets, workloads=workloads)
