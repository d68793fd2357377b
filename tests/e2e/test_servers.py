"""
PostgreSQL, Redis and OpenSSH, with defaults and with keepalives: protection at both ends of a path.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.exporter_inside import Exporter, Scrape, exporter_inside, table
from tests.e2e.servers import Client, Software, software, wait_for_ports
from tests.lab import LAB_MARKS, Host, Pair, pair

pytestmark = LAB_MARKS

AZURE, AWS, SHORT = "240s", "350s", "6s"
"""Idle timeouts: those of two profiles, and one short enough for a test."""
DURATION = 9.0
"""Idle time of the connections in seconds, longer than SHORT."""
CONFIG = """
profile: none
sampling: {interval: 500ms, max_duty_cycle: 1}
paths:
"""
TWO_SAMPLES = 1.2
EVERY_SECOND = "keepalives_interval=1"
RECOMMENDED = {"time": 120, "intvl": 30, "probes": 8}


@dataclass(frozen=True, eq=False)
class Case:
    """
    A connection and its expected protection over time, at the server and at the client.

    Cases with the same configuration are not equal.
    """

    server: str
    settings: str
    options: str
    idle_timeout: str
    inbound: str
    outbound: str
    over_limit: bool = False

    def __str__(self) -> str:
        settings = self.settings or "default"
        client = f", client {self.options}" if self.options else ""
        return f"{self.server} {settings}{client}, {self.idle_timeout}"


# redis-cli sets its own keepalive time of 15 s, which cannot be changed.
CASES = (
    Case("PostgreSQL", "", "", AZURE, "late", "late"),
    Case("PostgreSQL", "", "keepalives_idle=120", AZURE, "late", "own"),
    Case("PostgreSQL", "", "keepalives=0", AZURE, "late", "none"),
    Case("PostgreSQL", "tcp_keepalives_idle = 120", "", AZURE, "own", "late"),
    Case("Redis", "", "", AZURE, "late", "own"),
    Case("Redis", "", "", AWS, "own", "own"),
    Case("Redis", "tcp-keepalive 60", "", AZURE, "own", "own"),
    Case("Redis", "tcp-keepalive 0", "", AZURE, "none", "own"),
    Case("OpenSSH", "", "", AZURE, "late", "late"),
    Case("OpenSSH", "TCPKeepAlive no", "TCPKeepAlive=no", AZURE, "none", "none"),
    # Short times, to observe the result.
    Case("PostgreSQL", "", "", SHORT, "late", "late", over_limit=True),
    Case("PostgreSQL", "", f"keepalives_idle=2 {EVERY_SECOND}", SHORT, "late, peer", "own"),
    # After an answered probe, the next one is sent after the interval, here the sysctl's 75 s.
    Case(
        "PostgreSQL",
        "",
        "keepalives_idle=2",
        SHORT,
        "late, peer, late",
        "own, late",
        over_limit=True,
    ),
    Case("Redis", "tcp-keepalive 2", "", SHORT, "own", "late, peer"),
    Case("OpenSSH", "", "", SHORT, "late", "late", over_limit=True),
    Case("OpenSSH", "ClientAliveInterval 2", "", SHORT, "late", "late"),
    Case("OpenSSH", "", "ServerAliveInterval=2", SHORT, "late", "late"),
)
WITH_SYSCTLS = (
    Case("PostgreSQL", "", "", AZURE, "own", "own"),
    Case("Redis", "", "", AZURE, "late", "own"),
    Case("OpenSSH", "", "", AZURE, "own", "own"),
)
"""With the recommended sysctls in both namespaces, set before the servers start."""
BEFORE_CHANGE = tuple(case for case in CASES if case.server != "Redis")
"""The CASES whose servers do not set their own keepalive time."""
AFTER_CHANGE = (
    Case("PostgreSQL", "", "", AZURE, "own", "late"),
    Case("Redis", "", "", AZURE, "late", "own"),
    Case("OpenSSH", "", "", AZURE, "own", "late"),
)
"""Connected to the servers of CASES after the sysctls of the servers' namespace were changed."""


class Site:
    """
    A lab with servers, a client for each case, and an exporter at both ends.

    Each case has its own pair of addresses, used as public ones, and therefore its own path, by
    which the exporters distinguish the cases.
    """

    def __init__(self, lab: Pair, kinds: dict[str, Software], cases: Iterable[Case]) -> None:
        """
        Start one server for each configuration.
        """
        self._lab = lab
        self._kinds = kinds
        self._numbers = {case: number for number, case in enumerate(cases, 101)}
        self._ports: dict[tuple[str, str], int] = {}
        for case in self._numbers:
            self._ports.setdefault((case.server, case.settings), 5001 + len(self._ports))
        for (server, settings), port in self._ports.items():
            kinds[server].start(lab.server, port, settings)

    @contextmanager
    def exporters(self, file: Path) -> Iterator[tuple[Exporter, Exporter]]:
        """
        Exporters at the server and at the client, with a path for each case in their config file.
        """
        paths = [
            f"  - {{name: {self.path(case)}, idle_timeout: {case.idle_timeout},"
            f" remote: [203.0.113.{number}, 198.51.100.{number}]}}\n"
            for case, number in self._numbers.items()
        ]
        file.write_text(CONFIG + "".join(paths))
        with (
            exporter_inside(self._lab.server, file) as at_server,
            exporter_inside(self._lab.client, file) as at_client,
        ):
            yield at_server, at_client

    def connect(self, cases: Iterable[Case]) -> list[Client]:
        """
        Connect a client for each of the cases. The connections are then idle.
        """
        wait_for_ports(self._lab.server, self._ports.values())
        clients = [self._connect(case) for case in cases]
        for client in clients:
            client.ask()
        return clients

    def _connect(self, case: Case) -> Client:
        here = f"198.51.100.{self._numbers[case]}"
        there = f"203.0.113.{self._numbers[case]}"
        port = self._ports[case.server, case.settings]
        self._lab.server.ip(f"addr add {there}/32 dev eth0")
        self._lab.client.ip(f"addr add {here}/32 dev eth0\nroute add {there} dev eth0 src {here}")
        return self._kinds[case.server].connect(self._lab.client, there, port, case.options)

    def path(self, case: Case) -> str:
        """
        The name of a case's path.
        """
        return f"case-{self._numbers[case]}"


@dataclass
class Seen:
    """
    The protections and idle states of a connection in order, without repetitions.
    """

    protections: list[str] = field(default_factory=list)
    idle_states: list[str] = field(default_factory=list)

    def note(self, scrape: Scrape, path: str) -> None:
        """
        Add those of the one connection on a path from a scrape.
        """
        for values, label in ((self.protections, "protection"), (self.idle_states, "idle_state")):
            ((value, number),) = scrape.by(label, "connections", path=path).items()
            assert number == 1
            if values[-1:] != [value]:
                values.append(value)

    def as_text(self) -> tuple[str, str]:
        """
        Protections and idle states as text.
        """
        return ", ".join(self.protections), ", ".join(self.idle_states)


class Observer:
    """
    The metrics of a site's exporters for its cases over time.
    """

    def __init__(
        self, site: Site, cases: Iterable[Case], exporters: tuple[Exporter, Exporter]
    ) -> None:
        """
        Observe only these cases, and scrape once.
        """
        self._site = site
        self._exporters = exporters
        self.inbound = {case: Seen() for case in cases}
        self.outbound = {case: Seen() for case in self.inbound}
        self.at_risk = {"server": 0, "client": 0}
        self.scrape()

    def scrape(self) -> None:
        """
        Scrape the exporters.
        """
        at_server, at_client = (exporter.scrape() for exporter in self._exporters)
        for case in self.inbound:
            path = self._site.path(case)
            self.inbound[case].note(at_server, path)
            self.outbound[case].note(at_client, path)
        self.at_risk = {
            "server": int(at_server.total("at_risk_connections")),
            "client": int(at_client.total("at_risk_connections")),
        }

    def report(self, title: str) -> str:
        """
        A table of the expected and exported values of each case.
        """
        heads = ["server", "settings", "client options", "timeout"]
        for side in ("inbound", "outbound"):
            heads += [f"{side}: expected", "exported", "idle state"]
        rows = [
            (
                case.server,
                case.settings or "-",
                case.options or "-",
                case.idle_timeout,
                case.inbound,
                *self.inbound[case].as_text(),
                case.outbound,
                *self.outbound[case].as_text(),
            )
            for case in self.inbound
        ]
        return f"\n{title}\n{table(heads, rows)}"


@dataclass(frozen=True)
class Observations:
    """
    All observations.

    after_change is of BEFORE_CHANGE and AFTER_CHANGE. unconfigured has the metrics of exporters
    without a config file for WITH_SYSCTLS, at the server and at the client.
    """

    cases: Observer
    with_sysctls: Observer
    after_change: Observer
    unconfigured: tuple[Scrape, Scrape]


def set_recommended(host: Host) -> None:
    """
    Set the recommended sysctls of a namespace.
    """
    for name, value in RECOMMENDED.items():
        host.sysctl(f"net.ipv4.tcp_keepalive_{name}", value)


@pytest.fixture(scope="module")
def observations(tmp_path_factory: pytest.TempPathFactory) -> Observations:
    """
    Two sites in parallel, one with the kernel's default sysctls and one with the recommended ones.

    Later, the recommended sysctls are also set at the first site's server.
    """
    directory = tmp_path_factory.mktemp("servers")
    with pair() as lab, pair() as good_lab, software(directory) as kinds:
        set_recommended(good_lab.server)
        set_recommended(good_lab.client)
        site = Site(lab, kinds, CASES + AFTER_CHANGE)
        good_site = Site(good_lab, kinds, WITH_SYSCTLS)
        with (
            site.exporters(directory / "exporter.yml") as exporters,
            good_site.exporters(directory / "good-exporter.yml") as good_exporters,
        ):
            clients = site.connect(CASES) + good_site.connect(WITH_SYSCTLS)
            time.sleep(TWO_SAMPLES)
            cases = Observer(site, CASES, exporters)
            with_sysctls = Observer(good_site, WITH_SYSCTLS, good_exporters)
            end = time.monotonic() + DURATION
            while time.monotonic() < end:
                time.sleep(0.5)
                cases.scrape()
                with_sysctls.scrape()

            set_recommended(lab.server)
            clients += site.connect(AFTER_CHANGE)
            with (
                exporter_inside(good_lab.server) as at_server,
                exporter_inside(good_lab.client) as at_client,
            ):
                unconfigured = at_server.scrape(), at_client.scrape()
            time.sleep(TWO_SAMPLES)
            after_change = Observer(site, BEFORE_CHANGE + AFTER_CHANGE, exporters)
            for client in clients:
                client.ask()
    print(cases.report("Default sysctls"))
    print(with_sysctls.report("Recommended sysctls, set before the servers started"))
    print(
        after_change.report(
            "Recommended sysctls, set at the server before the last three connected"
        )
    )
    return Observations(cases, with_sysctls, after_change, unconfigured)


def matches(values: list[str], expected: str) -> bool:
    """
    Whether the observed values are the expected ones, in order and including the last.

    Values of short duration may be missing.
    """
    rest = iter(expected.split(", "))
    return all(value in rest for value in values) and expected.endswith(values[-1])


@pytest.mark.parametrize("case", CASES, ids=str)
class TestCases:
    """
    Servers and clients with defaults, and with one keepalive option, at both ends of the path.
    """

    def test_inbound(self, observations: Observations, case: Case) -> None:
        """
        The protection at the server is the expected one.
        """
        assert matches(observations.cases.inbound[case].protections, case.inbound)

    def test_outbound(self, observations: Observations, case: Case) -> None:
        """
        The protection at the client is the expected one.
        """
        assert matches(observations.cases.outbound[case].protections, case.outbound)

    def test_idle_state(self, observations: Observations, case: Case) -> None:
        """
        A protected connection stays active at both ends. Others go over the limit.
        """
        expected = "active, near_limit, over_limit" if case.over_limit else "active"
        assert matches(observations.cases.inbound[case].idle_states, expected)
        assert matches(observations.cases.outbound[case].idle_states, expected)


@pytest.mark.parametrize("case", BEFORE_CHANGE, ids=str)
def test_sysctls_changed_after_connecting(observations: Observations, case: Case) -> None:
    """
    Lower sysctls at the server do not change open connections.
    """
    before, after = observations.cases.inbound[case], observations.after_change.inbound[case]
    assert after.protections == before.protections[-1:]


@pytest.mark.parametrize("case", WITH_SYSCTLS, ids=str)
def test_recommended_sysctls(observations: Observations, case: Case) -> None:
    """
    The recommended sysctls protect connections without their own keepalive time.
    """
    assert observations.with_sysctls.inbound[case].protections == [case.inbound]
    assert observations.with_sysctls.outbound[case].protections == [case.outbound]


@pytest.mark.parametrize("case", AFTER_CHANGE, ids=str)
def test_sysctls_changed_under_running_servers(observations: Observations, case: Case) -> None:
    """
    New connections to running servers use the changed sysctls, at the server only.
    """
    assert observations.after_change.inbound[case].protections == [case.inbound]
    assert observations.after_change.outbound[case].protections == [case.outbound]


def test_at_risk(observations: Observations) -> None:
    """
    Unprotected connections that have been idle for too long are at risk at both ends.
    """
    number = sum(case.over_limit for case in CASES)
    assert observations.cases.at_risk == {"server": number, "client": number}


def test_without_a_config_file(observations: Observations) -> None:
    """
    With the paths of the default profile, directions are the same. The exporters start after the
    connections, so that no protection is certain yet.
    """
    at_server, at_client = observations.unconfigured
    inbound = at_server.by("protection", "connections", path="azure-inbound")
    assert inbound == {"unknown": 3}
    assert at_server.by("protection", "connections", path="azure-outbound") == {}
    assert at_client.by("protection", "connections", path="azure-outbound") == {"unknown": 3}
    assert at_client.by("protection", "connections", path="azure-inbound") == {}
