"""
Debian's Prometheus inside a host of the lab.
"""

import json
import shutil
import time
import urllib.error
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.exporter_inside import fetch
from tests.lab import Host, LabError

_PORT = 9090
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Prometheus:
    """
    A running Prometheus.
    """

    host: Host
    log: Path

    def api(self, path: str, **parameters: str) -> Any:
        """
        GET the data of its HTTP API.
        """
        query = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{_PORT}/api/v1/{path}?{query}"
        return json.loads(fetch(self.host, url)[0])["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """
        The labels and values of a PromQL expression now.
        """
        return [
            (series["metric"], float(series["value"][1]))
            for series in self.api("query", query=expression)["result"]
        ]

    def value(self, expression: str) -> float:
        """
        The single value of a PromQL expression.
        """
        ((_, value),) = self.query(expression)
        return value

    def wait_for_scrapes(self, jobs: int) -> None:
        """
        Wait until this many jobs have been scraped.
        """
        end = time.monotonic() + _TIMEOUT
        while self._jobs() < jobs:
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.1)

    def _jobs(self) -> int:
        try:
            return len(self.query("up"))
        except urllib.error.HTTPError as error:  # 503 during startup
            error.close()
        except urllib.error.URLError:  # not listening yet
            pass
        return 0


@contextmanager
def prometheus_inside(host: Host, directory: Path, configuration: str) -> Iterator[Prometheus]:
    """
    Run Prometheus inside a host, with its files in directory.
    """
    if shutil.which("prometheus") is None:
        raise LabError("needs Debian's package prometheus")
    config, log = directory / "prometheus.yml", directory / "prometheus.log"
    config.write_text(configuration)
    with log.open("w") as file:
        process = host.start(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{_PORT}",
            ],
            stderr=file,
        )
    try:
        yield Prometheus(host, log)
    finally:
        process.terminate()
        process.wait(_TIMEOUT)
