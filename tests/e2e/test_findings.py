"""
Findings in real network namespaces: real sysctls, a real NAT, a real server.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporter.analysis.coverage import Cover, cover
from exporter.analysis.findings import find_all
from exporter.analysis.report import Verdict
from exporter.model import HOST_NETNS, Recommended, Settings, Severity
from exporter.paths.matching import PROFILES, Profile
from exporter.settings import read_settings
from tests.e2e.exporter_inside import Exporter
from tests.e2e.exporting import exporter_inside
from tests.e2e.servers import Client, PostgreSQL, Redis, wait_for_ports
from tests.exporter_process import COMMAND, ROOT
from tests.lab import LAB_MARKS, Host, Keepalive, NatLab, nat_lab

pytestmark = LAB_MARKS

DEFAULTS = (7200, 75, 9)
RECOMMENDED = (120, 30, 8)
FORGETS_AFTER = 5
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
    What `check` says of the one namespace it sees, and its exit code.
    """

    code: int
    report: dict[str, Any]

    @property
    def ids(self) -> set[str]:
        """
        The findings that are warnings or worse.
        """
        findings = self.report["findings"]
        return {each["id"] for each in findings if each["severity"] != Severity.INFO}

    def problem(self, number: str) -> str:
        """
        What a finding says is wrong.
        """
        problem: str = self.finding(number)["problem"]
        return problem

    def finding(self, number: str) -> dict[str, str]:
        """
        A finding, which must be there.
        """
        findings: dict[str, dict[str, str]] = {each["id"]: each for each in self.report["findings"]}
        return findings[number]


def check(host: Host, *flags: str) -> Checked:
    """
    Run `check` inside the host.
    """
    argv = [*COMMAND, "check", "--format=json", *flags]
    ended = host.run(argv, cwd=ROOT, check=False)
    assert ended.stderr == ""
    (report,) = json.loads(ended.stdout)["namespaces"]
    return Checked(ended.returncode, report)


def test_fresh_namespace_and_cure() -> None:
    """
    A new namespace is at risk on Azure, in numbers; with the recommended settings it is all right.
    """
    with Host() as host:
        before = check(host)
        configure(host, *RECOMMENDED)
        after = check(host)
    assert (before.code, before.ids) == (1, {"KA001"})
    assert before.problem("KA001") == (
        "The first probe goes out after 7200 s of idling, and nothing refreshes the mapping before"
        " the idle timeout of azure-outbound (240 s) and azure-inbound (240 s)."
    )
    assert before.report["settings"] == {
        "time_seconds": 7200,
        "interval_seconds": 75,
        "probes": 9,
        "data_retransmissions": 15,
    }
    assert (after.code, after.ids) == (0, set())
    assert after.report["summary"] == "host: all right: 2 of 2 paths protected"


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
    Whatever values the kernel takes, the findings are those of these values.
    """
    configure(host, *keepalive)
    host.sysctl("net.ipv4.tcp_retries2", retries)
    settings = {HOST_NETNS: host.call(read_settings)}
    findings = find_all(settings, {}, Recommended(), PROFILES[Profile.AZURE])
    assert {finding.id for finding in findings} == expected


@pytest.fixture(scope="module")
def lab() -> Iterator[NatLab]:
    """
    A NAT that forgets early; its client starts at the kernel's defaults.
    """
    with nat_lab(idle_timeout=FORGETS_AFTER) as lab:
        yield lab


def test_what_covers_a_path(lab: NatLab) -> None:
    """
    A NAT forgets a connection that the settings are said not to cover, though its first probe was
    in time, and keeps one that they are said to cover.
    """
    cases = {"kept": (1, 1, 8), "lapses": (1, 60, 8), "too late": (60, 1, 8)}
    connections = {
        name: lab.connect(keepalive=Keepalive(*values)) for name, values in cases.items()
    }
    time.sleep(FORGETS_AFTER + 3)  # of those that lapse the only probe came after a second
    alive = {name: each.reaches_server() for name, each in connections.items()}
    covered = {
        name: cover(
            Settings(*values, data_retransmissions=15, configured=frozenset()), FORGETS_AFTER
        )
        for name, values in cases.items()
    }
    assert covered == {
        "kept": Cover.PROTECTED,
        "lapses": Cover.LAPSES,
        "too late": Cover.UNPROTECTED,
    }
    assert alive == {"kept": True, "lapses": False, "too late": False}


def test_healthy_connections_end(lab: NatLab) -> None:
    """
    KA014 is no theory: without probes an idle connection ends though its path and peer are well,
    and with an interval of 0 it ends when its answers take a moment.
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
    assert time.monotonic() - began < 8  # with an interval of a second it takes that much more


AZURE = """
profile: azure
sampling: {interval: 200ms, max_duty_cycle: 1}
"""


def wait_for_findings(exporter: Exporter, expected: set[str]) -> None:
    """
    Return when these and no others are exported.
    """
    end = time.monotonic() + PATIENCE
    while (found := found_by(exporter)) != expected:
        assert time.monotonic() < end, f"found {found}, not {expected}"
        time.sleep(0.1)


def found_by(exporter: Exporter) -> set[str]:
    """
    The findings that the exporter shows.
    """
    samples = exporter.scrape().samples.get("finding", [])
    assert all(value == 1 and labels["netns"] == HOST_NETNS for labels, value in samples)
    return {labels["id"] for labels, _ in samples}


def test_stale_timers(lab: NatLab, tmp_path: Path) -> None:
    """
    When the sysctl is put right below a running PostgreSQL, its open connections stay wrong, and
    `check` and the exporter say how many; once their clients have come again, all is right.

    Redis' own 300 s look the same: longer than the setting, too late for the path.
    """
    server, client = lab.server, lab.client
    configure(client, *DEFAULTS)  # else psql's probes would protect the connections
    lab.nat.forget_idle_after(3600)  # the NAT is there for the address alone
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
        assert changed.problem("KA009").startswith(
            "At least 3 open connections have a keepalive time of more than the 120 s now set:"
        )
        assert check(server, "--paths-from", str(no_paths(tmp_path))).code == 0

        for session in sessions:
            hang_up(session)
        sessions = [connect() for _ in range(3)]
        wait_for_findings(exporter, {"KA010"})
        cured = check(server)
        assert (cured.code, cured.ids) == (0, set())

        client.connect(server.address, 6379)
        wait_for_findings(exporter, {"KA009", "KA010"})
        assert check(server).problem("KA009").startswith("At least 1 open connection ")


def no_paths(directory: Path) -> Path:
    """
    A configuration without paths.
    """
    file = directory / "no-paths.yml"
    file.write_text("profile: none\n")
    return file


def hang_up(client: Client) -> None:
    """
    End a client, and with it its connection.
    """
    assert client.process.stdin is not None
    client.process.stdin.close()
    client.process.wait(PATIENCE)


def test_other_namespaces() -> None:
    """
    Below a host that is configured right, a namespace at the kernel's defaults is found, by name.
    """
    with Host() as host, Host("web") as web:
        configure(host, *RECOMMENDED)
        argv = [*COMMAND, "check", "--format=json", "--namespaces=all"]
        ended = host.run(argv, cwd=ROOT, check=False)
    reports = {each["netns"]: each for each in json.loads(ended.stdout)["namespaces"]}
    assert ended.returncode == 1
    assert reports[HOST_NETNS]["verdict"] == Verdict.ALL_RIGHT
    found = {each["id"]: each["problem"] for each in reports[web.name]["findings"]}
    assert set(found) == {"KA001", "KA008", "KA010"}
    assert found["KA008"] == (
        "The namespace has settings of its own: time 7200 s (host 120 s), interval 75 s (host 30 s)"
        " and probes 9 (host 8)."
    )


def test_harmless_stale_timers() -> None:
    """
    A connection that crosses no path may keep its timer: that is said, but is no warning.
    """
    with Host() as host:
        listener = host.listener()
        kept = host.connect(*listener.getsockname(), keepalive=Keepalive())
        configure(host, *RECOMMENDED)
        found = check(host)
        kept.close()
    assert (found.code, found.ids) == (0, set())
    assert found.problem("KA015").startswith("At least 1 open connection ")
