"""
Runs one scenario with all clients, and compares what they observed with what the exporter says.
"""

import contextlib
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.clients.client_site import ADDRESSES, Site, opened
from tests.clients.deaths import Deaths, watched
from tests.clients.scenarios import NO_TIMEOUT, Event, Scenario, Times
from tests.e2e.exporting import Exporter, Scrape, exporter_inside, with_paths
from tests.e2e.servers import PostgreSQL
from tests.exporter_process import COMMAND, ROOT
from tests.lab import Pair, nat_lab, pair

_T = TypeVar("_T")

_STARTING = threading.Semaphore(2)
"""Number of labs that start at the same time: each starts some forty processes."""
_HANGS_FOR = {False: 5, True: 7}
"""net.ipv4.tcp_retries2, by whether the server vanishes: a hang ends after 12 s, or after 51 s."""
_SEEN_AFTER = {False: 3.0, True: 34.0}
"""Seconds after which a hang is shown; `unanswered` takes 30 s."""
_HANG_ENDS_AFTER = 20.0
_LOOKS = 5
_TWO_SAMPLES = 1.0
_PROMPT = 2.0
_VANISHED = """
table inet vanished {
  chain input {
    type filter hook input priority 0
    policy drop
  }
}
"""
_ANSWERS_WITHIN = 120.0
_ORPHANS_END_WITHIN = 3.0
HANGING = ("stalled", "unanswered")
_RETRANSMITS = re.compile(r"timer:\(on,[^,]*,[1-9]")


@dataclass
class Result:
    """
    What one client observed, and what the exporter says of it.

    dead and hanging are the truth: the connections that were open here and forgotten by the path
    before they were used again, without retransmitting, and those that retransmitted after that.
    died has the dead ones of the whole scenario. at_risk, hangs, closures and drops are from the
    metrics, listed_at_risk and listed_hanging from `connections`, logged from the log, finding from
    `check`. unexplained is whether losses without an explanation were found.
    """

    client: str
    answer: str = ""
    sockets: int = 0
    dead: int = 0
    at_risk: int = 0
    listed_at_risk: int = 0
    hanging: int = 0
    hangs: int = 0
    listed_hanging: int = 0
    died: int = 0
    closures: dict[str, int] = field(default_factory=dict)
    drops: dict[str, int] = field(default_factory=dict)
    logged: int = 0
    evidence: bool = False
    finding: bool = False
    unexplained: bool = False

    @property
    def dropped(self) -> int:
        """
        The number of idle drops in the metrics.
        """
        return sum(self.drops.values())

    @property
    def contradictions(self) -> list[str]:
        """
        What does not agree with the truth.
        """
        # A client may also abort a connection that has died, without having noticed.
        aborted = self.closures.get("abort", 0) if self.died else 0
        facts = {
            "at risk: metrics": self.at_risk == self.dead,
            "at risk: connections": self.listed_at_risk == self.dead,
            "hanging: metrics": self.hangs == self.hanging,
            "hanging: connections": self.listed_hanging == self.hanging,
            "idle drops: metrics": self.died - aborted <= self.dropped <= self.died,
            # The log has at most twenty a minute.
            "idle drops: log": self.logged <= self.dropped,
            "evidence": self.died > 0 or not (self.evidence or self.finding),
            "unexplained": not self.unexplained,
        }
        return [name for name, agrees in facts.items() if not agrees]


def run(scenario: Scenario, times: Times, directory: Path, postgresql: PostgreSQL) -> list[Result]:
    """
    The results of all clients.
    """
    directory.mkdir()
    config = directory / "exporter.yml"
    timeout = times.timeout if scenario.nat else NO_TIMEOUT
    config.write_text(with_paths(ADDRESSES, timeout, times.interval))
    vanishes = scenario.event is Event.VANISH
    with contextlib.ExitStack() as stack:
        with _STARTING:
            lab = stack.enter_context(_lab(scenario, times))
            lab.client.sysctl("net.ipv4.tcp_retries2", _HANGS_FOR[vanishes])
            lab.client.sysctl("net.ipv4.tcp_orphan_retries", 2)
            lab.client.sysctl("net.ipv4.tcp_syn_retries", 2)
            command = (*COMMAND, "--log.addresses")
            exporter = stack.enter_context(exporter_inside(lab.client, config.read_text(), command))
            idle = times.server_closes if scenario.server_closes else 0
            site = stack.enter_context(opened(lab, directory, postgresql, idle))
        results = {name: Result(name) for name in ADDRESSES}
        expect_ok(site)
        with watched(site) as deaths:
            _happen(site, scenario.event, times)
            _note_before(results, site, deaths, exporter, config)
            answers = site.use()
            time.sleep(_SEEN_AFTER[vanishes])
            _note_hanging(results, site, exporter, config)
            if vanishes:
                time.sleep(_HANG_ENDS_AFTER)
                lab.server.run(["nft", "delete", "table", "inet", "vanished"])
            for name, answer in answers.items():
                results[name].answer = answer.result(_ANSWERS_WITHIN)
            _refresh(site)
            site.end()
        time.sleep(_ORPHANS_END_WITHIN + 2 * times.interval)
        _note_end(results, site, deaths, exporter, config)
    return list(results.values())


def _lab(scenario: Scenario, times: Times) -> contextlib.AbstractContextManager[Pair]:
    if scenario.nat is None:
        return pair()
    return nat_lab(idle_timeout=times.timeout, on_timeout=scenario.nat)


def expect_ok(site: Site) -> None:
    """
    Make a request with each client, which must succeed.
    """
    answers = {name: answer.result(_ANSWERS_WITHIN) for name, answer in site.use().items()}
    assert set(answers.values()) == {"ok"}, answers


def _refresh(site: Site) -> None:
    """
    Use all connections until none hangs, so that none is about to die when its client ends.

    Clients that have an answer are used again while others wait; otherwise theirs would die too.
    """
    answers = site.use()
    end = time.monotonic() + _ANSWERS_WITHIN
    while time.monotonic() < end:
        time.sleep(_PROMPT)
        answered = {name for name, answer in answers.items() if answer.done()}
        if answered == answers.keys():
            return
        answers |= {name: site.clients[name].use() for name in answered}


def _happen(site: Site, event: Event, times: Times) -> None:
    """
    What happens before the clients use their connections again.
    """
    if event is Event.BUSY:
        for _ in range(8):
            time.sleep(times.timeout / 4)
            expect_ok(site)
        return
    time.sleep(1 + 2 * times.interval)  # so that samples have the connections
    if event is Event.RESTART:
        site.servers.stop()
        site.servers.start()
    elif event is Event.RESET:
        site.lab.server.run(["ss", "-K", "state", "established"])
    elif event is Event.VANISH:
        site.lab.server.run(["nft", "-f", "-"], input=_VANISHED)
        return
    time.sleep(times.idle)


def _note_before(
    results: dict[str, Result], site: Site, deaths: Deaths, exporter: Exporter, config: Path
) -> None:
    def look() -> dict[str, tuple[int, int, int, int]]:
        hanging, dead, scrape = hanging_ports(site), deaths.look(), exporter.scrape()
        listed = _listed(site, config, ("at_risk",))
        return {
            name: (
                len(hanging[name]),
                sum(not hanging[name].get(port) for port in dead[name]),
                _at_risk(scrape, name),
                listed[name],
            )
            for name in results
        }

    for name, (sockets, dead, at_risk, listed) in _settled(site, look).items():
        result = results[name]
        result.sockets, result.dead = sockets, dead
        result.at_risk, result.listed_at_risk = at_risk, listed


def _note_hanging(results: dict[str, Result], site: Site, exporter: Exporter, config: Path) -> None:
    def look() -> dict[str, tuple[int, int, int]]:
        hanging, scrape = hanging_ports(site), exporter.scrape()
        listed = _listed(site, config, HANGING)
        return {
            name: (
                sum(hanging[name].values()),
                sum(int(scrape.total("connections", path=name, idle_state=x)) for x in HANGING),
                listed[name],
            )
            for name in results
        }

    for name, (hanging, hangs, listed) in _settled(site, look).items():
        result = results[name]
        result.hanging, result.hangs, result.listed_hanging = hanging, hangs, listed


def _settled(site: Site, look: Callable[[], dict[str, _T]]) -> dict[str, _T]:
    """
    What look returns for each client, while its connections remained as they were.
    """
    found: dict[str, _T] = {}
    for _ in range(_LOOKS):
        before = _sending(site)
        time.sleep(_TWO_SAMPLES)
        seen = look()
        after = _sending(site)
        for name in seen.keys() - found.keys():
            if before[name] == after[name]:
                found[name] = seen[name]
        if found.keys() == seen.keys():
            break
    return found


def _sending(site: Site) -> dict[str, dict[int, tuple[str, bool]]]:
    """
    What each connection of each client has not sent yet, or was not acknowledged, by port: the
    number of bytes, and whether it retransmits.
    """
    return {
        name: {
            port: (line.split()[1], bool(_RETRANSMITS.search(line))) for port, line in lines.items()
        }
        for name, lines in site.sockets().items()
    }


def hanging_ports(site: Site) -> dict[str, dict[int, bool]]:
    """
    Whether each connection of each client retransmits, by port.
    """
    return {
        name: {port: retransmits for port, (_, retransmits) in ports.items()}
        for name, ports in _sending(site).items()
    }


def _at_risk(scrape: Scrape, path: str) -> int:
    return sum(
        int(scrape.total("connections", path=path, protection=protection, idle_state=state))
        for protection in ("none", "late")
        for state in ("near_limit", "over_limit")
    )


def _listed(site: Site, config: Path, risks: Collection[str]) -> Counter[str]:
    return Counter(row["path"] for row in site.listing(config) if row["risk"] in risks)


def _note_end(
    results: dict[str, Result], site: Site, deaths: Deaths, exporter: Exporter, config: Path
) -> None:
    scrape, log = exporter.scrape(), exporter.log
    fatal = {labels["path"] for labels, _ in scrape.samples.get("shortest_idle_fatal_seconds", [])}
    findings = {labels["id"] for labels, _ in scrape.samples.get("finding", [])}
    argv = [sys.executable, "-m", "exporter", "check", f"--config.file={config}"]
    found = site.lab.client.run(argv, cwd=ROOT, check=False).stdout
    for name, result in results.items():
        result.died = deaths.count(name)
        result.closures = scrape.by("reason", "closure_idle_seconds_count", path=name)
        result.drops = scrape.by("reason", "idle_drops_total", path=name)
        result.evidence = name in fatal
        result.finding = "KA016" in found
        result.unexplained = "KA019" in findings
        remote = f"{ADDRESSES[name]}:"
        result.logged = sum("idle drop" in line and remote in line for line in log)
