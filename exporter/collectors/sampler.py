"""
The sampler: takes a sample, makes a snapshot of it, and schedules the next one.
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
from exporter.collectors.error_log import CollectorErrorLog, NamespaceErrorLog
from exporter.collectors.namespace_visits import NamespaceVisits
from exporter.collectors.operating_system import (
    SUPPORTED,
    namespace_finder,
    read_settings,
    workload_namer,
)
from exporter.collectors.sockets import ClosureSubscriber, SocketCollector
from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.model import (
    CollectorError,
    CollectorRun,
    CountsReading,
    IdleBounds,
    NamespaceReading,
    Recommended,
    Settings,
    Snapshot,
    SocketsReading,
    StrandedError,
    UnexplainedLosses,
    since_boot,
)

COLLECTORS = ("settings", "sockets", "owners") if SUPPORTED else ("settings", "sockets")
"""In the order in which they run: owners needs the result of sockets."""

STALE_AFTER_SAMPLES = 3
"""Sample periods after which the last reading of the sockets is no longer exported."""


class Sampler:
    """
    Takes samples, one at a time, and keeps the state that the next one needs.

    subscriber, if given, is called inside each namespace.
    """

    def __init__(
        self,
        config: Config,
        state: State,
        collectors: Collection[str] = COLLECTORS,
        subscriber: ClosureSubscriber | None = None,
    ) -> None:
        self._config = self._next_config = config
        self._state = state
        self._find = namespace_finder(config.namespaces)
        self._reader = SocketCollector(state, subscriber)
        known = {
            "settings": self._collect_settings,
            "sockets": self._collect_sockets if SUPPORTED else self._count_connections,
            "owners": self._collect_owners,
        }
        chosen = collectors if "sockets" in collectors else {*collectors} - {"owners"}
        self._collect = {name: known[name] for name in COLLECTORS if name in chosen}
        self._name_workloads = workload_namer()
        self._top_workloads = TopWorkloads(config.workloads.max)
        self._cgroups: dict[int, Count] = {}
        self._settings: dict[str, Settings] = {}
        self._sockets: SocketsReading | None = None
        self._counts: CountsReading | None = None
        self._period = config.sampling.interval
        self._failures = CollectorErrorLog()
        self._namespace_errors = NamespaceErrorLog()
        self._reconfigured = asyncio.Event()
        self.snapshot: Snapshot | None = None

    def use(self, config: Config) -> None:
        """
        Use another configuration from the next sample on, which starts immediately.
        """
        self._next_config = config
        self._reconfigured.set()

    async def run(self) -> None:
        """
        Sample until cancelled, in separate threads, and keep the newest snapshot in self.snapshot.
        """
        loop = asyncio.get_running_loop()
        while True:
            started = time.monotonic()
            # A new thread for each sample, because a thread may be stranded in another namespace.
            worker = ThreadPoolExecutor(1, thread_name_prefix="sampler")
            try:
                self.snapshot = await loop.run_in_executor(worker, self.sample)
                self._failures.succeeded("sampler")
            except Exception as error:  # noqa: BLE001  a bug must not stop the exporter
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
        Take one sample. Blocks. The failure of a collector or namespace is logged and does not
        affect the others.

        Raises StrandedError if the calling thread must not be used again.
        """
        started, begun = time.monotonic(), since_boot()
        self._adopt(self._next_config)
        visits = NamespaceVisits(self._find())
        runs = {
            name: self._attempt(name, collect, visits) for name, collect in self._collect.items()
        }
        self._namespace_errors.report(visits.problems)
        self._period = self._period_after(started)
        return Snapshot(
            settings=self._settings,
            sockets=self._sockets,
            readable_namespaces=visits.readable,
            unreadable_namespaces=visits.unreadable,
            runs=runs,
            due=begun + STALE_AFTER_SAMPLES * self._period,
            findings=find_all(
                self._settings,
                self._namespaces_read(),
                Recommended(**self._config.recommended.model_dump()),
                self._config.paths,
                idle_bounds=self._idle_bounds(),
                losses=self._losses(),
                profile=self._config.chosen_profile,
            ),
            counts=self._counts,
        )

    def _adopt(self, config: Config) -> None:
        """
        Change the configuration between samples, so that each sample uses only one.
        """
        if config.namespaces != self._config.namespaces:
            self._find = namespace_finder(config.namespaces)
        if _limits(config) != _limits(self._config):
            self._state.losses.forget()
        self._top_workloads.most = config.workloads.max
        self._config = config

    def _namespaces_read(self) -> dict[str, NamespaceReading]:
        """
        The last reading of each namespace's sockets, if it is fresh.
        """
        if self._sockets is None or since_boot() > self._sockets.fresh_until:
            return {}
        return self._sockets.namespaces

    def _idle_bounds(self) -> dict[str, IdleBounds]:
        """
        The bounds of the paths' idle timeouts, as observed in traffic, by path name.
        """
        return {} if self._sockets is None else self._sockets.idle_bounds

    def _losses(self) -> dict[str, UnexplainedLosses]:
        """
        The connections lost without an explanation, by path name.
        """
        return {} if self._sockets is None else self._sockets.losses

    def _period_after(self, started: float) -> float:
        """
        Seconds from the start of a sample that ends now until the start of the next one.
        """
        took = time.monotonic() - started
        sampling = self._config.sampling
        return max(sampling.interval, took / sampling.max_duty_cycle)

    def _attempt(
        self, name: str, collect: Callable[[NamespaceVisits], None], visits: NamespaceVisits
    ) -> CollectorRun:
        started = time.monotonic()
        try:
            collect(visits)
        except StrandedError:
            raise
        except Exception as error:  # noqa: BLE001  a bug must not stop the exporter
            self._failures.failed(name, error)
            success = False
        else:
            self._failures.succeeded(name)
            success = True
        return CollectorRun(success, time.monotonic() - started)

    def _collect_settings(self, visits: NamespaceVisits) -> None:
        settings = {}
        for namespace in visits.found.namespaces:
            if (found := visits.inside(namespace, read_settings)) is not None:
                settings[namespace.name] = found
        self._settings = settings
        for namespace in reversed(visits.found.namespaces):  # own last: its error is raised
            if namespace.name in settings and (problems := settings[namespace.name].problems):
                visits.note(namespace, CollectorError("; ".join(problems)))

    def _collect_sockets(self, visits: NamespaceVisits) -> None:
        timestamp, started, begun = time.time(), time.monotonic(), since_boot()
        reading = self._reader.read(visits, self._config, self._settings)
        self._cgroups = reading.cgroups
        evidence, losses = self._state.evidence, self._state.losses
        evidence.note_sample(reading.survivals, started)
        losses.note_sample(reading.losses, started)
        self._sockets = SocketsReading(
            connections=reading.connections,
            busiest_destinations=reading.busiest_destinations,
            namespaces=reading.namespaces,
            workloads=None,
            idle_bounds={path.name: evidence.bounds(path, started) for path in self._config.paths},
            timestamp=timestamp,
            fresh_until=begun + STALE_AFTER_SAMPLES * self._period_after(started),
            losses=losses.unexplained(),
        )

    def _count_connections(self, _: NamespaceVisits) -> None:
        timestamp, started, begun = time.time(), time.monotonic(), since_boot()
        self._counts = CountsReading(
            connections=count_connections(self._config.paths),
            timestamp=timestamp,
            fresh_until=begun + STALE_AFTER_SAMPLES * self._period_after(started),
        )

    def _collect_owners(self, _: NamespaceVisits) -> None:
        if self._sockets is None:
            return
        names = self._state.workloads = self._name_workloads(self._cgroups)
        workloads = self._top_workloads.choose(by_workload(self._cgroups, names))
        self._sockets = replace(self._sockets, workloads=workloads)


def _limits(config: Config) -> object:
    """
    What decides whether a path explains a loss.
    """
    return config.paths, config.near_limit_ratio
