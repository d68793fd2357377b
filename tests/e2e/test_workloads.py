"""
Owners of connections: real cgroups, named and counted by the exporter.
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
from tests.lab.requirements import needs_files
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
PERMANENT = {
    POSTGRESQL: ["5"],  # without keepalive
    f"system.slice/docker-{CONTAINER}.scope": ["3", "1"],
    f"kubepods.slice/kubepods-pod{POD.replace('-', '_')}.slice/crio-{CONTAINER}.scope": ["2", "1"],
    "user.slice/user-1000.slice/session-1.scope": ["1", "1"],
    "user.slice/user-1000.slice/session-2.scope": ["1", "1"],
}
"""Number of connections of some cgroups, and their keepalive time in seconds."""
CONNECTIONS = {POD: 2, CONTAINER[:12]: 3, "postgresql.service": 5, "user-1000.slice": 2}
SHORT_LIVED = 3000
_PATIENCE = 20.0


@dataclass
class Scrapes:
    """
    Scrapes with only the permanent workloads, scrapes while thousands of others were created and
    removed, and the log lines of idle drops.
    """

    permanent: Scrape
    during_churn: list[Scrape]
    log: list[str]


@pytest.fixture(scope="module")
def observed() -> Iterator[Scrapes]:
    """
    Four workloads behind a NAT that answers late segments with a reset; then thousands of others.
    """
    needs_files(2 * SHORT_LIVED)
    with cgroup_tree() as tree, nat_lab(idle_timeout=IDLE_TIMEOUT, on_timeout="reset") as lab:
        listener = lab.server.listener()
        Thread(target=accept, args=(lab.server, listener), daemon=True).start()
        port = listener.getsockname()[1]
        holders = {
            cgroup: start_holder(lab, tree / cgroup, port, "hold", *words)
            for cgroup, words in PERMANENT.items()
        }
        for each in holders.values():
            assert read_line(each) == "ready"
        with exporter_inside(lab.client, CONFIG) as exporter:
            permanent = scrape_when(exporter, at_risk=5)
            short_lived = start_holder(
                lab, tree / "start", port, "move", str(tree), str(SHORT_LIVED)
            )
            during_churn = scrapes_until_done(exporter, short_lived)
            write_line(holders[POSTGRESQL], "send")
            log = wait_for_drops(exporter, 5)
        yield Scrapes(permanent, during_churn, log)
        listener.close()


def accept(host: Host, listener: Socket) -> None:
    """
    Accept connections until the listener is closed.
    """
    with suppress(OSError):
        while True:
            host.adopt(listener.accept()[0])


def start_holder(lab: NatLab, cgroup: Path, port: int, *words: str) -> "subprocess.Popen[str]":
    """
    Start a process in a cgroup that connects the client to the server, with these arguments.
    """
    argv = [
        sys.executable,
        "-m",
        "tests.e2e.connection_holders",
        lab.server.address,
        str(port),
        *words,
    ]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return start_in(cgroup, lab.client, argv, cwd=ROOT, **pipes)


def write_line(process: "subprocess.Popen[str]", line: str) -> None:
    """
    Write a line to the process.
    """
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def read_line(process: "subprocess.Popen[str]") -> str:
    """
    Read a line from the process.
    """
    assert process.stdout is not None
    return process.stdout.readline().strip()


def scrape_when(exporter: Exporter, at_risk: int) -> Scrape:
    """
    Scrape until this many connections are at risk; returns that scrape.
    """
    end = time.monotonic() + _PATIENCE
    while (scrape := exporter.scrape()).total("at_risk_connections") != at_risk:
        assert time.monotonic() < end, scrape.by("workload", "workload_connections")
        time.sleep(0.1)
    return scrape


def scrapes_until_done(exporter: Exporter, process: "subprocess.Popen[str]") -> list[Scrape]:
    """
    Scrape until the process prints "done"; returns all scrapes.
    """
    answer: list[str] = []
    reader = Thread(target=lambda: answer.append(read_line(process)))
    reader.start()
    scrapes = []
    while reader.is_alive():
        scrapes.append(exporter.scrape())
        time.sleep(0.1)
    assert answer == ["done"]
    return scrapes


def wait_for_drops(exporter: Exporter, number: int) -> list[str]:
    """
    Wait for this many idle drops; returns their log lines.
    """
    end = time.monotonic() + _PATIENCE
    while len(lines := [line for line in exporter.log if "idle drop" in line]) < number:
        assert time.monotonic() < end, exporter.log
        time.sleep(0.1)
    return lines


def test_names_and_numbers(observed: Scrapes) -> None:
    """
    Every connection is counted for its workload. Only the scrape's own connection is additional.
    """
    numbers = observed.permanent.by("workload", "workload_connections")
    assert numbers == CONNECTIONS | {name: numbers[name] for name in numbers.keys() - CONNECTIONS}
    assert sum(numbers.values()) - sum(CONNECTIONS.values()) <= 2


def test_at_risk(observed: Scrapes) -> None:
    """
    Connections without keepalive are at risk. Workloads that never had any at risk have no series.
    """
    series = observed.permanent.samples["workload_at_risk_connections"]
    assert {labels["workload"]: number for labels, number in series} == {
        "postgresql.service": 5,
        "(other)": 0,
    }


def test_sums_reconcile(observed: Scrapes) -> None:
    """
    The workloads' sums are always those of all connections.
    """
    assert len(observed.during_churn) > 3
    for scrape in observed.during_churn:
        assert scrape.total("workload_connections") == scrape.total("connections")
        assert scrape.total("workload_at_risk_connections") == scrape.total("at_risk_connections")


def test_short_lived_workloads_do_not_disturb(observed: Scrapes) -> None:
    """
    Thousands of short-lived cgroups do not displace the others and add few series.
    """
    seen: set[str] = set()
    for scrape in observed.during_churn:
        numbers = scrape.by("workload", "workload_connections")
        assert CONNECTIONS.items() <= numbers.items()
        assert len(scrape.samples["workload_connections"]) <= MOST + 1
        seen |= numbers.keys()
    print(f"{len(observed.during_churn)} scrapes, workloads: {', '.join(sorted(seen))}")
    assert any("run-" in name for name in seen)
    assert any(
        scrape.total("workload_connections", workload="(other)") for scrape in observed.during_churn
    )


def test_idle_drops_name_the_workload(observed: Scrapes) -> None:
    """
    The log line of an idle drop has the workload.
    """
    for line in observed.log:
        assert "path=nat workload=postgresql.service reason=reset" in line
