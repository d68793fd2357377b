"""
Cost of the running exporter: start, memory, scrapes.
"""

import time

from tests.bench.exporters import (
    Exporters,
    peak_memory,
    value,
    wait_for_samples,
    wait_until_ready,
)
from tests.bench.scrapes import Scrapes, scrape
from tests.exporter_process import ExporterProcess

_WITHOUT_PAUSE = "sampling: {interval: 100ms, max_duty_cycle: 1}\n"


def start_to_ready(exporters: Exporters) -> float:
    """
    Seconds from exec to the first status 200 of /-/ready.
    """
    started = time.perf_counter()
    with exporters.start() as exporter:
        wait_until_ready(exporter)
        return time.perf_counter() - started


def memory(exporters: Exporters, sockets: int, samples: int) -> int:
    """
    Peak memory in bytes of an exporter with the default configuration during this many samples.
    """
    with exporters.start() as exporter:
        wait_for_samples(exporter, samples)
        _require_all(exporter, sockets)
        return peak_memory(exporter)


def scrapes_while_sampling(exporters: Exporters, sockets: int, duration: float) -> Scrapes:
    """
    Scrape an exporter that samples without a pause, for `duration` seconds.
    """
    with exporters.start(_WITHOUT_PAUSE) as exporter:
        wait_until_ready(exporter)
        scrapes = scrape(exporter.addresses[0], duration)
        _require_all(exporter, sockets)
        return scrapes


def _require_all(exporter: ExporterProcess, sockets: int) -> None:
    sampled = value(exporter, "sampled_sockets")
    if sampled < sockets:
        raise RuntimeError(f"the exporter sampled {sampled:.0f} sockets of {sockets}")
