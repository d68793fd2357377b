"""
Where the scenarios play: labs with an exporter at the client, watched while they do.
"""

import re
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import mean
from time import sleep

from tests.e2e.exporting import Exporter, Scrape, exporter_inside
from tests.e2e.fates import Ends, Fate, Scenario
from tests.e2e.scenario_endpoint import IDLE_TIMEOUT, Stage
from tests.e2e.scenarios import SYSCTLS
from tests.lab import OnTimeout, nat_lab

FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}

_STALLED = re.compile(r'connections\{idle_state="stalled",path="([^"]+)".*\} [1-9]')
_SCRAPE_INTERVAL = 0.3
_SETTLING = 1.5
"""Seconds in which the last ends are told, and a sample is taken."""


@dataclass(frozen=True)
class Place:
    """
    A kind of NAT and an address family.
    """

    on_timeout: OnTimeout
    family: str

    def __str__(self) -> str:
        """
        As it stands in the table and in the names of tests.
        """
        return f"{self.on_timeout} {self.family}"


PLACES = [Place(on_timeout, family) for on_timeout in ("drop", "reset") for family in FAMILIES]


@dataclass(frozen=True)
class Outcome:
    """
    What becomes of a scenario's connections: closures and idle drops by reason, and the hangs.
    """

    closures: dict[str, int]
    idle_drops: dict[str, int]
    over_limit: int
    was_stalled: bool
    still_stalled: bool = False

    @classmethod
    def expected(cls, ends: Ends, fate: Fate) -> "Outcome":
        """
        What the exporter should say after these ends.
        """
        died = {fate.reason: len(ends.died)} if ends.died else {}
        closed = {"normal": len(ends.closed)} if ends.closed else {}
        return cls(
            closures=died | closed,
            idle_drops=died if fate.idle_drop else {},
            over_limit=ends.unaware,
            was_stalled=bool(ends.died) and fate.stalled,
        )

    def __str__(self) -> str:
        """
        In a few words, for the table.
        """
        words = [f"{number} {reason}" for reason, number in sorted(self.closures.items())]
        words += [f"{number} drops by {reason}" for reason, number in self.idle_drops.items()]
        words += [f"{self.over_limit} over the limit"] * (self.over_limit > 0)
        words += ["stalled"] * self.was_stalled + ["STILL STALLED"] * self.still_stalled
        return ", ".join(words) or "nothing"


@dataclass(frozen=True)
class Play:
    """
    A scenario played in one place, and what the exporter there said afterwards.
    """

    scenario: Scenario
    place: Place
    ends: Future[Ends]
    scrape: Scrape
    was_stalled: bool

    @property
    def expected(self) -> Outcome:
        """
        What should be seen. Raises what the story raised, if it could not be played to its end.
        """
        return Outcome.expected(self.ends.result(), self._fate)

    @property
    def seen(self) -> Outcome:
        """
        What was seen.
        """
        path = self.scenario.path

        unprotected = self.scrape.by("idle_state", "connections", path=path, protection="none")
        return Outcome(
            closures=self.scrape.by("reason", "closure_idle_seconds_count", path=path),
            idle_drops=self.scrape.by("reason", "idle_drops_total", path=path),
            over_limit=unprotected.get("over_limit", 0),
            was_stalled=self.was_stalled,
            still_stalled=self.scrape.total("connections", path=path, idle_state="stalled") > 0,
        )

    @property
    def true_spells(self) -> dict[str, float]:
        """
        The mean idle spell by reason, as the story measured it.
        """
        ends = self.ends.result()
        by_reason = {self._fate.reason: ends.died, "normal": ends.closed}
        return {reason: mean(spells) for reason, spells in by_reason.items() if spells}

    @property
    def seen_spells(self) -> dict[str, float]:
        """
        The same as the exporter says.
        """

        def total(reason: str) -> float:
            path = self.scenario.path
            return self.scrape.total("closure_idle_seconds_sum", path=path, reason=reason)

        return {reason: total(reason) / number for reason, number in self.seen.closures.items()}

    @property
    def _fate(self) -> Fate:
        return self.scenario.fate(self.place.on_timeout)


@dataclass(frozen=True)
class _House:
    """
    A lab with an exporter at the client, a stage for every scenario, and a watch on what hangs.
    """

    place: Place
    stages: dict[Scenario, Stage]
    exporter: Exporter
    stalled: set[str]


def play_all(scenarios: Sequence[Scenario]) -> list[Play]:
    """
    Play every scenario in every place, act by act; all places and all scenarios of an act at once.
    """
    plays: dict[tuple[Scenario, Place], Future[Ends]] = {}
    with ExitStack() as stack, ThreadPoolExecutor(len(scenarios) * len(PLACES)) as actors:
        houses = list(
            actors.map(lambda place: stack.enter_context(_house(place, scenarios)), PLACES)
        )
        for act in sorted({scenario.act for scenario in scenarios}):
            for scenario in scenarios:
                if scenario.act == act:
                    for house in houses:
                        stage = house.stages[scenario]
                        plays[scenario, house.place] = actors.submit(scenario.story, stage)
            wait(plays.values())
        sleep(_SETTLING)
        last = {house.place: house.exporter.scrape() for house in houses}
        stalled = {house.place: house.stalled for house in houses}
        return [
            Play(scenario, place, ends, last[place], scenario.path in stalled[place])
            for (scenario, place), ends in plays.items()
        ]


@contextmanager
def _house(place: Place, scenarios: Sequence[Scenario]) -> Iterator[_House]:
    with nat_lab(idle_timeout=IDLE_TIMEOUT, on_timeout=place.on_timeout) as lab:
        for name, value in SYSCTLS.items():
            lab.client.sysctl(f"net.ipv4.{name}", value)
        stages = {
            scenario: Stage(lab, place.on_timeout, FAMILIES[place.family], number)
            for number, scenario in enumerate(scenarios)
        }
        paths = "".join(
            f"  - {{name: {scenario.path}, remote: ['{stage.network}'],"
            f" direction: outbound, idle_timeout: {IDLE_TIMEOUT}s}}\n"
            for scenario, stage in stages.items()
        )
        config = "profile: none\nsampling: {interval: 500ms, max_duty_cycle: 1}\n"
        with exporter_inside(lab.client, f"{config}paths:\n{paths}") as exporter:
            stalled: set[str] = set()
            with _watching(exporter, stalled):
                yield _House(place, stages, exporter, stalled)


@contextmanager
def _watching(exporter: Exporter, stalled: set[str]) -> Iterator[None]:
    """
    Scrape all the time, and note the paths on which connections are shown as stalled.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_SCRAPE_INTERVAL):
            # Parsing all of it, all the time, would take the stories' time away.
            stalled.update(_STALLED.findall(exporter.get()))

    with ThreadPoolExecutor(1) as pool:
        watcher = pool.submit(watch)
        try:
            yield
        finally:
            over.set()
        watcher.result()
