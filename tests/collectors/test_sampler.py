"""
The schedule of samples, and what becomes of collectors that fail, dawdle or hang.

The collectors are stand-ins here: only their success and the time they take matter.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from threading import Event

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from exporter.collectors import reader
from exporter.collectors import sampler as module
from exporter.collectors.sampler import STALE_AFTER_SAMPLES, Sampler
from exporter.collectors.state import Memory
from exporter.config.schema import Config
from exporter.linux import NamespaceSockets
from exporter.linux.procfs.cgroups import Workloads
from exporter.metrics import families
from exporter.model import (
    CollectorError,
    ConnectionTable,
    Counters,
    InterruptedReadError,
    Settings,
)
from exporter.paths.matching import Surroundings
from tests.analysis.rows import connection

SETTINGS = Settings(
    time=120, interval=30, probes=8, data_retransmissions=15, configured=frozenset()
)
REFUSED = CollectorError("netlink is refused")
CONNECTIONS = "tcp_keepalive_connections"
TIME = "tcp_keepalive_time_seconds"


@dataclass
class Kernel:
    """
    What the collectors meet: they take so long, and raise an error if there is one.
    """

    takes: float = 0.0
    error: Exception | None = None
    hung: Event | None = None
    settings: Settings = SETTINGS
    tables: tuple[ConnectionTable, ...] = ()
    reads: list[tuple[float, float]] = field(default_factory=list)

    def read_settings(self) -> Settings:
        """
        Stand in for exporter.settings.read_settings.
        """
        return self.settings

    def read_sockets(self) -> NamespaceSockets:
        """
        Stand in for exporter.linux.read_sockets.
        """
        started = time.monotonic()
        time.sleep(self.takes)
        if self.hung is not None:
            self.hung.wait(10)
        self.reads.append((started, time.monotonic()))
        if self.error is not None:
            raise self.error
        nowhere = Surroundings(frozenset(), frozenset())
        return NamespaceSockets(Counters(0, 0, 0), nowhere, tables=self.tables)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """
    The kernel that the sampler meets.
    """
    kernel = Kernel()
    monkeypatch.setattr(module, "read_settings", kernel.read_settings)
    monkeypatch.setattr(reader, "read_sockets", kernel.read_sockets)
    return kernel


def make_sampler(interval: str = "15s", max_duty_cycle: float = 1.0) -> Sampler:
    """
    A sampler with this schedule.
    """
    sampling = {"interval": interval, "max_duty_cycle": max_duty_cycle}
    return Sampler(Config.model_validate({"sampling": sampling}), Memory(), ("settings", "sockets"))


@contextlib.asynccontextmanager
async def running(sampler: Sampler) -> AsyncIterator[None]:
    """
    Let the sampler run until the block is left.
    """
    task = asyncio.create_task(sampler.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def shown(sampler: Sampler, now: float | None = None) -> dict[str, dict[str, float]]:
    """
    The values by family and by the first label's value, at a point on the monotonic clock.
    """
    now = time.monotonic() if now is None else now
    return {
        family.name: {
            next(iter(sample.labels.values()), ""): sample.value for sample in family.samples
        }
        for family in families(sampler.snapshot, None, Config(), now)
    }


async def test_sample_every_interval(kernel: Kernel) -> None:
    """
    Samples begin an interval apart, however long each takes.
    """
    kernel.takes = 0.1
    async with running(make_sampler("150ms")):
        await asyncio.sleep(1)
    begun = [begin for begin, _ in kernel.reads]
    gaps = [later - earlier for earlier, later in pairwise(begun)]
    assert median(gaps) == pytest.approx(0.15, abs=0.05)


async def test_samples_never_overlap(kernel: Kernel) -> None:
    """
    A sample that takes longer than the interval delays the next one.
    """
    kernel.takes = 0.15
    async with running(make_sampler("50ms")):
        await asyncio.sleep(0.8)
    assert len(kernel.reads) >= 2
    for (_, end), (begin, _) in pairwise(kernel.reads):
        assert begin >= end


async def test_duty_cycle(kernel: Kernel) -> None:
    """
    Sampling takes no larger part of the time than the duty cycle allows.
    """
    kernel.takes = 0.05
    async with running(make_sampler("10ms", max_duty_cycle=0.2)):
        await asyncio.sleep(1.2)
    parts = [(end - begin) / (after - begin) for (begin, end), (after, _) in pairwise(kernel.reads)]
    assert len(parts) >= 2
    assert median(parts) == pytest.approx(0.2, abs=0.05)


async def test_loop_goes_on_meanwhile(kernel: Kernel) -> None:
    """
    The event loop, which answers scrapes, does not wait for a sample.
    """
    kernel.takes = 0.5
    sampler = make_sampler()
    async with running(sampler):
        await asyncio.sleep(0.1)
        assert sampler.snapshot is None
        assert shown(sampler)["tcp_keepalive_recommended_probes"] == {"": 8}
        await asyncio.sleep(1)
        assert sampler.snapshot is not None


async def test_hung_sample(kernel: Kernel) -> None:
    """
    A sample that does not end is told by every collector's success, and its sums disappear.
    """
    sampler = make_sampler("50ms")
    async with running(sampler):
        await asyncio.sleep(0.2)
        kernel.hung = Event()
        try:
            await asyncio.sleep(STALE_AFTER_SAMPLES * 0.05 + 0.2)
            overdue = shown(sampler)
        finally:
            kernel.hung.set()
        kernel.hung = None
        await asyncio.sleep(0.2)
        recovered = shown(sampler)
    assert overdue["tcp_keepalive_collector_success"] == {"settings": 0, "sockets": 0}
    assert CONNECTIONS not in overdue
    assert overdue[TIME] == {"host": 120}
    assert recovered["tcp_keepalive_collector_success"] == {"settings": 1, "sockets": 1}
    assert CONNECTIONS in recovered


@pytest.fixture
def log() -> Iterator[list[EventDict]]:
    """
    What the sampler logs.
    """
    with capture_logs() as entries:
        yield entries


def test_failure_and_recovery(kernel: Kernel, log: list[EventDict]) -> None:
    """
    A failure is logged once, and so is its end, however many samples lie between.
    """
    sampler = make_sampler()
    outcomes = []
    for error in (None, REFUSED, REFUSED, REFUSED, None, None):
        kernel.error = error
        outcomes.append(sampler.sample().runs["sockets"].success)
    assert outcomes == [True, False, False, False, True, True]
    again = {"event": "collector works again", "collector": "sockets", "log_level": "info"}
    fails = {"event": "collector fails", "collector": "sockets", "log_level": "error"}
    assert log == [fails | {"error": "netlink is refused"}, again]


def test_other_failure_is_logged(kernel: Kernel, log: list[EventDict]) -> None:
    """
    When the reason changes, the new one is logged.
    """
    sampler = make_sampler()
    for error in (REFUSED, CollectorError("no tcp_diag"), CollectorError("no tcp_diag")):
        kernel.error = error
        sampler.sample()
    assert [entry["error"] for entry in log] == ["netlink is refused", "no tcp_diag"]


def test_fault_of_the_exporter(kernel: Kernel, log: list[EventDict]) -> None:
    """
    An exception that nobody expected fails its collector alone, once with its traceback.
    """
    kernel.error = ZeroDivisionError("a fault")
    sampler = make_sampler()
    for _ in range(3):
        runs = sampler.sample().runs
    assert {name: run.success for name, run in runs.items()} == {"settings": True, "sockets": False}
    assert [entry.get("exc_info") for entry in log] == [kernel.error]
    assert log[0]["error"] == "unexpected ZeroDivisionError: a fault"


@pytest.mark.parametrize(
    ("settings", "sockets", "readable"),
    [(True, True, 1), (True, False, 0), (False, True, 0), (False, False, 0)],
)
def test_readable_namespace(kernel: Kernel, settings: bool, sockets: bool, readable: int) -> None:
    """
    A namespace is readable if everything can be read that the collectors ask of it.
    """
    kernel.error = None if sockets else REFUSED
    kernel.settings = SETTINGS if settings else replace(SETTINGS, time=None, problems=("no",))
    snapshot = make_sampler().sample()
    assert snapshot.readable_namespaces == readable
    assert snapshot.unreadable_namespaces == 1 - readable


def test_sums_of_a_failing_collector(kernel: Kernel) -> None:
    """
    While the sockets cannot be read, their last sums are shown for three periods and no longer;
    the settings go on.
    """
    sampler = make_sampler("15s")
    begun = time.monotonic()
    sampler.snapshot = sampler.sample()
    kernel.error = REFUSED
    kernel.settings = replace(SETTINGS, time=300)
    sampler.snapshot = sampler.sample()

    kept = shown(sampler, begun + STALE_AFTER_SAMPLES * 15 - 0.01)
    assert CONNECTIONS in kept
    assert kept["tcp_keepalive_collector_success"] == {"settings": 1, "sockets": 0}

    sampler.snapshot = sampler.sample()
    stale = shown(sampler, begun + STALE_AFTER_SAMPLES * 15 + 1)
    assert CONNECTIONS not in stale
    assert stale[TIME] == {"host": 300}


def test_findings_of_connections(kernel: Kernel) -> None:
    """
    Stale timers of all tables are one finding, which goes when the sockets have not been read for
    long, and leaves the findings of settings alone.
    """
    kernel.tables = tuple(
        connection(at=time.monotonic(), expires=7200, cookie=cookie) for cookie in (1, 2)
    )
    sampler = make_sampler("10ms")
    findings = {each.id: each for each in sampler.sample().findings}
    assert set(findings) == {"KA009", "KA010"}
    assert findings["KA009"].problem.startswith("At least 2 open connections ")

    kernel.error = REFUSED
    end = time.monotonic() + 10
    while "KA009" in findings and time.monotonic() < end:
        findings = {each.id: each for each in sampler.sample().findings}
    assert set(findings) == {"KA010"}


def test_sums_of_a_slow_sample(kernel: Kernel) -> None:
    """
    The first sums, if they took long, are shown until the next ones, which the duty cycle delays.
    """
    kernel.takes = 0.2
    sampler = make_sampler("10ms", max_duty_cycle=0.1)
    sampler.snapshot = sampler.sample()
    assert CONNECTIONS in shown(sampler, time.monotonic() + 2)


def test_interrupted_reading(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A dump that the kernel interrupts is read again, three times in all.
    """
    kernel.error = InterruptedReadError("the tables changed")
    sampler = make_sampler()
    assert not sampler.sample().runs["sockets"].success
    assert len(kernel.reads) == 3

    def once_interrupted() -> NamespaceSockets:
        try:
            return kernel.read_sockets()
        finally:
            kernel.error = None

    monkeypatch.setattr(reader, "read_sockets", once_interrupted)
    assert sampler.sample().runs["sockets"].success
    assert len(kernel.reads) == 5


@pytest.mark.parametrize(
    "collectors",
    [
        (),
        ("settings",),
        ("sockets",),
        ("settings", "sockets"),
        ("sockets", "owners"),
        ("settings", "sockets", "owners"),
    ],
)
def test_chosen_collectors(kernel: Kernel, collectors: tuple[str, ...]) -> None:
    """
    Only the collectors that are switched on run, and only what they read is in the snapshot.
    """
    snapshot = Sampler(Config(), Memory(), collectors).sample()
    assert tuple(snapshot.runs) == collectors
    assert bool(snapshot.settings) == ("settings" in collectors)
    assert (snapshot.sockets is not None) == ("sockets" in collectors) == bool(kernel.reads)
    named = snapshot.sockets is not None and snapshot.sockets.workloads is not None
    assert named == ("owners" in collectors)


def test_owners_without_sockets(kernel: Kernel) -> None:
    """
    Without sockets there is nothing whose owners could be told.
    """
    assert Sampler(Config(), Memory(), ("settings", "owners")).sample().runs.keys() == {"settings"}
    assert not kernel.reads


def test_owners_that_fail(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    When workloads cannot be named there are no sums of them, not even old ones; the rest goes on.
    """
    sampler = Sampler(Config(), Memory())
    series = "tcp_keepalive_workload_connections"
    sampler.snapshot = sampler.sample()
    assert shown(sampler, time.monotonic())[series] == {"(other)": 0}

    def fail(*_: object) -> dict[int, str]:
        raise CollectorError("no cgroups")

    monkeypatch.setattr(Workloads, "names", fail)
    sampler.snapshot = sampler.sample()
    kept = shown(sampler, time.monotonic())
    assert series not in kept
    assert CONNECTIONS in kept
    assert kept["tcp_keepalive_collector_success"] == {"settings": 1, "sockets": 1, "owners": 0}
    assert len(kernel.reads) == 2
