"""
One sample - read, judge, make the snapshot - and the schedule of samples.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

from exporter.config import Config
from exporter.failures import Failures, Others
from exporter.memory import Memory
from exporter.model import (
    CollectorError,
    CollectorRun,
    Settings,
    Snapshot,
    SocketsReading,
    StrandedError,
)
from exporter.reader import Follow, Reader
from exporter.settings import read_settings
from exporter.sockets import SUPPORTED, namespace_finder
from exporter.tour import Tour

COLLECTORS = ("settings", "sockets") if SUPPORTED else ("settings",)

STALE_AFTER_SAMPLES = 3
"""How many samples may be missed before the last reading of the sockets is no longer shown."""


class Sampler:
    """
    Takes samples, one at a time, and keeps what the next one needs of the last.

    follow, if given, is called inside each namespace whose sockets are read.
    """

    def __init__(
        self,
        config: Config,
        memory: Memory,
        collectors: Collection[str] = COLLECTORS,
        follow: Follow | None = None,
    ) -> None:
        self._config = config
        self._find = namespace_finder(others=config.namespaces == "all")
        self._reader = Reader(config, memory, follow)
        known = {"settings": self._collect_settings, "sockets": self._collect_sockets}
        self._collect = {name: known[name] for name in COLLECTORS if name in collectors}
        self._settings: dict[str, Settings] = {}
        self._sockets: SocketsReading | None = None
        self._period = config.sampling.interval
        self._failures = Failures()
        self._others = Others()
        self.snapshot: Snapshot | None = None

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
            await asyncio.sleep(started + self._period - time.monotonic())

    def sample(self) -> Snapshot:
        """
        Take one sample. Blocks; a collector that fails is logged and leaves the others alone, and
        so does a namespace.

        Raises StrandedError if the calling thread must not take another one.
        """
        started = time.monotonic()
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
        )

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
            with tour.inside(namespace):
                settings[namespace.name] = read_settings()
        self._settings = settings
        for namespace in reversed(tour.found.namespaces):  # the own last, whose error is raised
            if namespace.name in settings and (problems := settings[namespace.name].problems):
                tour.note(namespace, CollectorError("; ".join(problems)))

    def _collect_sockets(self, tour: Tour) -> None:
        timestamp, started = time.time(), time.monotonic()
        connections, namespaces = self._reader.read(tour)
        self._sockets = SocketsReading(
            connections=connections,
            namespaces=namespaces,
            timestamp=timestamp,
            fresh_until=started + STALE_AFTER_SAMPLES * self._period_after(started),
        )
