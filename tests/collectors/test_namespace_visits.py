"""
What becomes of a sample when some of the network namespaces fail.

The namespaces are stand-ins here: they fail when they are told to.
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

from exporter.collectors import namespace_visits as tour
from exporter.collectors import reader
from exporter.collectors import sampler as module
from exporter.collectors.sampler import Sampler
from exporter.collectors.state import Memory
from exporter.config.schema import Config
from exporter.linux import NamespaceSockets
from exporter.model import (
    OWN_NAMESPACE,
    CollectorError,
    ConnectionTable,
    Counters,
    Found,
    InterruptedReadError,
    Namespace,
    RefusedError,
    Settings,
    StrandedError,
    VanishedError,
)
from exporter.paths.matching import Surroundings
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

    What entering, looking around, dumping and leaving raises, by the namespace's name; left are
    those that were left, and by which thread.
    """

    found: Found = Found((OWN_NAMESPACE, WEB, DB), {})  # noqa: RUF009  never changes
    settings: dict[str, Settings] = field(default_factory=dict)
    entering: dict[str, Exception] = field(default_factory=dict)
    looking: dict[str, Exception] = field(default_factory=dict)
    dumping: dict[str, Exception] = field(default_factory=dict)
    leaving: dict[str, Exception] = field(default_factory=dict)
    where: str = OWN_NAMESPACE.name
    left: list[tuple[int, str]] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)

    @contextmanager
    def inside(self, namespace: Namespace) -> Iterator[None]:
        """
        Stand in for exporter.linux.inside.
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
        Stand in for exporter.settings.read_settings.
        """
        return self.settings.get(self.where, SETTINGS)

    def read_sockets(self) -> NamespaceSockets:
        """
        Stand in for exporter.linux.read_sockets.
        """
        self.looked_at.append(self.where)
        if error := self.looking.get(self.where):
            raise error
        nowhere = Surroundings(frozenset(), frozenset())
        return NamespaceSockets(Counters(1, 1, 1), nowhere, Tables(self))


@dataclass
class Tables:
    """
    Two connections, a table each; an error comes between them.
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
    The world that the sampler meets.
    """
    world = World()
    monkeypatch.setattr(module, "namespace_finder", lambda _: lambda: world.found)
    monkeypatch.setattr(module, "read_settings", world.read_settings)
    monkeypatch.setattr(reader, "read_sockets", world.read_sockets)
    monkeypatch.setattr(tour, "inside", world.inside)
    return world


@pytest.fixture
def sampler(world: World) -> Sampler:
    """
    A sampler in that world.
    """
    assert world.found.namespaces
    return Sampler(Config(), Memory(), ("settings", "sockets"))


@pytest.fixture
def log() -> Iterator[list[EventDict]]:
    """
    What the sampler logs.
    """
    with capture_logs() as entries:
        yield entries


def test_all_well(sampler: Sampler, log: list[EventDict]) -> None:
    """
    Every namespace is read, and nothing is said.
    """
    snapshot = sampler.sample()
    assert snapshot.sockets is not None
    assert list(snapshot.settings) == list(snapshot.sockets.namespaces) == ["host", "web", "db"]
    assert snapshot.sockets.connections.sampled == 6
    assert (snapshot.readable_namespaces, snapshot.unreadable_namespaces) == (3, 0)
    assert log == []


@pytest.mark.parametrize("stage", ["looking", "dumping"])
@pytest.mark.parametrize("error", [BROKEN, InterruptedReadError("no end of changes")])
def test_broken_sockets(
    world: World, sampler: Sampler, log: list[EventDict], stage: str, error: Exception
) -> None:
    """
    A namespace whose sockets cannot be read spoils no other. Nothing of it is counted, not what was
    read before the error either; what is remembered of it stays.
    """
    sampler.sample()
    memory = sampler._memory.of(WEB)
    before = memory.history
    getattr(world, stage)["web"] = error
    for _ in range(3):
        snapshot = sampler.sample()
        assert snapshot.sockets is not None
        assert list(snapshot.sockets.namespaces) == ["host", "db"]
        assert snapshot.sockets.connections.sampled == 4
        assert list(snapshot.settings) == ["host", "web", "db"]
        assert all(run.success for run in snapshot.runs.values())
        assert (snapshot.readable_namespaces, snapshot.unreadable_namespaces) == (2, 1)
        assert memory.history is before

    getattr(world, stage).clear()
    recovered = sampler.sample().sockets
    assert recovered is not None
    assert recovered.connections.sampled == 6
    assert len(memory.history) == memory.history.living == 2, "none was taken for gone"
    assert [(entry["event"], entry.get("error"), entry.get("netns")) for entry in log] == [
        ("network namespaces are not read", str(error), "web"),
        ("all network namespaces are read", None, None),
    ]


def test_broken_settings(world: World, sampler: Sampler, log: list[EventDict]) -> None:
    """
    A setting that one namespace lacks is told once; all else is read.
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
    Where the own namespace cannot be read there is no new reading, and the collector has failed.
    """
    first = sampler.sample().sockets
    world.dumping["host"] = BROKEN
    snapshot = sampler.sample()
    assert snapshot.sockets is first
    assert not snapshot.runs["sockets"].success
    assert snapshot.unreadable_namespaces == 1


def test_own_settings_broken(world: World, sampler: Sampler) -> None:
    """
    The settings of the others are read all the same.
    """
    world.settings["host"] = Settings(None, 30, 8, 15, frozenset(), problems=("no such file",))
    snapshot = sampler.sample()
    assert list(snapshot.settings) == ["host", "web", "db"]
    assert not snapshot.runs["settings"].success


def test_refused(world: World, sampler: Sampler, log: list[EventDict]) -> None:
    """
    What is lacking is said once for all namespaces that it keeps from being read.
    """
    world.entering = dict.fromkeys(("web", "db"), RefusedError("CAP_SYS_ADMIN is lacking"))
    world.found = Found(world.found.namespaces, {"there are more than 2": 7})
    for _ in range(3):
        snapshot = sampler.sample()
        assert (snapshot.readable_namespaces, snapshot.unreadable_namespaces) == (1, 9)
        assert list(snapshot.settings) == ["host"]
    assert [(entry["error"], entry["namespaces"]) for entry in log] == [
        ("there are more than 2", 7),
        ("CAP_SYS_ADMIN is lacking", 2),
    ]


def test_vanished(world: World, sampler: Sampler, log: list[EventDict]) -> None:
    """
    A namespace that has just ended is none.
    """
    world.entering["web"] = VanishedError("web has ended")
    snapshot = sampler.sample()
    assert (snapshot.readable_namespaces, snapshot.unreadable_namespaces) == (2, 0)
    assert log == []


def test_fault_of_the_exporter(world: World, sampler: Sampler, log: list[EventDict]) -> None:
    """
    An error that nobody expected spoils its namespace alone, and is logged with its traceback.
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
    A thread that cannot come back to the own namespace reads nothing more, not even for another
    collector: what it read would be shown as the own. The next sample has a new thread.
    """
    sampler = Sampler(
        Config.model_validate({"sampling": {"interval": "20ms", "max_duty_cycle": 1}}),
        Memory(),
        ("settings", "sockets"),
    )
    world.leaving["web"] = StrandedError("cannot come back from web")
    task = asyncio.create_task(sampler.run())
    try:
        await until(lambda: len(world.left) > 4)
        assert sampler.snapshot is None
        assert not world.looked_at
        assert len({thread for thread, _ in world.left[:4]}) > 1
        world.leaving.clear()
        await until(lambda: sampler.snapshot is not None)
    finally:
        task.cancel()


async def until(condition: Callable[[], bool], within: float = 10) -> None:
    """
    Wait until a condition comes true. Raises AssertionError if it does not.
    """
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
