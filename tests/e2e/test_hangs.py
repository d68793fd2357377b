"""
Connections that hang: on a path whose timeout explains it, on one whose timeout does not, and on no
path. They show in the metrics, and in a single run of `connections`.
"""

import json
import socket
import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.exporting import Scrape, exporter_inside
from tests.exporter_process import COMMAND, ROOT
from tests.lab import LAB_MARKS, nat_lab

pytestmark = LAB_MARKS

IDLE_TIMEOUT = 4
IDLE = 7.0
HANGING = 33.0
"""Seconds for which the connections hang. From 30 s on, they are unanswered."""
ADDRESSES = {"known": "203.0.113.21", "shorter": "203.0.113.22", "none": "203.0.113.23"}
CONFIG = f"""
profile: none
sampling: {{interval: 500ms, max_duty_cycle: 1}}
paths:
- {{name: known, remote: {ADDRESSES["known"]}, idle_timeout: {IDLE_TIMEOUT}s}}
- {{name: shorter, remote: {ADDRESSES["shorter"]}, idle_timeout: 240s}}
"""


@dataclass(frozen=True)
class Hangs:
    """
    The metrics shortly after the connections sent data, and in the end; and the rows of a single
    run of `connections` in the end, by path.
    """

    early: Scrape
    late: Scrape
    rows: dict[str, dict[str, Any]]

    def state(self, path: str) -> dict[str, int]:
        """
        The connections of a path by idle state, in the end.
        """
        return self.late.by("idle_state", "connections", path=path)


@pytest.fixture(scope="module")
def hangs(tmp_path_factory: pytest.TempPathFactory) -> Hangs:
    """
    One connection to each address is idle for longer than the NAT's timeout, and then sends data.
    """
    config_file = tmp_path_factory.mktemp("config") / "exporter.yml"
    config_file.write_text(CONFIG)
    with nat_lab(idle_timeout=IDLE_TIMEOUT) as lab:
        for address in ADDRESSES.values():
            lab.server.ip(f"addr add {address}/24 dev eth0")
        listener = lab.server.call(socket.create_server, ("0.0.0.0", 0), backlog=8)
        port = lab.server.adopt(listener).getsockname()[1]
        with exporter_inside(lab.client, CONFIG) as exporter:
            clients = [lab.client.connect(address, port) for address in ADDRESSES.values()]
            time.sleep(IDLE)
            for client in clients:
                client.send(b"x")
            time.sleep(2)
            early = exporter.scrape()
            time.sleep(HANGING - 2)
            late = exporter.scrape()
            argv = [*COMMAND, "connections", "--format=json", f"--config.file={config_file}"]
            rows = json.loads(lab.client.run(argv, cwd=ROOT).stdout)["connections"]
            return Hangs(early, late, {row["path"]: row for row in rows})


def test_explained(hangs: Hangs) -> None:
    """
    After an idle spell of the path's timeout, it is stalled as soon as data is sent again.
    """
    assert hangs.early.by("idle_state", "connections", path="known") == {"stalled": 1}
    assert hangs.state("known") == {"stalled": 1}


@pytest.mark.parametrize("path", ["shorter", "none"])
def test_not_explained(hangs: Hangs, path: str) -> None:
    """
    On a path with a longer timeout, and on no path, it is unanswered after 30 s.
    """
    assert hangs.early.by("idle_state", "connections", path=path) == {"active": 1}
    assert hangs.state(path) == {"unanswered": 1}


def test_workload(hangs: Hangs) -> None:
    """
    The workload has all of them.
    """
    assert hangs.late.total("workload_stalled_connections") == len(ADDRESSES)


def test_single_run(hangs: Hangs) -> None:
    """
    A single run of `connections` lists all of them by default, with the idle time before the hang.
    """
    states = {path: row["risk"] for path, row in hangs.rows.items()}
    assert states == {"known": "stalled", "shorter": "unanswered", "none": "unanswered"}
    for row in hangs.rows.values():
        assert row["idle_state"] == row["risk"]
        assert row["idle_seconds"] == pytest.approx(IDLE, abs=1)
        assert row["received_seconds"] == pytest.approx(IDLE + HANGING, abs=3)
        assert row["advice"] == row["risk"]
