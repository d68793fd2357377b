"""
Runs the scenarios in labs with an exporter at the client, which is scraped during the run.
"""

import re
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import mean
from time import sleep

from tests.e2e.exporting import Exporter, Scrape, exporter_inside
from tests.e2e.scenario_endpoint import IDLE_TIMEOUT, ScenarioEndpoint
from tests.e2e.scenario_registry import Endings, ExpectedClosure, Scenario
from tests.e2e.scenarios import SYSCTLS
from tests.lab import OnTimeout, nat_lab
from tests.lab.requirements import needs_files

FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}

_STALLED = re.compile(r'connections\{idle_state="stalled",path="([^"]+)".*\} [1-9]')
_SAMPLED_AT = re.compile(r"^tcp_keepalive_sample_timestamp_seconds (\S+)", re.MULTILINE)
_SCRAPE_INTERVAL = 0.3
_SETTLING = 1.5
"""Seconds in which the last closure events are received and a sample is taken."""
_FILES = 6000
"""Open files of all scenarios in all variants together."""


@dataclass(frozen=True)
class Variant:
    """
    A kind of NAT and an address family.
    """

    on_timeout: OnTimeout
    family: str

    def __str__(self) -> str:
        """
        The label in the table and in test ids.
        """
        return f"{self.on_timeout} {self.family}"


VARIANTS = [Variant(on_timeout, family) for on_timeout in ("drop", "reset") for family in FAMILIES]


@dataclass(frozen=True)
class Outcome:
    """
    Closures and idle drops by reason, and stalled connections, of a scenario.
    """

    closures: dict[str, int]
    idle_drops: dict[str, int]
    over_limit: int
    was_stalled: bool
    still_stalled: bool = False

    @classmethod
    def expected(cls, ends: Endings, closure: ExpectedClosure) -> "Outcome":
        """
        What the exporter should export after these endings.
        """
        lost = {closure.reason: len(ends.lost)} if ends.lost else {}
        closed = {"normal": len(ends.closed)} if ends.closed else {}
        return cls(
            closures=lost | closed,
            idle_drops=lost if closure.idle_drop else {},
            over_limit=ends.undetected,
            was_stalled=bool(ends.lost) and closure.stalled,
        )

    def __str__(self) -> str:
        """
        A short text for the table.
        """
        words = [f"{number} {reason}" for reason, number in sorted(self.closures.items())]
        words += [f"{number} drops by {reason}" for reason, number in self.idle_drops.items()]
        words += [f"{self.over_limit} over the limit"] * (self.over_limit > 0)
        words += ["stalled"] * self.was_stalled + ["STILL STALLED"] * self.still_stalled
        return ", ".join(words) or "nothing"


@dataclass(frozen=True)
class ScenarioRun:
    """
    A scenario run in one variant, and the exporter's metrics afterwards.

    longest_gap is the longest time between two samples in seconds.
    """

    scenario: Scenario
    variant: Variant
    ends: Future[Endings]
    scrape: Scrape
    was_stalled: bool
    longest_gap: float

    @property
    def expected(self) -> Outcome:
        """
        The expected outcome. Raises the exception of the scenario if it failed.
        """
        return Outcome.expected(self.ends.result(), self._expected_closure)

    @property
    def exported(self) -> Outcome:
        """
        The exported outcome.
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
    def true_idle_times(self) -> dict[str, float]:
        """
        The actual mean idle time by reason, in seconds.
        """
        ends = self.ends.result()
        by_reason = {self._expected_closure.reason: ends.lost, "normal": ends.closed}
        return {reason: mean(spells) for reason, spells in by_reason.items() if spells}

    @property
    def exported_idle_times(self) -> dict[str, float]:
        """
        The exported mean idle time by reason, in seconds.
        """

        def total(reason: str) -> float:
            path = self.scenario.path
            return self.scrape.total("closure_idle_seconds_sum", path=path, reason=reason)

        return {reason: total(reason) / number for reason, number in self.exported.closures.items()}

    @property
    def _expected_closure(self) -> ExpectedClosure:
        return self.scenario.expected_closure(self.variant.on_timeout)


@dataclass(frozen=True)
class _Site:
    """
    A lab with an exporter at the client, an endpoint per scenario, the paths seen as stalled, and
    the times of the samples.
    """

    variant: Variant
    endpoints: dict[Scenario, ScenarioEndpoint]
    exporter: Exporter
    stalled: set[str] = field(default_factory=set)
    sampled_at: set[float] = field(default_factory=set)

    def note(self, metrics: str) -> None:
        """
        Add what one scrape shows. Parsing the complete text each time would slow the scenarios
        down.
        """
        self.stalled.update(_STALLED.findall(metrics))
        self.sampled_at.update(map(float, _SAMPLED_AT.findall(metrics)))

    def run_of(self, scenario: Scenario, ends: Future[Endings], scrape: Scrape) -> ScenarioRun:
        """
        The run of a scenario here.
        """
        gaps = [after - before for before, after in pairwise(sorted(self.sampled_at))]
        was_stalled = scenario.path in self.stalled
        return ScenarioRun(scenario, self.variant, ends, scrape, was_stalled, max(gaps))


def run_all(scenarios: Sequence[Scenario]) -> list[ScenarioRun]:
    """
    Run every scenario in every variant. All variants and all scenarios of a phase run in parallel.
    """
    needs_files(_FILES)
    runs: dict[tuple[Scenario, Variant], Future[Endings]] = {}
    with ExitStack() as stack, ThreadPoolExecutor(len(scenarios) * len(VARIANTS)) as threads:
        sites = list(
            threads.map(lambda variant: stack.enter_context(_site(variant, scenarios)), VARIANTS)
        )
        for phase in sorted({scenario.phase for scenario in scenarios}):
            for scenario in scenarios:
                if scenario.phase == phase:
                    for site in sites:
                        endpoint = site.endpoints[scenario]
                        runs[scenario, site.variant] = threads.submit(scenario.run, endpoint)
            wait(runs.values())
        sleep(_SETTLING)
        return [
            site.run_of(scenario, runs[scenario, site.variant], scrape)
            for site, scrape in [(site, site.exporter.scrape()) for site in sites]
            for scenario in scenarios
        ]


@contextmanager
def _site(variant: Variant, scenarios: Sequence[Scenario]) -> Iterator[_Site]:
    with nat_lab(idle_timeout=IDLE_TIMEOUT, on_timeout=variant.on_timeout) as lab:
        for name, value in SYSCTLS.items():
            lab.client.sysctl(f"net.ipv4.{name}", value)
        endpoints = {
            scenario: ScenarioEndpoint(lab, variant.on_timeout, FAMILIES[variant.family], number)
            for number, scenario in enumerate(scenarios)
        }
        paths = "".join(
            f"  - {{name: {scenario.path}, remote: ['{endpoint.network}'],"
            f" direction: outbound, idle_timeout: {IDLE_TIMEOUT}s}}\n"
            for scenario, endpoint in endpoints.items()
        )
        config = "profile: none\nsampling: {interval: 500ms, max_duty_cycle: 1}\n"
        with exporter_inside(lab.client, f"{config}paths:\n{paths}") as exporter:
            site = _Site(variant, endpoints, exporter)
            with _watching(site):
                yield site


@contextmanager
def _watching(site: _Site) -> Iterator[None]:
    """
    Scrape continuously, and collect what the scrapes show.
    """
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(_SCRAPE_INTERVAL):
            site.note(site.exporter.get())

    with ThreadPoolExecutor(1) as pool:
        watcher = pool.submit(watch)
        try:
            yield
        finally:
            stop.set()
        watcher.result()
