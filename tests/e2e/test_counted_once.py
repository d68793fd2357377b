"""
Every connection is counted once in every sum: the exporter's metrics compared with `ss`.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, AF_INET6, SHUT_WR, create_server

import pytest

from tests.e2e.exporter_inside import Exporter, Scrape, exporter_inside, table
from tests.lab import LAB_MARKS, Connection, Host, Keepalive, Pair, pair
from tests.lab.requirements import needs_files

pytestmark = LAB_MARKS

CONFIG = """
near_limit_ratio: 0.05
paths:
  - {name: soon-over, direction: inbound, remote: [10.0.0.0/8], idle_timeout: 2s}
  - {name: soon-over-out, direction: outbound, remote: [203.0.113.0/24], idle_timeout: 2s}
  - {name: soon-near, remote: ["fd00::/8", "2001:db8::/32"], idle_timeout: 40s}
  - {name: inside, remote: private, idle_timeout: 1h}
sampling: {interval: 500ms, max_duty_cycle: 1}
"""
IDLE_SPELL = 4.0
"""Seconds: over the limit of some paths, near that of others, and enough for some probes."""
TIMEWAIT_LENGTH = 60.0
A_SAMPLE = 0.6
ATTEMPTS = 20


@dataclass(frozen=True)
class Counted:
    """
    One host at rest: the exporter's metrics, and the output lines of `ss`.
    """

    metrics: Scrape
    lines: list[str]

    def count(self, *states: str) -> int:
        """
        The number of sockets in these states, named as in ss.
        """
        return sum(line.split()[0] in states for line in self.lines)

    def connections(self) -> int:
        """
        The number of connections that are established or not yet closed by this side.
        """
        return self.count("ESTAB", "CLOSE-WAIT")

    def timers(self, name: str) -> int:
        """
        The number of sockets with a timer, named as in ss.
        """
        return sum(f"timer:({name}," in line for line in self.lines)


def loopbacks(host: Host, count: int, here: str, there: str) -> None:
    """
    Open connections from a host to itself, which has both ends.
    """
    family = AF_INET6 if ":" in there else AF_INET
    listener = host.socket(family)
    listener.bind((there, 0))
    listener.listen(count)
    for client in host.sockets(count, family):
        client.bind((here, 0))
        client.connect(listener.getsockname())
        host.adopt(listener.accept()[0])


def mapped(lab: Pair, count: int) -> list[Connection]:
    """
    Open IPv4 connections between IPv6 sockets, as dual-stack programs do.
    """
    listener = lab.server.call(
        lambda: create_server(("", 0), family=AF_INET6, dualstack_ipv6=True, backlog=count)
    )
    lab.server.adopt(listener)
    connections = []
    for client in lab.client.sockets(count, AF_INET6):
        client.connect((f"::ffff:{lab.server.address}", listener.getsockname()[1]))
        connections.append(Connection(client, lab.server.adopt(listener.accept()[0])))
    return connections


def outbound_from_server(lab: Pair, count: int) -> None:
    """
    Open connections from the server to the client.
    """
    listener = lab.client.listener()
    for _ in range(count):
        lab.server.connect(*listener.getsockname())
        lab.client.adopt(listener.accept()[0])


def open_connections(lab: Pair) -> None:
    """
    Open some hundreds of connections of all kinds, and leave the remains of some that have ended.

    The lab keeps their sockets. The numbers are primes, so that a sum shows which kind is missing.
    """
    for family in (AF_INET, AF_INET6):
        lab.connections(101, family=family)
        lab.connections(37, family=family, keepalive=Keepalive(time=1, interval=1, probes=3))
        lab.connections(23, family=family, keepalive=Keepalive(time=3600, interval=75, probes=9))
        for connection in lab.connections(19, family=family):
            connection.client.shutdown(SHUT_WR)
        for connection in lab.connections(17, family=family):
            connection.client.close()
        for connection in lab.connections(13, family=family):
            connection.server.close()
        for connection in lab.connections(11, family=family):
            connection.server.close()
            connection.client.close()
        for connection in lab.connections(7, family=family):
            connection.close()
    for connection in mapped(lab, 41)[:5]:
        connection.client.close()
    outbound_from_server(lab, 29)
    for host in (lab.client, lab.server):
        other_address = f"{host.address}1"
        host.ip(f"addr add {other_address}/32 dev eth0")
        loopbacks(host, 31, "127.0.0.2", "127.0.0.1")
        loopbacks(host, 47, "::1", "::1")
        loopbacks(host, 3, host.address, other_address)


def count_at_rest(exporter: Exporter) -> Counted:
    """
    Read sums of a sample during which no scrape was open, because its socket would be counted.
    """
    quiet_since = time.time()
    for _ in range(ATTEMPTS):
        time.sleep(A_SAMPLE)
        lines = exporter.host.run(["ss", "-Htano"]).stdout.splitlines()
        scrape_began = time.time()
        metrics = exporter.scrape()
        sampled = metrics.total("sample_timestamp_seconds")
        took = metrics.total("collector_duration_seconds", collector="sockets")
        if quiet_since < sampled and sampled + took < scrape_began:
            return Counted(metrics, lines)
        quiet_since = time.time()
    raise AssertionError("no sample was taken between two scrapes")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counted]:
    """
    A client and a server with connections between and inside them, both counted.
    """
    needs_files(2000)
    config = tmp_path_factory.mktemp("counted") / "config.yml"
    config.write_text(CONFIG)
    with (
        pair() as lab,
        exporter_inside(lab.client, config) as at_client,
        exporter_inside(lab.server, config) as at_server,
    ):
        began = time.monotonic()
        open_connections(lab)
        time.sleep(IDLE_SPELL)
        counted = {"client": count_at_rest(at_client), "server": count_at_rest(at_server)}
        # After that, TIME_WAIT sockets expire, some of them between ss's dump and the exporter's.
        assert time.monotonic() - began < TIMEWAIT_LENGTH
    print("\n" + report(counted))
    return counted


def report(counted: dict[str, Counted]) -> str:
    """
    A table of the exporter's sums and those of ss.
    """
    rows = []
    for name, host in counted.items():
        rows += [
            (name, "connections", int(host.metrics.total("connections")), host.connections()),
            (name, "CLOSE_WAIT among them", "", host.count("CLOSE-WAIT")),
            (name, "keepalive timers", timers(host, "keepalive"), host.timers("keepalive")),
            (name, "time-wait timers", timers(host, "time_wait"), host.timers("timewait")),
        ]
    return table(("host", "sockets", "exporter", "ss"), rows)


def timers(counted: Counted, timer: str) -> int:
    """
    The number of connections with a timer, from the exporter.
    """
    return int(counted.metrics.total("connection_timers", timer=timer))


@pytest.fixture(params=["client", "server"])
def counted(both: dict[str, Counted], request: pytest.FixtureRequest) -> Counted:
    """
    Each of the two hosts.
    """
    return both[request.param]


def test_connections_are_the_sockets_of_ss(counted: Counted) -> None:
    """
    The sum over `connections` is exactly the number of ESTABLISHED and CLOSE_WAIT sockets.
    """
    assert counted.connections() > 500
    assert counted.count("CLOSE-WAIT") > 20
    assert counted.metrics.total("connections") == counted.connections()


def test_the_client_counts_by_path(both: dict[str, Counted]) -> None:
    """
    Loopback connections count at both ends and cross no path. Mapped addresses count as IPv4.
    """
    kept_or_closed_by_the_server = 101 + 37 + 23 + 13
    assert both["client"].metrics.by("path", "connections") == {
        "none": 2 * (31 + 47 + 3),
        "soon-over-out": kept_or_closed_by_the_server + 41 - 5,
        "soon-near": kept_or_closed_by_the_server,
        "azure-inbound": 29,
    }


def test_the_server_counts_by_path(both: dict[str, Counted]) -> None:
    """
    Connections closed by the client still count, as do those opened by the server.
    """
    kept_or_closed_by_the_client = 101 + 37 + 23 + 19 + 17
    assert both["server"].metrics.by("path", "connections") == {
        "none": 2 * (31 + 47 + 3),
        "inside": 29,
        "soon-over": kept_or_closed_by_the_client + 41,
        "soon-near": kept_or_closed_by_the_client,
    }


def test_sampled_sockets_agree(counted: Counted) -> None:
    """
    `sampled_sockets` is the sum over `connections`.
    """
    assert counted.metrics.total("sampled_sockets") == counted.connections()


def test_idle_times_agree(counted: Counted) -> None:
    """
    Every connection is in the idle time histogram of its path.
    """
    metrics = counted.metrics
    in_histogram = metrics.by("path", "connection_idle_seconds_gcount")
    assert in_histogram == metrics.by("path", "connections")
    assert sum(in_histogram.values()) == counted.connections()


def test_keepalive_timers_agree(counted: Counted) -> None:
    """
    The expiry histogram, `connection_timers` and ss agree on the number of keepalive timers.
    """
    armed = counted.timers("keepalive")
    assert timers(counted, "keepalive") == armed
    assert counted.metrics.total("timer_expires_seconds_gcount") == armed


def test_keepalive_times_are_of_connections_with_keepalive(both: dict[str, Counted]) -> None:
    """
    The client exports the keepalive time of all its keepalives; the server has none.
    """
    counts = {
        name: counted.metrics.by("path", "connection_keepalive_time_seconds_gcount")
        for name, counted in both.items()
    }
    assert counts == {"client": {"soon-over-out": 37 + 23, "soon-near": 37 + 23}, "server": {}}


@pytest.mark.parametrize(
    "histogram",
    ["connection_idle_seconds", "connection_keepalive_time_seconds", "timer_expires_seconds"],
)
def test_buckets_are_cumulative_and_end_in_the_count(counted: Counted, histogram: str) -> None:
    """
    Buckets are cumulative, and the last one equals the count.
    """
    paths = {labels["path"] for labels, _ in counted.metrics.samples["connections"]}
    for path in paths:
        buckets = {
            float(labels["le"]): number
            for labels, number in counted.metrics.samples[f"{histogram}_bucket"]
            if labels["path"] == path
        }
        numbers = [number for _, number in sorted(buckets.items())]
        assert numbers == sorted(numbers)
        assert buckets[float("inf")] == counted.metrics.total(f"{histogram}_gcount", path=path)


def test_timers_agree(counted: Counted) -> None:
    """
    The sum of `connection_timers` without `time_wait` is the number of connections.
    """
    by_timer = counted.metrics.by("timer", "connection_timers")
    assert sum(by_timer.values()) - by_timer["time_wait"] == counted.connections()


def test_time_wait_agrees_with_ss(counted: Counted) -> None:
    """
    `time_wait` is the number of sockets with a time-wait timer in ss.
    """
    # These are sockets in TIME_WAIT, and those in FIN_WAIT2 that their process has closed.
    assert counted.count("TIME-WAIT") > 10
    assert timers(counted, "time_wait") == counted.timers("timewait")


def test_at_risk_is_the_sum_of_its_cells(counted: Counted) -> None:
    """
    `at_risk_connections` is the sum over near_limit and over_limit with protection none or late.
    """
    cells = {
        (idle_state, protection): counted.metrics.total(
            "connections", idle_state=idle_state, protection=protection
        )
        for idle_state in ("near_limit", "over_limit")
        for protection in ("none", "late")
    }
    assert cells["near_limit", "none"] > 0
    assert cells["over_limit", "none"] > 0
    assert counted.metrics.total("at_risk_connections") == sum(cells.values())


def test_late_keepalives_are_at_risk_too(both: dict[str, Counted]) -> None:
    """
    Keepalive times of an hour are late on both paths of the client, and near or over the limit.
    """
    late = {"protection": "late"}
    metrics = both["client"].metrics
    assert metrics.total("connections", path="soon-over-out", idle_state="over_limit", **late) == 23
    assert metrics.total("connections", path="soon-near", idle_state="near_limit", **late) == 23


def test_probes_protect_both_ends(both: dict[str, Counted]) -> None:
    """
    Keepalive times of a second are protection `own` at the client and `peer` at the server.
    """
    for path in ("soon-over-out", "soon-near"):
        own = both["client"].metrics.by("protection", "connections", path=path)["own"]
        assert own == 37
    for path in ("soon-over", "soon-near"):
        peer = both["server"].metrics.by("protection", "connections", path=path)["peer"]
        assert peer == 37


def test_sums_stay_until_the_next_sample(tmp_path: Path) -> None:
    """
    The sums are always exported, even if the duty cycle delays the next sample.
    """
    config = tmp_path / "config.yml"
    config.write_text("sampling: {interval: 10ms, max_duty_cycle: 0.01}")
    with Host() as host, exporter_inside(host, config) as exporter:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            metrics = exporter.scrape()
            shown = "connections" in metrics.samples
            age = time.time() - metrics.total("sample_timestamp_seconds")
            assert shown, f"no connections exported {age:.2f} s after a sample"
            assert metrics.total("collector_success", collector="sockets") == 1
