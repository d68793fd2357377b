"""
The config file read again while connections idle and end: nothing that is known is lost.
"""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.exporter_inside import Exporter, Scrape, exporter_inside
from tests.lab import LAB_MARKS, Keepalive, Pair, pair

pytestmark = LAB_MARKS

BEFORE = """
profile: none
paths:
  - {name: kept, idle_timeout: 2h}
sampling: {interval: 500ms, max_duty_cycle: 1}
"""
AFTER = """
profile: none
paths:
  - {name: new, direction: inbound, remote: [10.0.0.0/8], idle_timeout: 1h}
  - {name: kept, idle_timeout: 10m}
sampling: {interval: 500ms, max_duty_cycle: 1}
"""


@dataclass(frozen=True)
class Stage:
    """
    A lab whose server has an exporter, and its config file.
    """

    lab: Pair
    exporter: Exporter
    file: Path

    def reload(self, config: str) -> None:
        """
        Have the exporter read this config.
        """
        already = self._reloads()
        self.file.write_text(config)
        self.exporter.signal(signal.SIGHUP)
        wait_for(lambda: self._reloads() > already, self.exporter)

    def _reloads(self) -> int:
        return sum("config read again" in line for line in self.exporter.log)

    def closed(self, path: str) -> float:
        """
        How many connections have ended on this path.
        """
        return self.exporter.scrape().total("closure_idle_seconds_count", path=path)

    def close(self, number: int) -> None:
        """
        Have so many connections open for a sample, and end.
        """
        for connection in self.lab.connections(number):
            connection.close()


def wait_for(condition: Callable[[], bool], exporter: Exporter, within: float = 20) -> None:
    """
    Return when the condition holds.
    """
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, exporter.log
        time.sleep(0.05)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """
    The stage before anything has happened.
    """
    file = tmp_path / "exporter.yml"
    file.write_text(BEFORE)
    with pair() as lab, exporter_inside(lab.server, file) as exporter:
        yield Stage(lab, exporter, file)


def peers(scrape: Scrape, path: str) -> dict[str, int]:
    """
    The path's connections by protection.
    """
    return scrape.by("protection", "connections", path=path)


def test_reload(stage: Stage) -> None:
    """
    Counts go on, what samples have told of a connection stays known, and scrapes go on.
    """
    stage.lab.connections(1, keepalive=Keepalive(time=1, interval=1))
    wait_for(lambda: peers(stage.exporter.scrape(), "kept") == {"peer": 1}, stage.exporter)
    stage.close(5)
    wait_for(lambda: stage.closed("kept") == 5, stage.exporter)

    stage.reload(AFTER)
    scrapes = [stage.exporter.scrape()]
    while "new" not in {labels["path"] for labels, _ in scrapes[-1].samples["connections"]}:
        scrapes.append(stage.exporter.scrape())
    assert peers(scrapes[-1], "new") == {"peer": 1}, "the first sample knows what those before saw"
    assert scrapes[-1].total("path_idle_timeout_seconds", path="kept") == 600
    assert stage.closed("kept") == 5
    assert stage.closed("new") == 0

    stage.close(3)
    wait_for(lambda: stage.closed("new") == 3, stage.exporter)
    stage.reload(BEFORE)
    assert stage.closed("kept") == 5
    paths = {labels["path"] for labels, _ in stage.exporter.scrape().samples["idle_drops_total"]}
    assert paths == {"kept"}
