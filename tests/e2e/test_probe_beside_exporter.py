"""
`probe` on a host with an exporter: the connections that it leaves idle until they die are no idle
drops.
"""

import time

import pytest

from tests.e2e.exporting import exporter_inside, with_paths
from tests.e2e.known_paths import SERVERS, listen
from tests.e2e.probing import Running, probe
from tests.lab import LAB_MARKS, OnTimeout, nat_lab

pytestmark = LAB_MARKS

TIMEOUT = 6
FLAGS = ("--from=3s", "--to=12s", "--step=1s", "--resolution=2s")


@pytest.mark.parametrize("interval", [0.2, 1.0])
@pytest.mark.parametrize("on_timeout", ["drop", "reset"])
def test_measured(on_timeout: OnTimeout, interval: float) -> None:
    """
    A measurement to its end causes no idle drop and no evidence of a timeout.
    """
    with nat_lab(idle_timeout=TIMEOUT, on_timeout=on_timeout) as lab:
        listen(lab.server)
        config = with_paths({"nat": lab.server.address}, TIMEOUT, interval)
        with exporter_inside(lab.client, config) as exporter:
            found = probe(lab.client, SERVERS[0], *FLAGS)
            assert found.servers[0].fatal <= TIMEOUT + 2
            time.sleep(1 + interval)
            scrape = exporter.scrape()
            assert [line for line in exporter.log if "idle drop" in line] == []
    assert scrape.by("reason", "idle_drops_total") == {}
    ended = scrape.by("reason", "closure_idle_seconds_count", path="nat")
    assert ended.keys() <= {"abort", "normal"}
    assert ended["abort"] > 1
    assert "shortest_idle_fatal_seconds" not in scrape.samples


def test_interrupted() -> None:
    """
    Neither does one that is interrupted when the path has forgotten its connections.
    """
    with nat_lab(idle_timeout=2) as lab:
        lab.client.sysctl("net.ipv4.tcp_orphan_retries", 1)
        listen(lab.server)
        with exporter_inside(
            lab.client, with_paths({"nat": lab.server.address}, 2, 0.2)
        ) as exporter:
            probe(lab.client, SERVERS[0], "--from=3s", "--to=60s", incident=interrupt)
            time.sleep(4)
            scrape = exporter.scrape()
    assert scrape.by("reason", "idle_drops_total") == {}


def interrupt(running: Running) -> None:
    """
    Interrupt after some seconds.
    """
    time.sleep(5)
    running.process.send_signal(2)
