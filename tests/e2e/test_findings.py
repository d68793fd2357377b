"""
Findings in real network namespaces: real sysctls, a real NAT, a real server.
"""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporter.analysis.coverage import Coverage, coverage
from exporter.analysis.findings import find_all
from exporter.analysis.report import Verdict
from exporter.collectors.operating_system import read_settings
from exporter.model import HOST_NETNS, Recommended, Settings, Severity
from exporter.paths.profiles import PROFILES, Profile
from tests.e2e.exporter_inside import Exporter
from tests.e2e.exporting import exporter_inside
from tests.e2e.servers import Client, PostgreSQL, Redis, wait_for_ports
from tests.exporter_process import COMMAND, NO_CLOUD, ROOT
from tests.lab import LAB_MARKS, Host, Keepalive, NatLab, nat_lab

pytestmark = LAB_MARKS

DEFAULTS = (7200, 75, 9)
RECOMMENDED = (120, 30, 8)
IDLE_TIMEOUT = 5
PATIENCE = 20.0


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """
    A bare namespace.
    """
    with Host() as bare:
        yield bare


def configure(host: Host, time: int, interval: int, probes: int) -> None:
    """
    Set the host's keepalive sysctls.
    """
    for name, value in (("time", time), ("intvl", interval), ("probes", probes)):
        host.sysctl(f"net.ipv4.tcp_keepalive_{name}", value)


@dataclass(frozen=True)
class Checked:
    """
    The JSON report of `check` about one namespace, and its exit code.
    """

    code: int
    report: dict[str, Any]

    @property
    def ids(self) -> set[str]:
        """
        Findings with severity warning or worse.
        """
        findings = self.report["findings"]
        return {each["id"] for each in findings if each["severity"] != Severity.INFO}

    def problem(self, number: str) -> str:
        """
        The problem text of a finding.
        """
        problem: str = self.finding(number)["problem"]
        return problem

    def finding(self, number: str) -> dict[str, str]:
        """
        A finding. Raises KeyError if it is missing.
        """
        findings: dict[str, dict[str, str]] = {each["id"]: each for each in self.report["findings"]}
        return findings[number]


def check(host: Host, *flags: str) -> Checked:
    """
    Run `check` inside the host.
    """
    argv = [*COMMAND, "check", NO_CLOUD, "--format=json", *flags]
    ended = host.run(argv, cwd=ROOT, check=False)
    assert ended.stderr == ""
    (report,) = json.loads(ended.stdout)["namespaces"]
    return Checked(ended.returncode, report)


def test_fresh_namespace_and_fix() -> None:
    """
    A new namespace has KA001 on Azure, with the times. The recommended settings have no finding.
    """
    with Host() as host:
        before = check(host)
        configure(host, *RECOMMENDED)
        after = check(host)
    assert (before.code, before.ids) == (1, {"KA001"})
    facts = ("7200 s", "azure-outbound (240 s)", "azure-inbound (240 s)")
    assert all(fact in before.problem("KA001") for fact in facts)
    assert before.report["settings"] == {
        "time_seconds": 7200,
        "interval_seconds": 75,
        "probes": 9,
        "data_retransmissions": 15,
    }
    assert (after.code, after.ids) == (0, set())
    assert after.report["verdict"] == Verdict.ALL_RIGHT
    assert [path["protected"] for path in after.report["paths"]] == [True, True]


@pytest.mark.parametrize(
    ("keepalive", "retries", "expected"),
    [
        (RECOMMENDED, 8, set()),
        (RECOMMENDED, 15, {"KA010"}),
        (DEFAULTS, 15, {"KA001", "KA010"}),
        ((239, 1, 8), 8, {"KA012"}),
        ((240, 1, 8), 8, {"KA001"}),
        ((120, 120, 8), 8, {"KA002"}),
        ((120, 119, 8), 8, {"KA003"}),
        ((120, 30, 1), 8, {"KA002"}),
        ((120, 240, 8), 8, {"KA013"}),
        ((-1, 30, 8), 8, {"KA001", "KA004"}),
        ((0, 30, 8), 8, {"KA004"}),
        ((32767, 30, 8), 8, {"KA001"}),
        ((32768, 30, 8), 8, {"KA001", "KA004"}),
        ((120, -1, 8), 8, {"KA004", "KA013"}),
        ((120, 0, 8), 8, {"KA004", "KA014"}),
        ((120, 30, 0), 8, {"KA001", "KA014"}),
        ((4, 1, 8), 8, {"KA005"}),
        ((5, 1, 8), 8, {"KA003"}),
        ((8589934, 8589934, 255), 255, {"KA001", "KA004", "KA010"}),
    ],
)
def test_sysctls(
    host: Host, keepalive: tuple[int, int, int], retries: int, expected: set[str]
) -> None:
    """
    For all values that the kernel accepts, the findings are those of the values.
    """
    configure(host, *keepalive)
    host.sysctl("net.ipv4.tcp_retries2", retries)
    settings = {HOST_NETNS: host.call(read_settings)}
    findings = find_all(settings, {}, Recommended(), PROFILES[Profile.AZURE])
    assert {finding.id for finding in findings} == expected


@pytest.fixture(scope="module")
def lab() -> Iterator[NatLab]:
    """
    A NAT with a short idle timeout. Its client has the kernel's default settings.
    """
    with nat_lab(idle_timeout=IDLE_TIMEOUT) as lab:
        yield lab


def test_coverage_of_a_path(lab: NatLab) -> None:
    """
    A connection with settings rated protected survives; others do not, even with a first probe in
    time.
    """
    cases = {"kept": (1, 1, 8), "lapses": (1, 60, 8), "too late": (60, 1, 8)}
    connections = {
        name: lab.connect(keepalive=Keepalive(*values)) for name, values in cases.items()
    }
    time.sleep(IDLE_TIMEOUT + 3)  # with "lapses" the only probe is sent after a second
    alive = {name: each.reaches_server() for name, each in connections.items()}
    covered = {
        name: coverage(
            Settings(*values, data_retransmissions=15, configured=frozenset()), IDLE_TIMEOUT
        )
        for name, values in cases.items()
    }
    assert covered == {
        "kept": Coverage.PROTECTED,
        "lapses": Coverage.LAPSES,
        "too late": Coverage.UNPROTECTED,
    }
    assert alive == {"kept": True, "lapses": False, "too late": False}


def test_healthy_connections_time_out(lab: NatLab) -> None:
    """
    The effects of KA014. With 0 probes, an idle connection times out although path and peer work.
    With an interval of 0, it times out if answers are delayed.
    """
    configure(lab.client, 1, 75, 0)
    assert lab.connect(keepalive=Keepalive()).client_error(PATIENCE) == "ETIMEDOUT"

    configure(lab.client, 1, 0, 8)
    slow = lab.connect(keepalive=Keepalive())
    lab.nat.block()
    began = time.monotonic()
    error = slow.client_error(PATIENCE)
    lab.nat.heal()
    assert error == "ETIMEDOUT"
    assert time.monotonic() - began < 8  # an interval of 1 s would take longer


AZURE = """
profile: azure
sampling: {interval: 200ms, max_duty_cycle: 1}
"""


def wait_for_findings(exporter: Exporter, expected: set[str]) -> None:
    """
    Wait until exactly these findings are exported.
    """
    end = time.monotonic() + PATIENCE
    while (found := found_by(exporter)) != expected:
        assert time.monotonic() < end, f"found {found}, expected {expected}"
        time.sleep(0.1)


def found_by(exporter: Exporter) -> set[str]:
    """
    The ids of the exported findings.
    """
    samples = exporter.scrape().samples.get("finding", [])
    assert all(value == 1 and labels["netns"] == HOST_NETNS for labels, value in samples)
    return {labels["id"] for labels, _ in samples}


def test_stale_timers(lab: NatLab, tmp_path: Path) -> None:
    """
    After a sysctl change, open connections of a running PostgreSQL keep their timers. `check` and
    the exporter report KA009, with the number, until the clients have reconnected.

    Redis' own 300 s lead to the same finding: longer than the setting, too late for the path.
    """
    server, client = lab.server, lab.client
    configure(client, *DEFAULTS)  # otherwise psql's probes protect the connections
    lab.nat.forget_idle_after(3600)  # the NAT is needed only for its address
    with PostgreSQL.installed() as postgresql, exporter_inside(server, AZURE) as exporter:
        redis = Redis(tmp_path)
        postgresql.start(server, 5432, "")
        redis.start(server, 6379, "")
        wait_for_ports(server, {5432, 6379})

        def connect() -> Client:
            session = postgresql.connect(client, server.address, 5432, "")
            session.ask()
            return session

        sessions = [connect() for _ in range(3)]
        wait_for_findings(exporter, {"KA001", "KA010"})
        assert check(server).ids == {"KA001"}

        configure(server, *RECOMMENDED)
        wait_for_findings(exporter, {"KA009", "KA010"})
        changed = check(server)
        assert (changed.code, changed.ids) == (1, {"KA009"})
        assert re.search(r"\b3\b.* 120 s", changed.problem("KA009"))
        assert check(server, "--paths-from", str(no_paths(tmp_path))).code == 0

        for session in sessions:
            disconnect(session)
        sessions = [connect() for _ in range(3)]
        wait_for_findings(exporter, {"KA010"})
        after = check(server)
        assert (after.code, after.ids) == (0, set())

        client.connect(server.address, 6379)
        wait_for_findings(exporter, {"KA009", "KA010"})
        assert re.search(r"\b1\b", check(server).problem("KA009"))


def no_paths(directory: Path) -> Path:
    """
    Write a configuration without paths.
    """
    file = directory / "no-paths.yml"
    file.write_text("profile: none\n")
    return file


def disconnect(client: Client) -> None:
    """
    End a client, which closes its connection.
    """
    assert client.process.stdin is not None
    client.process.stdin.close()
    client.process.wait(PATIENCE)


def test_other_namespaces() -> None:
    """
    A namespace with the kernel's defaults is reported by name, on a host with recommended settings.
    Without connections there, its findings have severity info.
    """
    with Host() as host, Host("web") as web:
        configure(host, *RECOMMENDED)
        argv = [*COMMAND, "check", NO_CLOUD, "--format=json", "--namespaces=all"]
        ended = host.run(argv, cwd=ROOT, check=False)
    reports = {each["netns"]: each for each in json.loads(ended.stdout)["namespaces"]}
    assert reports[HOST_NETNS]["verdict"] == reports[web.name]["verdict"] == Verdict.ALL_RIGHT
    assert {each["severity"] for each in reports[web.name]["findings"]} == {Severity.INFO}
    found = {each["id"]: each["problem"] for each in reports[web.name]["findings"]}
    assert set(found) == {"KA001", "KA008", "KA010"}
    facts = ("time 7200 s (host 120 s)", "interval 75 s (host 30 s)", "probes 9 (host 8)")
    assert all(fact in found["KA008"] for fact in facts)


def test_harmless_stale_timers() -> None:
    """
    A connection that crosses no path may keep its timer: that is a finding, but not a warning.
    """
    with Host() as host:
        listener = host.listener()
        kept = host.connect(*listener.getsockname(), keepalive=Keepalive())
        configure(host, *RECOMMENDED)
        found = check(host)
        kept.close()
    assert (found.code, found.ids) == (0, set())
    assert re.search(r"\b1\b", found.problem("KA015"))
