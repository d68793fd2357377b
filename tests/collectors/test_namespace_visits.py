"""
Samples in which some of the network namespaces fail. The namespaces are fakes.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from exporter.collectors import namespace_connections as reader
from exporter.collectors import namespace_visits as visits
from exporter.collectors import sampler as module
from exporter.collectors.operating_system import NamespaceSockets
from exporter.collectors.sampler import Sampler
from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.model import (
    OWN_NAMESPACE,
    CollectorError,
    ConnectionTable,
    Counters,
    DiscoveredNamespaces,
    InterruptedReadError,
    Namespace,
    RefusedError,
    Settings,
    StrandedError,
    VanishedError,
)
from exporter.paths.matching import LocalEndpoints
from tests.collectors.stopping import stop
from tests.tables import connections

WEB, DB = Namespace("web", 1, ("/run/netns/web",)), Namespace("db", 2, ("/run/netns/db",))
SETTINGS = Settings(
    time=120, interval=30, probes=8, data_retransmissions=15, configured=frozenset()
)
BROKEN = CollectorError("netlink is refused")


@dataclass
class World:
    """
    Three namespaces with two connections each.

    entering, surveying, dumping and leaving have the errors raised there, by namespace name. left
    has the namespaces that were left, with the thread's id.
    """

    found: DiscoveredNamespaces = DiscoveredNamespaces((OWN_NAMESPACE, WEB, DB), {})  # noqa: RUF009  never changes
    settings: dict[str, Settings] = field(default_factory=dict)
    entering: dict[str, Exception] = field(default_factory=dict)
    surveying: dict[str, Exception] = field(default_factory=dict)
    dumping: dict[str, Exception] = field(default_factory=dict)
    leaving: dict[str, Exception] = field(default_factory=dict)
    where: str = OWN_NAMESPACE.name
    left: list[tuple[int, str]] = field(default_factory=list)
    surveyed: list[str] = field(default_factory=list)

    @contextmanager
    def inside(self, namespace: Namespace) -> Iterator[None]:
        """
        Stand in for exporter.collectors.operating_system.inside.
        """
        if error := self.entering.get(namespace.name):
            raise error
        self.where = namespace.name
        yield
        self.where = OWN_NAMESPACE.name
        self.left.append((threading.get_native_id(), namespace.name))
        if error := self.leaving.get(namespace.name):
            raise error

    def read_settings(self) -> Settings:
        """
        Stand in for exporter.collectors.operating_system.read_settings.
        """
        return self.settings.get(self.where, SETTINGS)

    def read_sockets(self) -> NamespaceSockets:
        """
        Stand in for exporter.collectors.operating_system.read_sockets.
        """
        self.surveyed.append(self.where)
        if error := self.surveying.get(self.where):
            raise error
        nowhere = LocalEndpoints(frozenset(), frozenset())
        return NamespaceSockets(Counters(1, 1, 1), nowhere, Tables(self))


@dataclass
class Tables:
    """
    Two connections in two tables, with the error between them.
    """

    world: World

    def __iter__(self) -> Iterator[ConnectionTable]:
        here = connections(("10.0.0.4:5000", "203.0.113.5:443"))
        yield here
        if error := self.world.dumping.get(self.world.where):
            raise error
        there = connections(*[("10.0.0.4:5001", "203.0.113.5:443")] * 2)
        yield there.rows(there.cookie == 2)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """
    The fake namespaces, installed for the sampler.
    """
    world = World()
    monkeypatch.setattr(module, "namespace_finder", lambda _: lambda: world.found)
    monkeypatch.setattr(module, "read_settings", world.read_settings)
    monkeypatch.setattr(reader, "read_sockets", world.read_sockets)
    monkeypatch.setattr(visits, "inside", world.inside)
    return world


@pytest.fixture
def sampler(world: World) -> Sampler:
    """
    A sampler of the fake namespaces.
    """
    assert world.found.namespaces
    return Sampler(Config(), State(), ("settings", "sockets"))


@pytest.fixture
def log() -> Iterator[list[EventDict]]:
    """
    The sampler's log entries.
    """
    with capture_logs() as entries:
        yield entries


def test_all_well(sampler: Sampler, log: list[EventDict]) -> None:
    """
    All namespaces are read, and nothing is logged.
    """
    snapshot = sampler.sample()
    assert snapshot.sockets is not None
    assert list(snapshot.settings) == list(snapshot.sockets.namespaces) == ["host", "web", "db"]
    assert snapshot.sockets.connections.sampled == 6
    assert (snapshot.readable_namespaces, snapshot.unreadable_namespaces) == (3, 0)
    assert log == []


@pytest.mark.parametrize("stage", ["surveying", "dumping"])
@pytest.mark.parametrize("error", [BROKEN, InterruptedReadError("the tables keep changing")])
def test_broken_sockets(
    world: World, sampler: Sampler, log: list[EventDict], stage: str, error: Exception
) -> None:
    """
    A namespace whose sockets cannot be read does not affect the others. It is excluded entirely,
    including what was read before the error, and its history is kept.
    """
    sampler.sample()
    state = sampler._state.of(WEB)
    before = state.history
    getattr(world, stage)["web"] = error
    for _ in range(3):
        snapshot = sampler.sample()
        assert snapshot.sockets is not None
        assert list(snapshot.sockets.namespaces) == ["host", "db"]
        assert snapshot.sockets.connections.sampled == 4
        assert list(snapshot.settings) == ["host", "web", "db"]
        assert all(run.success for run in snapshot.runs.values())
        assert (snapshot.readable_namespaces, snapshot.unreadable_namespaces) == (2, 1)
        assert state.history is before

    getattr(world, stage).clear()
    recovered = sampler.sample().sockets
    assert recovered is not None
    assert recovered.connections.sampled == 6
    assert len(state.history) == state.history.present == 2, "no connection counts as missing"
    assert [(entry["event"], entry.get("error"), entry.get("netns")) for entry in log] == [
        ("network namespaces skipped", str(error), "web"),
        ("all network namespaces readable", None, None),
    ]


def test_broken_settings(world: World, sampler: Sampler, log: list[EventDict]) -> None:
    """
    A setting missing in one namespace is logged once; everything else is read.
    """
    world.settings["web"] = Settings(None, 30, 8, 15, frozenset(), problems=("no such file",))
    snapshot = sampler.sample()
    assert snapshot.sockets is not None
    assert snapshot.sockets.connections.sampled == 6
    assert snapshot.runs["settings"].success
    assert snapshot.unreadable_namespaces == 1
    assert [entry["error"] for entry in log] == ["no such file"]


def test_broken_own(world: World, sampler: Sampler) -> None:
    """
    If the exporter's own namespace cannot be read, there is no new reading, and the collector has
    failed.
    """
    first = sampler.sample().sockets
    world.dumping["host"] = BROKEN
    snapshot = sampler.sample()
    assert snapshot.sockets is first
    assert not snapshot.runs["sockets"].success
    assert snapshot.unreadable_namespaces == 1


def test_own_settings_broken(world: World, sampler: Sampler) -> None:
    """
    If the exporter's own settings cannot be read, those of other namespaces are still read.
    """
    world.settings["host"] = Settings(None, 30, 8, 15, frozenset(), problems=("no such file",))
    snapshot = sampler.sample()
    assert list(snapshot.settings) == ["host", "web", "db"]
    assert not snapshot.runs["settings"].success


def test_refused(world: World, sampler: Sampler, log: list[EventDict]) -> None:
    """
    A missing privilege is logged once for all namespaces that it concerns.
    """
    world.entering = dict.fromkeys(("web", "db"), RefusedError("CAP_SYS_ADMIN is required"))
    world.found = DiscoveredNamespaces(world.found.namespaces, {"more than the limit of 2": 7})
    for _ in range(3):
        snapshot = sampler.sample()
        assert (snapshot.readable_namespaces, snapshot.unreadable_namespaces) == (1, 9)
        assert list(snapshot.settings) == ["host"]
    assert [(entry["error"], entry["namespaces"]) for entry in log] == [
        ("more than the limit of 2", 7),
        ("CAP_SYS_ADMIN is required", 2),
    ]


def test_vanished(world: World, sampler: Sampler, log: list[EventDict]) -> None:
    """
    A namespace that was just removed counts neither as readable nor as unreadable.
    """
    world.entering["web"] = VanishedError("web was removed")
    snapshot = sampler.sample()
    assert (snapshot.readable_namespaces, snapshot.unreadable_namespaces) == (2, 0)
    assert log == []


def test_fault_of_the_exporter(world: World, sampler: Sampler, log: list[EventDict]) -> None:
    """
    An unexpected exception affects only its namespace, and is logged with its traceback.
    """
    world.dumping["web"] = ZeroDivisionError("a fault")
    for _ in range(2):
        snapshot = sampler.sample()
        assert snapshot.sockets is not None
        assert snapshot.sockets.connections.sampled == 4
    assert [(entry["error"], entry["exc_info"]) for entry in log] == [
        ("unexpected ZeroDivisionError: a fault", world.dumping["web"])
    ]


async def test_stranded(world: World) -> None:
    """
    A thread that cannot return to its own namespace reads nothing more, not even for another
    collector, because the result would be attributed to its own namespace. The next sample has a
    new thread.
    """
    sampler = Sampler(
        Config.model_validate({"sampling": {"interval": "20ms", "max_duty_cycle": 1}}),
        State(),
        ("settings", "sockets"),
    )
    world.leaving["web"] = StrandedError("cannot return from web")
    task = asyncio.create_task(sampler.run())
    try:
        await until(lambda: len(world.left) > 4)
        assert sampler.snapshot is None
        assert not world.surveyed
        assert len({thread for thread, _ in world.left[:4]}) > 1
        world.leaving.clear()
        await until(lambda: sampler.snapshot is not None)
    finally:
        await stop(task)


async def until(condition: Callable[[], bool], within: float = 10) -> None:
    """
    Wait until the condition is true. Raises AssertionError after within seconds.
    """
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
