"""
On a host whose connections are healthy, nothing is ever called an idle drop or a hang.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep, time

import pytest

from tests.e2e.crowd import Crowd, Tally
from tests.e2e.exporting import Exporter, exporter_inside, table
from tests.lab import LAB_MARKS, NatLab, nat_lab

pytestmark = LAB_MARKS

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
"""Seconds in which the last FIN has been acknowledged, however often it was lost."""


@dataclass
class Watch:
    """
    The worst that an exporter has said so far, and the last.
    """

    exporter: Exporter
    scrapes: int = 0
    idle_drops: float = 0
    stalled: float = 0
    connections: float = 0
    closures: dict[str, int] | None = None

    def look(self) -> None:
        """
        Scrape once.
        """
        scrape = self.exporter.scrape()
        stalled = scrape.total("connections", path="wan", idle_state="stalled")
        self.scrapes += 1
        self.idle_drops = max(self.idle_drops, scrape.total("idle_drops_total"))
        self.stalled = max(self.stalled, stalled)
        self.connections = max(self.connections, scrape.total("connections", path="wan"))
        self.closures = scrape.by("reason", "closure_idle_seconds_count", path="wan")


@dataclass(frozen=True)
class Run:
    """
    A crowd's life: what it did, and what was said of it at either side.
    """

    tally: Tally
    watches: dict[str, Watch]
    retransmitted: int


@contextmanager
def looking(watches: dict[str, Watch]) -> Iterator[None]:
    """
    Look all the time until the block is left.
    """
    over = threading.Event()

    def look() -> None:
        while not over.wait(SCRAPE_INTERVAL):
            for watch in watches.values():
                watch.look()

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(look)
        try:
            yield
        finally:
            over.set()
        watching.result()


def retransmitted(lab: NatLab) -> int:
    """
    How many segments client and server have sent again.
    """
    file = Path("/proc/thread-self/net/snmp")
    total = 0
    for host in (lab.client, lab.server):
        lines = [line.split() for line in host.call(file.read_text).splitlines()]
        names, values = (line for line in lines if line[0] == "Tcp:")
        total += int(dict(zip(names, values, strict=True))["RetransSegs"])
    return total


def know_the_listeners(exporter: Exporter) -> None:
    """
    Wait until the exporter has seen which ports are listened on now.
    """
    now = time()
    while exporter.scrape().total("sample_timestamp_seconds") <= now:
        sleep(SCRAPE_INTERVAL / 5)


@pytest.fixture(scope="module")
def run() -> Run:
    """
    Thousands of connections, for 40 s, in which first 1 and then 2 % of the segments are lost.
    """
    with (
        nat_lab(idle_timeout=IDLE_TIMEOUT) as lab,
        exporter_inside(lab.client, CONFIG) as at_client,
        exporter_inside(lab.server, CONFIG) as at_server,
    ):
        watches = {"client": Watch(at_client), "server": Watch(at_server)}
        with looking(watches):
            crowd = Crowd(lab)
            for exporter in (at_client, at_server):
                know_the_listeners(exporter)
            with crowd.milling_about():
                for percent in (1, 2):
                    lab.nat.lose(percent)
                    sleep(DURATION / 2)
            lab.nat.heal()
            crowd.leave()
            expected = {"normal": crowd.tally.closed, "reset": crowd.tally.aborted}
            end = monotonic() + SETTLING
            while monotonic() < end and any(w.closures != expected for w in watches.values()):
                sleep(SCRAPE_INTERVAL)
            sleep(2 * SCRAPE_INTERVAL)
        return Run(crowd.tally, watches, retransmitted(lab))


def test_table(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The crowd was what it should be: large, lossy, and never idle for too long.
    """
    heads = ("at the", "closed", "seen", "aborted", "seen", "idle drops", "stalled", "scrapes")
    rows = []
    for side, watch in run.watches.items():
        seen = watch.closures or {}
        row = (run.tally.closed, seen.get("normal"), run.tally.aborted, seen.get("reset"))
        rows.append((side, *row, watch.idle_drops, watch.stalled, watch.scrapes))
    with capsys.disabled():
        print(f"\n{table(heads, rows)}")
        print(
            f"{run.retransmitted} segments sent again; idle {run.tally.longest_idle:.2f} s at most"
        )
    assert run.tally.longest_idle < NEAR_LIMIT
    assert run.tally.closed + run.tally.aborted > 3000
    assert run.retransmitted > 100
    for watch in run.watches.values():
        assert watch.connections > 1800
        assert watch.scrapes > DURATION


@pytest.mark.parametrize("side", ["client", "server"])
class TestNoFalseAlarm:
    """
    What the exporters at both ends say.
    """

    def test_no_idle_drops(self, run: Run, side: str) -> None:
        """
        No end of a connection is called an idle drop, at any time.
        """
        assert run.watches[side].idle_drops == 0

    def test_nothing_stalled(self, run: Run, side: str) -> None:
        """
        Lost segments make no connection stall, at any time.
        """
        assert run.watches[side].stalled == 0

    def test_closures_are_counted(self, run: Run, side: str) -> None:
        """
        Every connection that was closed or aborted is counted once, as what it was.
        """
        expected = {"normal": run.tally.closed, "reset": run.tally.aborted}
        assert run.watches[side].closures == expected
