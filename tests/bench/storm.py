"""
A storm of scrapes while the exporter samples.

`python -m tests.bench.storm` prints latencies, errors, memory and the duration of samples.
"""

import argparse
import asyncio
import math
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from tests.bench.exporters import exporters, value, wait_for_samples
from tests.bench.idle_connections import idle_connections
from tests.bench.namespace import NamespaceError, enter
from tests.exporter_process import ExporterProcess

_SOCKETS, _SCRAPES, _CONNECTIONS, _ROUNDS = 100_000, 10_000, 50, 3
_CONFIG = "sampling: {interval: 1s, max_duty_cycle: 1}\n"
_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: exporter\r\nAccept-Encoding: gzip\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\n"
_FLAT = 4e6
"""Maximum growth of memory from the end of the first storm to the end of the last, in bytes."""
_DURATION = 'collector_duration_seconds{collector="sockets"}'


@dataclass(frozen=True, slots=True)
class Storm:
    """
    The results of one storm. Times are in seconds, memory is in bytes.
    """

    latencies: Sequence[float]
    errors: int
    took: float
    memory: int
    longest_sample: float

    def percentile(self, percent: int) -> float:
        """
        The percentile of the latencies, in seconds.
        """
        ordered = sorted(self.latencies)
        return ordered[math.ceil(len(ordered) * percent / 100) - 1]


async def _storm(exporter: ExporterProcess, scrapes: int) -> Storm:
    host, _, port = exporter.addresses[0].rpartition(":")
    numbers = iter(range(scrapes))
    latencies: list[float] = []
    errors: list[bytes] = []
    durations: list[float] = []

    async def scrape() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in numbers:
            started = time.perf_counter()
            writer.write(_REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            latencies.append(time.perf_counter() - started)
            if not head.startswith(_OK):
                errors.append(head)
        writer.close()

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.5)
            durations.append(await asyncio.to_thread(value, exporter, _DURATION))

    started = time.perf_counter()
    watching = asyncio.create_task(watch())
    await asyncio.gather(*(scrape() for _ in range(_CONNECTIONS)))
    took = time.perf_counter() - started
    watching.cancel()
    durations.append(value(exporter, _DURATION))
    memory = psutil.Process(exporter.process.pid).memory_info().rss
    return Storm(latencies, len(errors), took, memory, max(durations))


def measure(sockets: int, scrapes: int) -> tuple[float, list[Storm]]:
    """
    The duration of a sample without scrapes, in seconds, and the results of the storms.
    """
    with exporters() as able, idle_connections(sockets), able.start(_CONFIG) as exporter:
        wait_for_samples(exporter, 3)
        quiet = value(exporter, _DURATION)
        return quiet, [asyncio.run(_storm(exporter, scrapes)) for _ in range(_ROUNDS)]


def main() -> None:
    """
    Measure in a separate network namespace the effects of a storm of scrapes.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.bench.storm", description=main.__doc__)
    flag = parser.add_argument
    flag("--sockets", type=int, default=_SOCKETS, metavar="N", help="default: %(default)s")
    flag("--scrapes", type=int, default=_SCRAPES, metavar="N", help="default: %(default)s")
    flag("--strict", action="store_true", help="exit with code 1 after an error or if memory grows")
    options = parser.parse_args()
    try:
        enter()
    except NamespaceError as error:
        parser.exit(2, f"{error}\n")
    quiet, storms = measure(options.sockets, options.scrapes)
    print(
        f"{options.sockets:,} sockets, {_CONNECTIONS} connections; Linux {platform.release()},"
        f" {os.cpu_count()} processors. A sample without scrapes takes {1e3 * quiet:.0f} ms."
    )
    print(f"{'scrapes':>9}{'errors':>8}{'per s':>10}{'p50, p99, max':>24}{'memory':>10}  sample")
    for storm in storms:
        times = ", ".join(f"{1e3 * storm.percentile(percent):.0f}" for percent in (50, 99, 100))
        print(
            f"{len(storm.latencies):>9,}{storm.errors:>8}"
            f"{len(storm.latencies) / storm.took:>10,.0f}"
            f"{times + ' ms':>24}{storm.memory / 1e6:>7.1f} MB"
            f"  at most {1e3 * storm.longest_sample:.0f} ms"
        )
    failed = any(storm.errors for storm in storms)
    grown = storms[-1].memory - storms[0].memory > _FLAT
    if options.strict and (failed or grown):
        sys.exit(1)


if __name__ == "__main__":
    main()
