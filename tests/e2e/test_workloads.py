"""
Whose connections they are: real cgroups, named, counted and remembered by the exporter.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from tests.cgroups import cgroup_tree, start_in
from tests.e2e.exporting import Exporter, Scrape, exporter_inside
from tests.exporter_process import ROOT
from tests.lab import LAB_MARKS, Host, NatLab, nat_lab
from tests.lab.traffic import Socket

pytestmark = LAB_MARKS

IDLE_TIMEOUT = 2
MOST = 8
CONFIG = f"""
profile: none
paths: [{{name: nat, remote: public, idle_timeout: {IDLE_TIMEOUT}s}}]
sampling: {{interval: 300ms, max_duty_cycle: 1}}
workloads: {{max: {MOST}}}
"""
CONTAINER = "4f2a9c1b7d3e" + 52 * "0"
POD = "0a1b2c3d-1111-2222-3333-444455556666"
POSTGRESQL = "system.slice/postgresql.service"
STAYING = {
    POSTGRESQL: ["5"],  # without keepalive
    f"system.slice/docker-{CONTAINER}.scope": ["3", "1"],
    f"kubepods.slice/kubepods-pod{POD.replace('-', '_')}.slice/crio-{CONTAINER}.scope": ["2", "1"],
    "user.slice/user-1000.slice/session-1.scope": ["1", "1"],
    "user.slice/user-1000.slice/session-2.scope": ["1", "1"],
}
"""How many connections, and their keepalive time in seconds, of some cgroups."""
CONNECTIONS = {POD: 2, CONTAINER[:12]: 3, "postgresql.service": 5, "user-1000.slice": 2}
SHORT_LIVED = 3000
_PATIENCE = 20.0


@dataclass
class Story:
    """
    What the exporter said: of the workloads that stay, while thousands of others came and went, and
    of the connections that the NAT had forgotten.
    """

    staying: Scrape
    meanwhile: list[Scrape]
    log: list[str]


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    """
    Four workloads behind a NAT that answers with a reset what comes too late; then a crowd.
    """
    with cgroup_tree() as tree, nat_lab(idle_timeout=IDLE_TIMEOUT, on_timeout="reset") as lab:
        listener = lab.server.listener()
        Thread(target=accept, args=(lab.server, listener), daemon=True).start()
        port = listener.getsockname()[1]
        people = {
            cgroup: person(lab, tree / cgroup, port, "hold", *words)
            for cgroup, words in STAYING.items()
        }
        for each in people.values():
            assert said(each) == "ready"
        with exporter_inside(lab.client, CONFIG) as exporter:
            staying = scrape_when(exporter, at_risk=5)
            wanderer = person(lab, tree / "start", port, "wander", str(tree), str(SHORT_LIVED))
            meanwhile = scrapes_until_said(exporter, wanderer)
            say(people[POSTGRESQL], "send")
            log = wait_for_drops(exporter, 5)
        yield Story(staying, meanwhile, log)
        listener.close()


def accept(host: Host, listener: Socket) -> None:
    """
    Accept connections until the listener is closed.
    """
    with suppress(OSError):
        while True:
            host.adopt(listener.accept()[0])


def person(lab: NatLab, cgroup: Path, port: int, *words: str) -> "subprocess.Popen[str]":
    """
    A process in a cgroup that connects the client to the server, as the words say.
    """
    module = "tests.e2e.connection_holders"
    argv = [sys.executable, "-m", module, lab.server.address, str(port), *words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return start_in(cgroup, lab.client, argv, cwd=ROOT, **pipes)


def say(process: "subprocess.Popen[str]", line: str) -> None:
    """
    Give the process a line to read.
    """
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def said(process: "subprocess.Popen[str]") -> str:
    """
    The next line that the process writes.
    """
    assert process.stdout is not None
    return process.stdout.readline().strip()


def scrape_when(exporter: Exporter, at_risk: int) -> Scrape:
    """
    The first scrape with so many connections at risk.
    """
    end = time.monotonic() + _PATIENCE
    while (scrape := exporter.scrape()).total("at_risk_connections") != at_risk:
        assert time.monotonic() < end, scrape.by("workload", "workload_connections")
        time.sleep(0.1)
    return scrape


def scrapes_until_said(exporter: Exporter, process: "subprocess.Popen[str]") -> list[Scrape]:
    """
    Scrapes from now until the process has said that it is done.
    """
    answer: list[str] = []
    reader = Thread(target=lambda: answer.append(said(process)))
    reader.start()
    scrapes = []
    while reader.is_alive():
        scrapes.append(exporter.scrape())
        time.sleep(0.1)
    assert answer == ["done"]
    return scrapes


def wait_for_drops(exporter: Exporter, number: int) -> list[str]:
    """
    The log's lines of so many idle drops.
    """
    end = time.monotonic() + _PATIENCE
    while len(lines := [line for line in exporter.log if "idle drop" in line]) < number:
        assert time.monotonic() < end, exporter.log
        time.sleep(0.1)
    return lines


def test_names_and_numbers(story: Story) -> None:
    """
    Every connection is counted for its workload; the scrape's own is all there is besides.
    """
    numbers = story.staying.by("workload", "workload_connections")
    assert numbers == CONNECTIONS | {name: numbers[name] for name in numbers.keys() - CONNECTIONS}
    assert sum(numbers.values()) - sum(CONNECTIONS.values()) <= 2


def test_at_risk(story: Story) -> None:
    """
    Those at risk are the ones without keepalive; who never had any has no such series.
    """
    series = story.staying.samples["workload_at_risk_connections"]
    assert {labels["workload"]: number for labels, number in series} == {
        "postgresql.service": 5,
        "(other)": 0,
    }


def test_sums_reconcile(story: Story) -> None:
    """
    Whatever comes and goes, the workloads' sums are those of all connections.
    """
    assert len(story.meanwhile) > 3
    for scrape in story.meanwhile:
        assert scrape.total("workload_connections") == scrape.total("connections")
        assert scrape.total("workload_at_risk_connections") == scrape.total("at_risk_connections")


def test_short_lived_workloads_do_not_disturb(story: Story) -> None:
    """
    Thousands of short-lived cgroups drive none of the others out and make few series.
    """
    seen: set[str] = set()
    for scrape in story.meanwhile:
        numbers = scrape.by("workload", "workload_connections")
        assert CONNECTIONS.items() <= numbers.items()
        assert len(scrape.samples["workload_connections"]) <= MOST + 1
        seen |= numbers.keys()
    print(f"{len(story.meanwhile)} scrapes, workloads: {', '.join(sorted(seen))}")
    assert any("run-" in name for name in seen)
    assert any(
        scrape.total("workload_connections", workload="(other)") for scrape in story.meanwhile
    )


def test_idle_drops_name_the_workload(story: Story) -> None:
    """
    The log says whose connections the NAT had forgotten.
    """
    for line in story.log:
        assert "path=nat workload=postgresql.service reason=reset" in line
