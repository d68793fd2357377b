"""
Closures at the server, for connections that come through the NAT.
"""

import socket
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import mean
from time import monotonic, sleep

import pytest

from tests.e2e.exporting import Scrape, exporter_inside
from tests.e2e.scenario_endpoint import IDLE_TIMEOUT
from tests.e2e.scenarios import IDLE, SYSCTLS, TOO_LATE
from tests.lab import LAB_MARKS, NatLab, nat_lab
from tests.lab.traffic import abort

pytestmark = LAB_MARKS

FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
CONFIG = f"""
profile: none
sampling: {{interval: 500ms, max_duty_cycle: 1}}
paths:
  - {{name: ipv4, direction: inbound, remote: [203.0.113.0/24], idle_timeout: {IDLE_TIMEOUT}s}}
  - {{name: ipv6, direction: inbound, remote: ['2001:db8::/64'], idle_timeout: {IDLE_TIMEOUT}s}}
"""
HEALTHY = 2.0
"""Idle time in seconds that every connection survives."""
TWO_SAMPLES = 1.2
TIMED_OUT = 10.0
"""Seconds after which unanswered connections of the server have certainly timed out."""
TOLERANCE = 0.75
"""Seconds: one sampling interval, plus half of one for delays on a loaded machine."""

Spells = dict[str, list[float]]
"""Actual idle times in seconds before the closures, by reason."""


@dataclass(frozen=True)
class Ended:
    """
    The last scrape, and the actual idle times by path.
    """

    scrape: Scrape
    idle_times: dict[str, Spells]


def clock() -> Callable[[], float]:
    """
    Start a stopwatch; returns a function that reads it. On a loaded machine, sleeps take longer.
    """
    began = monotonic()
    return lambda: monotonic() - began


def end_connections(lab: NatLab, family: int) -> Spells:
    """
    End eleven connections: closed at either end, aborted at either end, and dropped by the NAT.
    """
    spells: Spells = defaultdict(list)
    since_first = clock()
    first_pair = lab.connect(family=family)
    with lab.server.listener(family) as listener:
        draining = lab.client.connect(*listener.getsockname()[:2])
        drained, _ = listener.accept()
        sleep(TWO_SAMPLES)  # the exporter then knows the listening ports
    spells["normal"].append(since_first())
    first_pair.client.close()
    first_pair.server.close()

    closed = lab.connections(4, family=family)
    (aborted,) = lab.connections(1, family=family)
    written = lab.connections(2, family=family)
    (evicted,) = lab.connections(1, family=family)
    (probed,) = lab.connections(1, family=family)
    TOO_LATE.apply(probed.server)
    since_second = clock()

    sleep(HEALTHY)
    # A stopped server no longer listens, but its connections may still end later.
    spells["normal"].append(since_first())
    drained.close()
    draining.close()
    for number, connection in enumerate(closed):
        ends = (connection.client, connection.server)
        first, second = ends if number % 2 else ends[::-1]
        spells["normal"].append(since_second())
        first.close()
        sleep(0.1)
        second.close()
    spells["reset"].append(since_second())
    abort(aborted.client)
    sleep(0.1)
    aborted.server.close()

    sleep(IDLE - since_second())
    for connection in written:
        spells["retransmit_timeout"].append(since_second())
        connection.server.send(b"x")
    spells["abort"].append(since_second())
    abort(evicted.server)
    spells["keepalive_timeout"].append(IDLE)
    for connection in (probed, *written):
        assert connection.server_error(within=TIMED_OUT)
        connection.server.close()
    return spells


@pytest.fixture(scope="module")
def ended() -> Ended:
    """
    The metrics after connections of both families have ended in all ways.
    """
    with nat_lab(idle_timeout=IDLE_TIMEOUT) as lab:
        for name, value in SYSCTLS.items():
            lab.server.sysctl(f"net.ipv4.{name}", value)
        with exporter_inside(lab.server, CONFIG) as exporter:
            with ThreadPoolExecutor() as pool:
                spells = pool.map(lambda family: end_connections(lab, family), FAMILIES.values())
                idle_times = dict(zip(FAMILIES, spells, strict=True))
            sleep(TWO_SAMPLES)
            return Ended(exporter.scrape(), idle_times)


@pytest.fixture
def scrape(ended: Ended) -> Scrape:
    """
    The last scrape.
    """
    return ended.scrape


@pytest.mark.parametrize("path", FAMILIES)
class TestInbound:
    """
    One address family, which has its own path.
    """

    def test_reasons(self, scrape: Scrape, path: str) -> None:
        """
        Each connection is counted once, with its reason.
        """
        assert scrape.by("reason", "closure_idle_seconds_count", path=path) == {
            "normal": 6,
            "abort": 1,
            "reset": 1,
            "keepalive_timeout": 1,
            "retransmit_timeout": 2,
        }

    def test_idle_drops(self, scrape: Scrape, path: str) -> None:
        """
        Only connections dropped by the NAT are idle drops.
        """
        assert scrape.by("reason", "idle_drops_total", path=path) == {
            "keepalive_timeout": 1,
            "retransmit_timeout": 2,
        }

    @pytest.mark.parametrize(
        "reason", ["normal", "abort", "reset", "keepalive_timeout", "retransmit_timeout"]
    )
    def test_idle_spells(self, ended: Ended, path: str, reason: str) -> None:
        """
        The mean idle times are within a sampling interval of the actual ones.
        """
        number = ended.scrape.total("closure_idle_seconds_count", path=path, reason=reason)
        total = ended.scrape.total("closure_idle_seconds_sum", path=path, reason=reason)
        spell = mean(ended.idle_times[path][reason])
        assert total / number == pytest.approx(spell, rel=0, abs=TOLERANCE)
