"""
A client that scrapes continuously, as Prometheus would.

`python -m tests.bench.scrapes ADDRESS SECONDS` prints the duration of each scrape.
"""

import gzip
import http.client
import json
import math
import re
import subprocess
import sys
import time
from dataclasses import dataclass

_HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5",
    "Accept-Encoding": "gzip",
}
_SAMPLE = re.compile(rb"^tcp_keepalive_sample_timestamp_seconds (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Scrapes:
    """
    Scrape durations in seconds, and the number of different samples scraped.
    """

    latencies: list[float]
    samples: int

    def percentile(self, percent: int) -> float:
        """
        The percentile of the durations, in seconds.
        """
        ordered = sorted(self.latencies)
        return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def scrape(address: str, seconds: float) -> Scrapes:
    """
    Scrape from another process, one request after the other.
    """
    command = [sys.executable, "-m", "tests.bench.scrapes", address, str(seconds)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return Scrapes(**json.loads(output))


def _scrape(address: str, seconds: float) -> None:
    connection = http.client.HTTPConnection(address, timeout=seconds)
    latencies = []
    samples = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.perf_counter()
        connection.request("GET", "/metrics", headers=_HEADERS)
        response = connection.getresponse()
        body = response.read()
        latencies.append(time.perf_counter() - started)
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"a scrape got status {response.status}")
        if response.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        samples.update(_SAMPLE.findall(body))
    print(json.dumps({"latencies": latencies, "samples": len(samples)}))


if __name__ == "__main__":
    _scrape(sys.argv[1], float(sys.argv[2]))
