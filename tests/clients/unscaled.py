"""
Real clients behind real timeouts: a NAT that forgets after 240 s, the exporter without a config
file, the kernel's default settings. Hangs are observed to their end, for about 16 minutes.

Usage: `python -m tests.clients.unscaled`, as root; takes about 25 minutes.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients.client_site import ADDRESSES, Site, client_of, opened
from tests.clients.deaths import watched
from tests.clients.results_table import same, versions
from tests.clients.scaled import HANGING, expect_ok, hanging_ports
from tests.clients.scenarios import Event, Scenario
from tests.e2e.exporter_inside import Exporter, exporter_inside, table
from tests.e2e.servers import PostgreSQL
from tests.lab import nat_lab

TIMEOUT, IDLE, SERVER_CLOSES = 240, 255.0, 5.0
INTERVAL = 15.0
"""The default time between samples."""
_HANG = 16.5 * 60
_SLACK = 3.0
_ORPHANS_END_WITHIN = 150.0
"""Seconds; the kernel repeats the FIN of a closed socket for about 100 s (tcp_orphan_retries)."""
SCENARIOS = (
    Scenario(Event.IDLE, "drop"),
    Scenario(Event.IDLE, "reset"),
    Scenario(Event.IDLE, "drop", server_closes=True),
    Scenario(Event.BUSY, "drop"),
)


@dataclass
class Observation:
    """
    The truth and what metrics and `connections` say, at one time.
    """

    at: float
    what: str
    truth: int
    metrics: int
    listed: int

    @property
    def agrees(self) -> bool:
        """
        Whether all three are the same.
        """
        return self.truth == self.metrics == self.listed


@dataclass
class ClientResult:
    """
    What one client observed, and what `connections` says of it. The metrics are not by client.

    took is the time in seconds until its answer came.
    """

    answer: str = ""
    took: float = 0.0
    dead: int = 0
    listed_at_risk: int = 0
    hanging: int = 0
    listed_hanging: int = 0
    died: int = 0

    @property
    def agrees(self) -> bool:
        """
        Whether `connections` agrees with the truth.
        """
        return self.dead == self.listed_at_risk and self.hanging == self.listed_hanging


@dataclass
class Outcome:
    """
    One scenario.
    """

    clients: dict[str, ClientResult] = field(
        default_factory=lambda: {name: ClientResult() for name in ADDRESSES}
    )
    observations: list[Observation] = field(default_factory=list)
    wrong_idle: list[float] = field(default_factory=list)
    aborted: int = 0
    drops: dict[str, int] = field(default_factory=dict)

    @property
    def died(self) -> int:
        """
        The number of connections that died.
        """
        return sum(client.died for client in self.clients.values())

    @property
    def faults(self) -> list[str]:
        """
        What does not agree.
        """
        found = [str(each) for each in self.observations if not each.agrees]
        found += [f"{name}: {each}" for name, each in self.clients.items() if not each.agrees]
        found += [f"idle time {seconds:.1f} s of a hang" for seconds in self.wrong_idle]
        if not self.died - self.aborted <= sum(self.drops.values()) <= self.died:
            found.append(f"{self.died} died, idle drops {self.drops}")
        return found


@dataclass(frozen=True)
class Live:
    """
    A site with its exporter. config is an empty file, for commands.
    """

    exporter: Exporter
    site: Site
    config: Path

    def hanging(self) -> dict[str, set[int]]:
        """
        The local ports of the connections that hang, by client.
        """
        hanging = hanging_ports(self.site)
        return {name: {port for port in ports if ports[port]} for name, ports in hanging.items()}

    def rows(self, *risks: str) -> list[dict[str, Any]]:
        """
        The clients' connections that `connections` lists with these risks.
        """
        listed = self.site.listing(self.config)
        return [row for row in listed if _client(row) and row["risk"] in risks]


def run(scenario: Scenario, directory: Path, postgresql: PostgreSQL) -> Outcome:
    """
    Run a scenario with all clients.
    """
    outcome, started = Outcome(), time.monotonic()
    directory.mkdir()
    config = directory / "exporter.yml"
    config.write_text("")
    with ExitStack() as stack:
        lab = stack.enter_context(nat_lab(idle_timeout=TIMEOUT, on_timeout=scenario.nat or "drop"))
        exporter = stack.enter_context(exporter_inside(lab.client))
        idle = SERVER_CLOSES if scenario.server_closes else 0
        site = stack.enter_context(opened(lab, directory, postgresql, idle))
        live = Live(exporter, site, config)
        expect_ok(site)
        with watched(site) as deaths:
            if scenario.event is Event.BUSY:
                for _ in range(9):
                    time.sleep(TIMEOUT / 4)
                    expect_ok(site)
            else:
                time.sleep(IDLE)
            dead, hanging = deaths.look(), live.hanging()
            metrics = int(exporter.scrape().total("at_risk_connections"))
            rows = live.rows("at_risk")
            listed = Counter(map(_client, rows))
            for name, client in outcome.clients.items():
                client.dead = len(dead[name] - hanging[name])
                client.listed_at_risk = listed[name]
            at = time.monotonic() - started
            truth = sum(client.dead for client in outcome.clients.values())
            outcome.observations.append(Observation(at, "at risk", truth, metrics, len(rows)))
            _use(outcome, live, str(scenario))
            for answer in site.use().values():
                answer.result(_HANG)
            site.end()
        time.sleep(_ORPHANS_END_WITHIN)
        scrape = exporter.scrape()
        outcome.drops = scrape.by("reason", "idle_drops_total")
        outcome.aborted = int(
            scrape.total("closure_idle_seconds_count", reason="abort", path="azure-outbound")
        )
        for name, client in outcome.clients.items():
            client.died = deaths.count(name)
    return outcome


def _use(outcome: Outcome, live: Live, scenario: str) -> None:
    """
    Use all connections, and observe those that hang to their end.
    """
    used = time.monotonic()
    waiting = live.site.use()
    time.sleep(2 * INTERVAL)
    while True:
        for name in [name for name, answer in waiting.items() if answer.done()]:
            client = outcome.clients[name]
            client.answer, client.took = waiting.pop(name).result(), time.monotonic() - used
        before = live.hanging()
        truth = sum(map(len, before.values()))
        print(f"{scenario}: {truth} hang, {len(waiting)} wait", flush=True)
        if not truth and not waiting:
            return
        assert time.monotonic() - used < _HANG, waiting
        time.sleep(INTERVAL + 1)
        scrape = live.exporter.scrape()
        metrics = sum(int(scrape.total("connections", idle_state=state)) for state in HANGING)
        listed = live.rows(*HANGING)
        if truth and live.hanging() == before:
            by_client = Counter(map(_client, listed))
            for name, client in outcome.clients.items():
                client.hanging = max(client.hanging, len(before[name]))
                client.listed_hanging = max(client.listed_hanging, by_client[name])
            at = time.monotonic() - used
            outcome.observations.append(Observation(at, "hangs", truth, metrics, len(listed)))
            spells = [float(row["idle_seconds"] or 0) for row in listed]
            outcome.wrong_idle += [each for each in spells if each < TIMEOUT - _SLACK]


def _client(row: dict[str, Any]) -> str | None:
    return client_of(row["remote"]["address"])


def report(scenario: Scenario, outcome: Outcome) -> Iterator[str]:
    """
    The lines to print.
    """
    yield f"\n{scenario}: {outcome.died} died, idle drops {outcome.drops}"
    yield table(
        ("client", "version", "answer", "after", "died", "at risk", "hangs", "agrees"),
        (
            (
                *(name, versions().get(name, ""), each.answer, f"{each.took:.0f} s", each.died),
                same(each.dead, each.listed_at_risk),
                same(each.hanging, each.listed_hanging),
                "yes" if each.agrees else "no",
            )
            for name, each in outcome.clients.items()
        ),
    )
    yield table(
        ("after", "what", "truth", "metrics", "connections"),
        (
            (f"{each.at:.0f} s", each.what, each.truth, each.metrics, each.listed)
            for each in outcome.observations
        ),
    )
    yield f"faults: {outcome.faults or 'none'}"


def main() -> int:
    """
    Run all scenarios in parallel; returns the exit code.
    """
    with (
        PostgreSQL.installed() as postgresql,
        tempfile.TemporaryDirectory(prefix="clients-") as directory,
        ThreadPoolExecutor(len(SCENARIOS)) as threads,
    ):
        runs: dict[Scenario, Future[Outcome]] = {}
        for number, scenario in enumerate(SCENARIOS):
            own = Path(directory, str(number))
            runs[scenario] = threads.submit(run, scenario, own, postgresql)
            time.sleep(8)  # starting takes most of the processor time
        failed = False
        for scenario, each in runs.items():
            try:
                outcome = each.result()
            except Exception as error:  # noqa: BLE001  the other scenarios are reported too
                print(f"\n{scenario}: {error!r}")
                failed = True
            else:
                print("\n".join(report(scenario, outcome)), flush=True)
                failed |= bool(outcome.faults)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
