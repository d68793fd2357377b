"""
The schedule of samples, and collectors that fail, are slow or hang. The collectors are fakes.
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

from exporter.analysis.losses import Loss
from exporter.collectors import namespace_connections as reader
from exporter.collectors import sampler as module
from exporter.collectors.operating_system import NamespaceSockets
from exporter.collectors.sampler import STALE_AFTER_SAMPLES, Sampler
from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.metrics import families
from exporter.model import (
    CollectorError,
    ConnectionTable,
    Counters,
    InterruptedReadError,
    Settings,
    since_boot,
)
from exporter.paths.matching import LocalEndpoints
from tests.analysis.rows import connection
from tests.collectors.stopping import stop
from tests.tables import connections

SETTINGS = Settings(
    time=120, interval=30, probes=8, data_retransmissions=15, configured=frozenset()
)
REFUSED = CollectorError("netlink is refused")
CONNECTIONS = "tcp_keepalive_connections"
BUSIEST = "tcp_keepalive_path_busiest_destination_connections"
TIME = "tcp_keepalive_time_seconds"


@dataclass
class Kernel:
    """
    A fake kernel: a read takes this many seconds, and raises error if set.
    """

    takes: float = 0.0
    error: Exception | None = None
    hung: Event | None = None
    settings: Settings = SETTINGS
    tables: tuple[ConnectionTable, ...] = ()
    reads: list[tuple[float, float]] = field(default_factory=list)

    def read_settings(self) -> Settings:
        """
        Stand in for exporter.collectors.operating_system.read_settings.
        """
        return self.settings

    def read_sockets(self) -> NamespaceSockets:
        """
        Stand in for exporter.collectors.operating_system.read_sockets.
        """
        started = time.monotonic()
        time.sleep(self.takes)
        if self.hung is not None:
            self.hung.wait(10)
        self.reads.append((started, time.monotonic()))
        if self.error is not None:
            raise self.error
        nowhere = LocalEndpoints(frozenset(), frozenset())
        return NamespaceSockets(Counters(0, 0, 0), nowhere, tables=self.tables)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """
    The fake kernel, installed for the sampler.
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
    return Sampler(Config.model_validate({"sampling": sampling}), State(), ("settings", "sockets"))


@contextlib.asynccontextmanager
async def running(sampler: Sampler) -> AsyncIterator[None]:
    """
    Run the sampler during the block.
    """
    task = asyncio.create_task(sampler.run())
    try:
        yield
    finally:
        await stop(task)


def shown(sampler: Sampler, now: float | None = None) -> dict[str, dict[str, float]]:
    """
    The exported values by family and by the first label's value, at now on the clock since_boot().
    """
    now = since_boot() if now is None else now
    return {
        family.name: {
            next(iter(sample.labels.values()), ""): sample.value for sample in family.samples
        }
        for family in families(sampler.snapshot, None, Config(), now)
    }


async def test_sample_every_interval(kernel: Kernel) -> None:
    """
    Samples start one interval apart, independent of their duration.
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
    Sampling takes at most the fraction of time set by max_duty_cycle.
    """
    kernel.takes = 0.1
    end = time.monotonic() + 30
    async with running(make_sampler("10ms", max_duty_cycle=0.2)):
        while len(kernel.reads) < 5:
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
    parts = [(end - begin) / (after - begin) for (begin, end), (after, _) in pairwise(kernel.reads)]
    assert median(parts) == pytest.approx(0.2, abs=0.05)


async def test_loop_not_blocked(kernel: Kernel) -> None:
    """
    A sample does not block the event loop, which answers scrapes.
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
    While a sample hangs, collector_success is 0 and the sums of connections are absent.
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
        end = time.monotonic() + 10
        while CONNECTIONS not in (recovered := shown(sampler)):
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
    assert overdue["tcp_keepalive_collector_success"] == {"settings": 0, "sockets": 0}
    assert CONNECTIONS not in overdue
    assert overdue[TIME] == {"host": 120}
    assert recovered["tcp_keepalive_collector_success"] == {"settings": 1, "sockets": 1}
    assert CONNECTIONS in recovered


@pytest.fixture
def log() -> Iterator[list[EventDict]]:
    """
    The sampler's log entries.
    """
    with capture_logs() as entries:
        yield entries


def test_failure_and_recovery(kernel: Kernel, log: list[EventDict]) -> None:
    """
    A failure and the recovery are logged once each, independent of the number of failed samples.
    """
    sampler = make_sampler()
    outcomes = []
    for error in (None, REFUSED, REFUSED, REFUSED, None, None):
        kernel.error = error
        outcomes.append(sampler.sample().runs["sockets"].success)
    assert outcomes == [True, False, False, False, True, True]
    failed = {"event": "collector failed", "collector": "sockets", "log_level": "error"}
    recovered = {"event": "collector recovered", "collector": "sockets", "log_level": "info"}
    assert log == [failed | {"error": "netlink is refused"}, recovered]


def test_other_failure_is_logged(kernel: Kernel, log: list[EventDict]) -> None:
    """
    If the reason changes, the new reason is logged.
    """
    sampler = make_sampler()
    for error in (REFUSED, CollectorError("no tcp_diag"), CollectorError("no tcp_diag")):
        kernel.error = error
        sampler.sample()
    assert [entry["error"] for entry in log] == ["netlink is refused", "no tcp_diag"]


def test_fault_of_the_exporter(kernel: Kernel, log: list[EventDict]) -> None:
    """
    An unexpected exception fails only its collector, and is logged once with its traceback.
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
    A namespace is readable if all collectors can read it completely.
    """
    kernel.error = None if sockets else REFUSED
    kernel.settings = SETTINGS if settings else replace(SETTINGS, time=None, problems=("no",))
    snapshot = make_sampler().sample()
    assert snapshot.readable_namespaces == readable
    assert snapshot.unreadable_namespaces == 1 - readable


def test_sums_of_a_failing_collector(kernel: Kernel) -> None:
    """
    If the sockets cannot be read, their last sums are exported for three periods and are then
    absent; the settings are still updated.
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
    Stale timers of all tables make one finding. It ends when the reading of the sockets is too old;
    the findings of settings remain.
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


def test_losses_after_a_reload(kernel: Kernel) -> None:
    """
    A reload with other paths forgets losses that one of them may explain; any other one does not.
    """
    state = State()
    sampler = Sampler(Config(), state, ("settings", "sockets"))
    loss = Loss(1, "azure-outbound", 7, 30.0, 45.0, time.monotonic())
    state.losses.note_closures([loss], time.monotonic())
    for config, watched in (
        (Config.model_validate({"sampling": {"interval": "5s"}}), {7}),
        (Config.model_validate({"profile": "aws"}), set()),
    ):
        sampler.use(config)
        sampler.sample()
        assert state.losses.watched_peers() == watched
    assert kernel.reads


def test_sums_of_a_slow_sample(kernel: Kernel) -> None:
    """
    Sums of a slow first sample are exported until the next sample, which the duty cycle delays.
    """
    kernel.takes = 0.2
    sampler = make_sampler("10ms", max_duty_cycle=0.1)
    sampler.snapshot = sampler.sample()
    assert CONNECTIONS in shown(sampler, since_boot() + 2)


@pytest.mark.usefixtures("kernel")
def test_suspension(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    After the machine was suspended, old readings are not exported, although the monotonic clock
    stood still.
    """
    sampler = make_sampler()
    sampler.snapshot = sampler.sample()
    assert CONNECTIONS in shown(sampler)
    real = time.clock_gettime
    asleep = {time.CLOCK_BOOTTIME: 3600.0}
    monkeypatch.setattr(time, "clock_gettime", lambda clock: real(clock) + asleep.get(clock, 0))
    kept = shown(sampler)
    assert CONNECTIONS not in kept
    assert set(kept["tcp_keepalive_collector_success"].values()) == {0}


def test_busiest_destination(kernel: Kernel) -> None:
    """
    Connections of all tables to one destination are counted together, for each path with SNAT
    ports that they cross; the metric is absent when the reading is too old.
    """
    kernel.tables = (
        connections(("10.0.0.4:1", "203.0.113.1:443"), ("10.0.0.4:2", "203.0.113.2:443")),
        connections(("10.0.0.4:3", "203.0.113.1:443")),
    )
    firewall = {"name": "firewall", "idle_timeout": "60s", "also": True}
    paths = [
        firewall,
        {"name": "nat", "remote": "public", "idle_timeout": "10m", "snat_ports": 64},
        {"name": "vpn", "remote": "private", "idle_timeout": "10m", "snat_ports": 9},
    ]
    config = Config.model_validate({"profile": "none", "paths": paths})
    sampler = Sampler(config, State(), ("sockets",))
    sampler.snapshot = sampler.sample()
    assert shown(sampler)[BUSIEST] == {"nat": 2, "vpn": 0}
    assert BUSIEST not in shown(sampler, since_boot() + 60)


def test_interrupted_tables(kernel: Kernel) -> None:
    """
    Connections of a dump that is repeated are counted once.
    """
    parts = [connections(("10.0.0.4:1", "203.0.113.1:443")) for _ in range(2)]

    class Interrupted(tuple[ConnectionTable, ...]):
        """Tables whose first dump is interrupted after one of them."""

        __slots__ = ()
        interruptions = iter([InterruptedReadError("the tables changed")])

        def __iter__(self) -> Iterator[ConnectionTable]:
            yield parts[0]
            for error in self.interruptions:
                raise error
            yield parts[1]

    kernel.tables = Interrupted()
    path = {"name": "nat", "idle_timeout": "10m", "snat_ports": 64}
    config = Config.model_validate({"profile": "none", "paths": [path]})
    sampler = Sampler(config, State(), ("sockets",))
    sampler.snapshot = sampler.sample()
    assert shown(sampler)[BUSIEST] == {"nat": 2}
    assert shown(sampler)["tcp_keepalive_sampled_sockets"] == {"": 2}


def test_interrupted_reading(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A dump that the kernel interrupts is repeated, up to three attempts.
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
    Only enabled collectors run, and the snapshot has only what they read.
    """
    snapshot = Sampler(Config(), State(), collectors).sample()
    assert tuple(snapshot.runs) == collectors
    assert bool(snapshot.settings) == ("settings" in collectors)
    assert (snapshot.sockets is not None) == ("sockets" in collectors) == bool(kernel.reads)
    named = snapshot.sockets is not None and snapshot.sockets.workloads is not None
    assert named == ("owners" in collectors)


def test_owners_without_sockets(kernel: Kernel) -> None:
    """
    Without the sockets collector, the owners collector does not run.
    """
    assert Sampler(Config(), State(), ("settings", "owners")).sample().runs.keys() == {"settings"}
    assert not kernel.reads


def test_owners_that_fail(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    If the owners collector fails, sums of workloads are absent, including old ones; the rest is
    exported.
    """
    sampler = Sampler(Config(), State())
    series = "tcp_keepalive_workload_connections"
    sampler.snapshot = sampler.sample()
    assert shown(sampler, since_boot())[series] == {"(other)": 0}

    def fail(*_: object) -> dict[int, str]:
        raise CollectorError("no cgroups")

    monkeypatch.setattr(sampler, "_name_workloads", fail)
    sampler.snapshot = sampler.sample()
    kept = shown(sampler, since_boot())
    assert series not in kept
    assert CONNECTIONS in kept
    assert kept["tcp_keepalive_collector_success"] == {"settings": 1, "sockets": 1, "owners": 0}
    assert len(kernel.reads) == 2
