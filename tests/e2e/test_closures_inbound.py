"""
At the other end: what an exporter beside the server says of connections through the NAT.
"""

import socket
from concurrent.futures import ThreadPoolExecutor
from time import sleep

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
"""Seconds for which a connection may be idle without harm."""
TWO_SAMPLES = 1.2
GIVING_UP = 10.0
"""Seconds after which the server has certainly given up what nobody answers."""
TOLERANCE = 0.75


def live_and_die(lab: NatLab, family: int) -> None:
    """
    End ten connections: in order at either end, by an abort at either end, and by the NAT.
    """
    warning = lab.connect(family=family)
    with lab.server.listener(family) as listener:
        draining = lab.client.connect(*listener.getsockname()[:2])
        drained, _ = listener.accept()
        sleep(TWO_SAMPLES)  # by now the exporter knows that the ports are listened on
    warning.client.close()
    warning.server.close()

    closed = lab.connections(4, family=family)
    (aborted,) = lab.connections(1, family=family)
    written = lab.connections(2, family=family)
    (evicted,) = lab.connections(1, family=family)
    (probed,) = lab.connections(1, family=family)
    TOO_LATE.apply(probed.server)

    sleep(HEALTHY)
    # A server that is stopped no longer listens, but lets its clients finish.
    drained.close()
    draining.close()
    for number, connection in enumerate(closed):
        ends = (connection.client, connection.server)
        first, second = ends if number % 2 else ends[::-1]
        first.close()
        sleep(0.1)
        second.close()
    abort(aborted.client)
    sleep(0.1)
    aborted.server.close()

    sleep(IDLE - HEALTHY)
    for connection in written:
        connection.server.send(b"x")
    abort(evicted.server)
    for connection in (probed, *written):
        assert connection.server_error(within=GIVING_UP)
        connection.server.close()


@pytest.fixture(scope="module")
def scrape() -> Scrape:
    """
    What the exporter says after connections of both families have ended in every way.
    """
    with nat_lab(idle_timeout=IDLE_TIMEOUT) as lab:
        for name, value in SYSCTLS.items():
            lab.server.sysctl(f"net.ipv4.{name}", value)
        with exporter_inside(lab.server, CONFIG) as exporter:
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda family: live_and_die(lab, family), FAMILIES.values()))
            sleep(TWO_SAMPLES)
            return exporter.scrape()


@pytest.mark.parametrize("path", FAMILIES)
class TestInbound:
    """
    One address family, which is one path.
    """

    def test_reasons(self, scrape: Scrape, path: str) -> None:
        """
        Each of the connections is counted once, by how it ended.
        """
        assert scrape.by("reason", "closure_idle_seconds_count", path=path) == {
            "normal": 6,
            "reset": 2,
            "keepalive_timeout": 1,
            "retransmit_timeout": 2,
        }

    def test_idle_drops(self, scrape: Scrape, path: str) -> None:
        """
        What the NAT forgot is an idle drop, and nothing else is.
        """
        assert scrape.by("reason", "idle_drops_total", path=path) == {
            "reset": 1,
            "keepalive_timeout": 1,
            "retransmit_timeout": 2,
        }

    @pytest.mark.parametrize(
        ("reason", "spell"),
        [
            ("normal", (TWO_SAMPLES + TWO_SAMPLES + HEALTHY + 4 * HEALTHY) / 6),
            ("reset", (HEALTHY + IDLE) / 2),
            ("keepalive_timeout", IDLE),
            ("retransmit_timeout", IDLE),
        ],
    )
    def test_idle_spells(self, scrape: Scrape, path: str, reason: str, spell: float) -> None:
        """
        On the average they are within a sampling interval of the truth.
        """
        number = scrape.total("closure_idle_seconds_count", path=path, reason=reason)
        total = scrape.total("closure_idle_seconds_sum", path=path, reason=reason)
        assert total / number == pytest.approx(spell, rel=0, abs=TOLERANCE)
