"""
A reload of the config file while connections are idle and end: no history is lost.
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
class ReloadableExporter:
    """
    A lab with an exporter at the server, and its config file.
    """

    lab: Pair
    exporter: Exporter
    file: Path

    def reload(self, config: str) -> None:
        """
        Write a config, and wait until the exporter has reloaded it.
        """
        already = self._reloads()
        self.file.write_text(config)
        self.exporter.signal(signal.SIGHUP)
        wait_for(lambda: self._reloads() > already, self.exporter)

    def _reloads(self) -> int:
        return sum("level=info" in line for line in self.exporter.log if str(self.file) in line)

    def closed(self, path: str) -> float:
        """
        The number of closures on a path.
        """
        return self.exporter.scrape().total("closure_idle_seconds_count", path=path)

    def close(self, number: int) -> None:
        """
        Open and close this many connections.
        """
        for connection in self.lab.connections(number):
            connection.close()


def wait_for(condition: Callable[[], bool], exporter: Exporter, within: float = 20) -> None:
    """
    Wait until the condition is true.
    """
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, exporter.log
        time.sleep(0.05)


@pytest.fixture
def reloadable(tmp_path: Path) -> Iterator[ReloadableExporter]:
    """
    The exporter with the first config.
    """
    file = tmp_path / "exporter.yml"
    file.write_text(BEFORE)
    with pair() as lab, exporter_inside(lab.server, file) as exporter:
        yield ReloadableExporter(lab, exporter, file)


def by_protection(scrape: Scrape, path: str) -> dict[str, int]:
    """
    The connections of a path by protection.
    """
    return scrape.by("protection", "connections", path=path)


def test_reload(reloadable: ReloadableExporter) -> None:
    """
    A reload keeps the history of connections, and scrapes continue to work. A histogram with other
    buckets restarts as a whole.
    """
    reloadable.lab.connections(1, keepalive=Keepalive(time=1, interval=1))
    wait_for(
        lambda: by_protection(reloadable.exporter.scrape(), "kept") == {"peer": 1},
        reloadable.exporter,
    )
    reloadable.close(5)
    wait_for(lambda: reloadable.closed("kept") == 5, reloadable.exporter)

    reloadable.reload(AFTER)
    scrapes = [reloadable.exporter.scrape()]
    while "new" not in {labels["path"] for labels, _ in scrapes[-1].samples["connections"]}:
        scrapes.append(reloadable.exporter.scrape())
    assert by_protection(scrapes[-1], "new") == {"peer": 1}, (
        "the first sample after the reload has the history"
    )
    assert scrapes[-1].total("path_idle_timeout_seconds", path="kept") == 600
    assert reloadable.closed("kept") == 0
    assert reloadable.closed("new") == 0

    reloadable.close(3)
    wait_for(lambda: reloadable.closed("new") == 3, reloadable.exporter)
    reloadable.reload(AFTER)
    assert reloadable.closed("new") == 3, "with the same buckets, the counts continue"
    reloadable.reload(BEFORE)
    assert reloadable.closed("kept") == 0
    paths = {
        labels["path"] for labels, _ in reloadable.exporter.scrape().samples["idle_drops_total"]
    }
    assert paths == {"kept"}
