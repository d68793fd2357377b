"""
PostgreSQL, Redis and OpenSSH, as they come and cured: their protection on either side of a path.
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
"""Idle timeouts: those of the profiles, and one short enough to wait for."""
DURATION = 9.0
"""How long the connections are left alone: longer than SHORT."""
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
    A connection and what protects it as time goes by, seen from the server and from the client.

    No case equals another one, though it may have the same configuration.
    """

    server: str
    settings: str
    options: str
    idle_timeout: str
    inbound: str
    outbound: str
    over_limit: bool = False

    def __str__(self) -> str:
        settings = self.settings or "as it comes"
        client = f", client {self.options}" if self.options else ""
        return f"{self.server} {settings}{client}, {self.idle_timeout}"


# Redis' client has a keepalive time of 15 s of its own, which nothing changes.
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
    # Times shrunk, to see what becomes of it.
    Case("PostgreSQL", "", "", SHORT, "late", "late", over_limit=True),
    Case("PostgreSQL", "", f"keepalives_idle=2 {EVERY_SECOND}", SHORT, "late, peer", "own"),
    # After an answered probe the next one comes after the interval, here that of the sysctl: 75 s.
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
"""The recommended sysctls in both namespaces, from before the servers start."""
BEFORE_CHANGE = tuple(case for case in CASES if case.server != "Redis")
"""Those of CASES whose servers have no time of their own."""
AFTER_CHANGE = (
    Case("PostgreSQL", "", "", AZURE, "own", "late"),
    Case("Redis", "", "", AZURE, "late", "own"),
    Case("OpenSSH", "", "", AZURE, "own", "late"),
)
"""Connected to the servers of CASES after the sysctls of their namespace have been changed."""


class Site:
    """
    A lab with servers, a client for each case, and an exporter on either side.

    Each case has a pair of addresses of its own, which stand for public ones, and by them a path of
    its own: so the exporters tell the cases apart.
    """

    def __init__(self, lab: Pair, kinds: dict[str, Software], cases: Iterable[Case]) -> None:
        """
        Start the servers, one for each configuration.
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
        Connect a client for each of the cases, which then stay idle.
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
    What an exporter said of a connection, in the order of time, repetitions left out.
    """

    protections: list[str] = field(default_factory=list)
    idle_states: list[str] = field(default_factory=list)

    def note(self, scrape: Scrape, path: str) -> None:
        """
        Add what a scrape says of the one connection on a path.
        """
        for said, label in ((self.protections, "protection"), (self.idle_states, "idle_state")):
            ((value, number),) = scrape.by(label, "connections", path=path).items()
            assert number == 1
            if said[-1:] != [value]:
                said.append(value)

    def in_words(self) -> tuple[str, str]:
        """
        Protections and idle states.
        """
        return ", ".join(self.protections), ", ".join(self.idle_states)


class Watch:
    """
    What a site's exporters say of its cases, as time goes by.
    """

    def __init__(
        self, site: Site, cases: Iterable[Case], exporters: tuple[Exporter, Exporter]
    ) -> None:
        """
        Look at these cases only, once.
        """
        self._site = site
        self._exporters = exporters
        self.inbound = {case: Seen() for case in cases}
        self.outbound = {case: Seen() for case in self.inbound}
        self.at_risk = {"server": 0, "client": 0}
        self.look()

    def look(self) -> None:
        """
        Add what the exporters say now.
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
        What was foreseen and what was seen of each case.
        """
        heads = ["server", "its settings", "its client's", "path"]
        for side in ("inbound", "outbound"):
            heads += [f"{side}: foreseen", "seen", "idle state"]
        rows = [
            (
                case.server,
                case.settings or "-",
                case.options or "-",
                case.idle_timeout,
                case.inbound,
                *self.inbound[case].in_words(),
                case.outbound,
                *self.outbound[case].in_words(),
            )
            for case in self.inbound
        ]
        return f"\n{title}\n{table(heads, rows)}"


@dataclass(frozen=True)
class Story:
    """
    Everything that was observed.

    after_change is of BEFORE_CHANGE and AFTER_CHANGE; unconfigured is what exporters without a
    config file say of WITH_SYSCTLS, at the server and at the client.
    """

    cases: Watch
    with_sysctls: Watch
    after_change: Watch
    unconfigured: tuple[Scrape, Scrape]


def recommend(host: Host) -> None:
    """
    Give a namespace the recommended settings.
    """
    for name, value in RECOMMENDED.items():
        host.sysctl(f"net.ipv4.tcp_keepalive_{name}", value)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """
    Two sites side by side, one with Linux' own sysctls and one with those recommended.

    Then the first one's server gets the recommended sysctls too.
    """
    directory = tmp_path_factory.mktemp("servers")
    with pair() as lab, pair() as good_lab, software(directory) as kinds:
        recommend(good_lab.server)
        recommend(good_lab.client)
        site = Site(lab, kinds, CASES + AFTER_CHANGE)
        good_site = Site(good_lab, kinds, WITH_SYSCTLS)
        with (
            site.exporters(directory / "exporter.yml") as exporters,
            good_site.exporters(directory / "good-exporter.yml") as good_exporters,
        ):
            clients = site.connect(CASES) + good_site.connect(WITH_SYSCTLS)
            time.sleep(TWO_SAMPLES)
            cases = Watch(site, CASES, exporters)
            with_sysctls = Watch(good_site, WITH_SYSCTLS, good_exporters)
            end = time.monotonic() + DURATION
            while time.monotonic() < end:
                time.sleep(0.5)
                cases.look()
                with_sysctls.look()

            recommend(lab.server)
            clients += site.connect(AFTER_CHANGE)
            with (
                exporter_inside(good_lab.server) as at_server,
                exporter_inside(good_lab.client) as at_client,
            ):
                unconfigured = at_server.scrape(), at_client.scrape()
            time.sleep(TWO_SAMPLES)
            after_change = Watch(site, BEFORE_CHANGE + AFTER_CHANGE, exporters)
            for client in clients:
                client.ask()
    print(cases.report("Linux' own sysctls"))
    print(with_sysctls.report("The recommended sysctls, set before the servers started"))
    print(after_change.report("The same, set at the server before the last three connected"))
    return Story(cases, with_sysctls, after_change, unconfigured)


def comes_to(said: list[str], foreseen: str) -> bool:
    """
    Whether what was said is what was foreseen, in its order and to its end.

    What held for a short time only may have gone unnoticed.
    """
    rest = iter(foreseen.split(", "))
    return all(word in rest for word in said) and foreseen.endswith(said[-1])


@pytest.mark.parametrize("case", CASES, ids=str)
class TestCases:
    """
    Servers and clients as they come, and with one cure each, on either side of the path.
    """

    def test_inbound(self, story: Story, case: Case) -> None:
        """
        At the server the protection is the one foreseen.
        """
        assert comes_to(story.cases.inbound[case].protections, case.inbound)

    def test_outbound(self, story: Story, case: Case) -> None:
        """
        At the client the protection is the one foreseen.
        """
        assert comes_to(story.cases.outbound[case].protections, case.outbound)

    def test_idle_state(self, story: Story, case: Case) -> None:
        """
        What protects the connection keeps it active on both sides; without, it goes over the limit.
        """
        foreseen = "active, near_limit, over_limit" if case.over_limit else "active"
        assert comes_to(story.cases.inbound[case].idle_states, foreseen)
        assert comes_to(story.cases.outbound[case].idle_states, foreseen)


@pytest.mark.parametrize("case", BEFORE_CHANGE, ids=str)
def test_sysctls_changed_too_late(story: Story, case: Case) -> None:
    """
    Lowering the server's sysctls does nothing for a connection that is open already.
    """
    before, after = story.cases.inbound[case], story.after_change.inbound[case]
    assert after.protections == before.protections[-1:]


@pytest.mark.parametrize("case", WITH_SYSCTLS, ids=str)
def test_recommended_sysctls(story: Story, case: Case) -> None:
    """
    The recommended sysctls protect what has no keepalive time of its own.
    """
    assert story.with_sysctls.inbound[case].protections == [case.inbound]
    assert story.with_sysctls.outbound[case].protections == [case.outbound]


@pytest.mark.parametrize("case", AFTER_CHANGE, ids=str)
def test_sysctls_changed_under_running_servers(story: Story, case: Case) -> None:
    """
    New connections to servers that run already have the changed sysctls, at the server only.
    """
    assert story.after_change.inbound[case].protections == [case.inbound]
    assert story.after_change.outbound[case].protections == [case.outbound]


def test_at_risk(story: Story) -> None:
    """
    At risk are the unprotected connections that have been idle for too long, on both sides.
    """
    number = sum(case.over_limit for case in CASES)
    assert story.cases.at_risk == {"server": number, "client": number}


def test_without_a_config_file(story: Story) -> None:
    """
    The same is said on the paths of the default profile, by direction.
    """
    at_server, at_client = story.unconfigured
    assert at_server.by("protection", "connections", path="azure-inbound") == {"own": 2, "late": 1}
    assert at_server.by("protection", "connections", path="azure-outbound") == {}
    assert at_client.by("protection", "connections", path="azure-outbound") == {"own": 3}
    assert at_client.by("protection", "connections", path="azure-inbound") == {}
