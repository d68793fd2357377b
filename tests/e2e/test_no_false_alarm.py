"""
With healthy connections, the exporter never reports idle drops, stalled connections or losses after
idle times.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep, time

import pytest

from tests.e2e.exporting import Exporter, exporter_inside, table
from tests.e2e.healthy_traffic import HealthyTraffic, TrafficCounts
from tests.lab import LAB_MARKS, NatLab, nat_lab

# Thousands of connections that must never be idle for too long: the machine has to keep pace.
pytestmark = [*LAB_MARKS, pytest.mark.timeout(300), pytest.mark.timing]

IDLE_TIMEOUT = 5
NEAR_LIMIT = 0.75 * IDLE_TIMEOUT
CONFIG = f"""
profile: none
sampling: {{interval: 500ms, max_duty_cycle: 1}}
paths:
  - {{name: wan, remote: public, idle_timeout: {IDLE_TIMEOUT}s}}
"""
DURATION = 40.0
SCRAPE_INTERVAL = 0.5
SETTLING = 10.0
"""Seconds until the last FIN is acknowledged, even if it was lost several times."""


@dataclass
class Observer:
    """
    The maximums of an exporter's metrics so far, all its findings, and its last closures.
    """

    exporter: Exporter
    scrapes: int = 0
    idle_drops: float = 0
    stalled: float = 0
    connections: float = 0
    findings: set[str] = field(default_factory=set)
    closures: dict[str, int] | None = None

    def scrape(self) -> None:
        """
        Scrape once.
        """
        metrics = self.exporter.scrape()
        stalled = metrics.total("connections", path="wan", idle_state="stalled")
        self.scrapes += 1
        self.idle_drops = max(self.idle_drops, metrics.total("idle_drops_total"))
        self.stalled = max(self.stalled, stalled)
        self.connections = max(self.connections, metrics.total("connections", path="wan"))
        self.findings |= {labels["id"] for labels, _ in metrics.samples.get("finding", [])}
        self.closures = metrics.by("reason", "closure_idle_seconds_count", path="wan")


@dataclass(frozen=True)
class Run:
    """
    One run: the actual numbers, the exported ones at both ends, and the retransmitted segments.
    """

    counts: TrafficCounts
    observers: dict[str, Observer]
    retransmitted: int


@contextmanager
def observing(observers: dict[str, Observer]) -> Iterator[None]:
    """
    Scrape continuously until the end of the block.
    """
    stop = threading.Event()

    def scrape() -> None:
        while not stop.wait(SCRAPE_INTERVAL):
            for observer in observers.values():
                observer.scrape()

    with ThreadPoolExecutor(1) as pool:
        scraping = pool.submit(scrape)
        try:
            yield
        finally:
            stop.set()
        scraping.result()


def retransmitted(lab: NatLab) -> int:
    """
    The number of segments retransmitted by client and server.
    """
    file = Path("/proc/thread-self/net/snmp")
    total = 0
    for host in (lab.client, lab.server):
        lines = [line.split() for line in host.call(file.read_text).splitlines()]
        names, values = (line for line in lines if line[0] == "Tcp:")
        total += int(dict(zip(names, values, strict=True))["RetransSegs"])
    return total


def wait_for_listeners(exporter: Exporter) -> None:
    """
    Wait until the exporter has sampled the current listening ports.
    """
    now = time()
    while exporter.scrape().total("sample_timestamp_seconds") <= now:
        sleep(SCRAPE_INTERVAL / 5)


@pytest.fixture(scope="module")
def run() -> Run:
    """
    Thousands of connections during 40 s, with first 1 % and then 2 % packet loss.
    """
    with (
        nat_lab(idle_timeout=IDLE_TIMEOUT) as lab,
        exporter_inside(lab.client, CONFIG) as at_client,
        exporter_inside(lab.server, CONFIG) as at_server,
    ):
        observers = {"client": Observer(at_client), "server": Observer(at_server)}
        with observing(observers):
            traffic = HealthyTraffic(lab)
            for exporter in (at_client, at_server):
                wait_for_listeners(exporter)
            with traffic.running():
                for percent in (1, 2):
                    lab.nat.lose(percent)
                    sleep(DURATION / 2)
            lab.nat.heal()
            traffic.close()
            end = monotonic() + SETTLING
            while monotonic() < end and any(
                observer.closures != traffic.counts.closures(side)
                for side, observer in observers.items()
            ):
                sleep(SCRAPE_INTERVAL)
            sleep(2 * SCRAPE_INTERVAL)
        return Run(traffic.counts, observers, retransmitted(lab))


def test_table(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The traffic met the conditions: enough connections and loss, and no connection idle for too
    long.
    """
    heads = ("side", "expected", "counted", "drops", "stalled", "scrapes")
    rows = []
    for side, observer in run.observers.items():
        closures = (run.counts.closures(side), observer.closures)
        rows.append((side, *closures, observer.idle_drops, observer.stalled, observer.scrapes))
    with capsys.disabled():
        print(f"\n{table(heads, rows)}")
        print(f"{run.retransmitted} retransmissions; idle at most {run.counts.longest_idle:.2f} s")
    assert run.counts.longest_idle < NEAR_LIMIT
    assert run.counts.closed + run.counts.aborted.total() > 3000
    assert run.retransmitted > 100
    for observer in run.observers.values():
        assert observer.connections > 1800
        assert observer.scrapes > DURATION


@pytest.mark.parametrize("side", ["client", "server"])
class TestNoFalseAlarm:
    """
    The metrics of the exporters at both ends.
    """

    def test_no_idle_drops(self, run: Run, side: str) -> None:
        """
        No closure is ever counted as an idle drop.
        """
        assert run.observers[side].idle_drops == 0

    def test_nothing_stalled(self, run: Run, side: str) -> None:
        """
        Packet loss never makes a connection stalled.
        """
        assert run.observers[side].stalled == 0

    def test_no_unexplained_losses(self, run: Run, side: str) -> None:
        """
        Aborts and packet loss are no losses after idle times.
        """
        assert run.observers[side].findings
        assert "KA019" not in run.observers[side].findings

    def test_closures_are_counted(self, run: Run, side: str) -> None:
        """
        Every closed or aborted connection is counted once, with its reason.
        """
        assert run.observers[side].closures == run.counts.closures(side)
