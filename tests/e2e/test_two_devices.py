"""
Two NATs in a row, with timeouts of 8 s and 20 s: verdicts, idle drops and `probe` agree on 8 s.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.exporter_inside import Exporter, Scrape
from tests.e2e.exporting import exporter_inside
from tests.e2e.known_paths import FLAGS, PORT, listen
from tests.exporter_process import AS_NOBODY, ROOT
from tests.lab import LAB_MARKS, Keepalive, NatLab, nats_in_a_row

pytestmark = [*LAB_MARKS, pytest.mark.timeout(180)]

CONFIG = """
profile: none
sampling: {interval: 500ms, max_duty_cycle: 1}
paths:
  - {name: firewall, direction: outbound, remote: public, idle_timeout: 20s}
  - {name: nat, direction: outbound, remote: public, idle_timeout: 8s, also: true}
"""
OWN, LATE, NONE = Keepalive(3, 1, 9), Keepalive(11, 1, 3), None
"""In time for both devices, for the longer timeout only, and not at all."""


@dataclass(frozen=True)
class Outcome:
    """
    A scrape after 9 s of idle time, one after the end, and which connections were still alive.
    """

    idle: Scrape
    end: Scrape
    alive: list[bool]


@pytest.fixture(scope="module", params=[(8, 20), (20, 8)], ids=str)
def outcome(request: pytest.FixtureRequest) -> Iterator[Outcome]:
    """
    Three connections through both NATs, idle for longer than the shorter timeout.
    """
    with nats_in_a_row(*request.param) as lab, exporter_inside(lab.client, CONFIG) as exporter:
        lab.client.sysctl("net.ipv4.tcp_retries2", 2)
        yield go_idle(lab, exporter)


def go_idle(lab: NatLab, exporter: Exporter) -> Outcome:
    """
    Open connections, wait, and write to them.
    """
    connections = [lab.connect(keepalive=each) for each in (OWN, LATE, NONE)]
    time.sleep(9)
    idle = exporter.scrape()
    alive = [each.reaches_server() for each in connections]
    for connection in connections[1:]:
        assert connection.client_error(within=30) == "ETIMEDOUT"
        connection.client.close()  # frees the socket, which the kernel reports only then
    time.sleep(2)
    return Outcome(idle, exporter.scrape(), alive)


def test_verdicts(outcome: Outcome) -> None:
    """
    Each connection is counted once, on the path of the shorter timeout, and judged by it.
    """
    assert outcome.idle.by("path", "connections") == {"nat": 3}
    assert outcome.idle.by("protection", "connections") == {"late": 1, "none": 1, "own": 1}
    assert outcome.idle.by("idle_state", "connections") == {"active": 1, "over_limit": 2}
    assert outcome.idle.total("at_risk_connections") == 2


def test_drops(outcome: Outcome) -> None:
    """
    The connections judged to be at risk were dropped, and are idle drops of the shorter path.
    """
    assert outcome.alive == [True, False, False]
    assert outcome.end.by("path", "idle_drops_total") == {"nat": 2}


@pytest.mark.parametrize("timeouts", [(8, 20), (20, 8)], ids=str)
def test_probe(timeouts: tuple[int, int], tmp_path: Path) -> None:
    """
    `probe` measures the shorter timeout, and compares it with the path that has it.
    """
    file = tmp_path / "config.yml"
    file.write_text(CONFIG)
    with nats_in_a_row(*timeouts) as lab:
        listen(lab.server)
        flags = (f"--config.file={file}", *FLAGS[8].split())
        command = [*AS_NOBODY, "probe", f"203.0.113.10:{PORT}", *flags]
        text = lab.client.run(command, cwd=ROOT, timeout=120).stdout
    assert "path nat: 8 s, consistent with the measurement" in " ".join(text.split())
