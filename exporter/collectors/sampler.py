"""
One sample - read, judge, make the snapshot - and the schedule of samples.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from exporter.analysis.findings import find_all
from exporter.analysis.workloads import Count, TopWorkloads, by_workload
from exporter.collectors.connection_counts import count_connections
from exporter.collectors.error_log import Failures, Others
from exporter.collectors.namespace_visits import Tour
from exporter.collectors.reader import Follower, Reader
from exporter.collectors.state import Memory
from exporter.config.schema import Config
from exporter.linux import SUPPORTED, namespace_finder
from exporter.linux.procfs.cgroups import Workloads
from exporter.model import (
    CollectorError,
    CollectorRun,
    CountsReading,
    IdleBounds,
    Recommended,
    Settings,
    Snapshot,
    SocketsReading,
    StaleTimers,
    StrandedError,
)
from exporter.settings import read_settings

COLLECTORS = ("settings", "sockets", "owners") if SUPPORTED else ("settings", "sockets")
"""In the order in which they run: the owners of sockets are told after those have been read."""

STALE_AFTER_SAMPLES = 3
"""How many samples may be missed before the last reading of the sockets is no longer shown."""


class Sampler:
    """
    Takes samples, one at a time, and keeps what the next one needs of the last.

    follower, if there is one, is taken into each namespace.
    """

    def __init__(
        self,
        config: Config,
        memory: Memory,
        collectors: Collection[str] = COLLECTORS,
        follower: Follower | None = None,
    ) -> None:
        self._config = self._next_config = config
        self._memory = memory
        self._find = namespace_finder(config.namespaces)
        self._reader = Reader(memory, follower)
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
        self._others = Others()
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
        Sample for ever, in threads of their own, and keep the newest snapshot in self.snapshot.
        """
        loop = asyncio.get_running_loop()
        while True:
            started = time.monotonic()
            # A thread for each sample: one that is stranded in another namespace ends with it.
            worker = ThreadPoolExecutor(1, thread_name_prefix="sampler")
            try:
                self.snapshot = await loop.run_in_executor(worker, self.sample)
                self._failures.worked("sampler")
            except Exception as error:  # noqa: BLE001  a fault of ours must not end the exporter
                self._failures.failed("sampler", error)
            finally:
                worker.shutdown(wait=False, cancel_futures=True)
            rest = (time.monotonic() - started) * (1 / self._config.sampling.max_duty_cycle - 1)
            due = started + self._period
            await asyncio.sleep(rest)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due - time.monotonic()):
                    await self._reconfigured.wait()
            self._reconfigured.clear()

    def sample(self) -> Snapshot:
        """
        Take one sample. Blocks; a collector that fails is logged and leaves the others alone, and
        so does a namespace.

        Raises StrandedError if the calling thread must not take another one.
        """
        started = time.monotonic()
        self._adopt(self._next_config)
        tour = Tour(self._find())
        runs = {name: self._attempt(name, collect, tour) for name, collect in self._collect.items()}
        self._others.report(tour.problems)
        self._period = self._period_after(started)
        return Snapshot(
            settings=self._settings,
            sockets=self._sockets,
            readable_namespaces=tour.readable,
            unreadable_namespaces=tour.unreadable,
            runs=runs,
            due=started + STALE_AFTER_SAMPLES * self._period,
            findings=find_all(
                self._settings,
                self._stale_timers(),
                Recommended(**self._config.recommended.model_dump()),
                self._config.paths,
                self._idle_bounds(),
            ),
            counts=self._counts,
        )

    def _adopt(self, config: Config) -> None:
        """
        A sample judges by one configuration throughout.
        """
        if config.namespaces != self._config.namespaces:
            self._find = namespace_finder(config.namespaces)
        self._top_workloads.most = config.workloads.max
        self._config = config

    def _stale_timers(self) -> dict[str, StaleTimers]:
        """
        Those counted lately, by namespace.
        """
        if self._sockets is None or time.monotonic() > self._sockets.fresh_until:
            return {}
        return {netns: each.stale_timers for netns, each in self._sockets.namespaces.items()}

    def _idle_bounds(self) -> dict[str, IdleBounds]:
        """
        What the traffic has told of the paths, by name.
        """
        return {} if self._sockets is None else self._sockets.idle_bounds

    def _period_after(self, started: float) -> float:
        """
        Seconds from the start of a sample that ends now to the start of the next one.
        """
        took = time.monotonic() - started
        sampling = self._config.sampling
        return max(sampling.interval, took / sampling.max_duty_cycle)

    def _attempt(self, name: str, collect: Callable[[Tour], None], tour: Tour) -> CollectorRun:
        started = time.monotonic()
        try:
            collect(tour)
        except StrandedError:
            raise
        except Exception as error:  # noqa: BLE001  a fault of ours must not end the exporter
            self._failures.failed(name, error)
            success = False
        else:
            self._failures.worked(name)
            success = True
        return CollectorRun(success, time.monotonic() - started)

    def _collect_settings(self, tour: Tour) -> None:
        settings = {}
        for namespace in tour.found.namespaces:
            if (found := tour.inside(namespace, read_settings)) is not None:
                settings[namespace.name] = found
        self._settings = settings
        for namespace in reversed(tour.found.namespaces):  # the own last, whose error is raised
            if namespace.name in settings and (problems := settings[namespace.name].problems):
                tour.note(namespace, CollectorError("; ".join(problems)))

    def _collect_sockets(self, tour: Tour) -> None:
        timestamp, started = time.time(), time.monotonic()
        reading = self._reader.read(tour, self._config, self._settings)
        self._cgroups = reading.cgroups
        evidence = self._memory.evidence
        evidence.note_sample(reading.survivals, started)
        self._sockets = SocketsReading(
            connections=reading.connections,
            namespaces=reading.namespaces,
            workloads=None,
            idle_bounds={path.name: evidence.bounds(path, started) for path in self._config.paths},
            timestamp=timestamp,
            fresh_until=started + STALE_AFTER_SAMPLES * self._period_after(started),
        )

    def _count_connections(self, _: Tour) -> None:
        timestamp, started = time.time(), time.monotonic()
        self._counts = CountsReading(
            connections=count_connections(self._config.paths),
            timestamp=timestamp,
            fresh_until=started + STALE_AFTER_SAMPLES * self._period_after(started),
        )

    def _collect_owners(self, _: Tour) -> None:
        if self._sockets is None:
            return
        names = self._memory.workloads = self._workloads.names(self._cgroups)
        workloads = self._top_workloads.choose(by_workload(self._cgroups, names))
        self._sockets = replace(self._sockets, workloads=workloads)
