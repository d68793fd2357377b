"""
Query times of the dashboard panels: `python -m tests.bench.dashboards`.

The panels of Fleet are measured with thousands of hosts, those of Host and Drops with one host.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.dashboards.committed import Panel, Query, panels
from tests.dashboards.plans import CONFIG, plans
from tests.dashboards.prometheus import (
    Prometheus,
    prometheus,
    real_exposition,
    write_blocks,
)
from tests.e2e.exporter_inside import table

_SCRAPED_EVERY = 60.0
_PIXELS = 600
"""Data points that Grafana requests by default for a panel."""
_PANEL_OF_FLEET, _QUERY_OF_HOST = 2.0, 0.1
_REPEAT = 3


def main() -> None:
    """
    Generate data of a fleet, query each panel as Grafana does, and print the query times.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.dashboards", description=main.__doc__
    )
    parser.add_argument("--hosts", type=int, default=2000, metavar="N", help="default: %(default)s")
    parser.add_argument("--hours", type=float, default=6, metavar="N", help="default: %(default)s")
    options = parser.parse_args()
    for names, hosts in ((["fleet"], options.hosts), (["host", "drops"], 1)):
        print(f"\n{' and '.join(names)}: {hosts} hosts, {options.hours:g} hours")
        print(_measure(names, hosts, options.hours * 3600), flush=True)


def _measure(names: list[str], hosts: int, seconds: float) -> str:
    of_these = [panel for panel in panels() if panel.dashboard in names]
    end = time.time() // 60 * 60
    chosen = plans() if hosts > 1 else [plan for plan in plans() if plan.name == "worker-04"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "exporter.yml"
        config.write_text(CONFIG)
        write_blocks(
            folder,
            chosen,
            real_exposition(config),
            begin=end - seconds,
            end=end,
            step=_SCRAPED_EVERY,
            copies=-(-hosts // len(chosen)),
            only=_metrics(of_these),
        )
        with prometheus(folder) as running:
            return table(
                ("panel", "ms", "slowest query, ms", ""),
                _rows(running, of_these, end - _SCRAPED_EVERY, seconds),
            )


def _rows(
    running: Prometheus, of_these: list[Panel], end: float, seconds: float
) -> Iterator[tuple[str, str, str, str]]:
    for panel in of_these:
        times = [_time(running, query, end, seconds) for query in panel.queries]
        if panel.dashboard == "fleet":
            kept = sum(times) <= _PANEL_OF_FLEET
        else:
            kept = max(times) <= _QUERY_OF_HOST
        figures = (f"{1000 * sum(times):.0f}", f"{1000 * max(times):.0f}")
        yield (str(panel), *figures, "" if kept else "TOO SLOW")


def _time(running: Prometheus, query: Query, end: float, seconds: float) -> float:
    """
    The seconds that a query takes: the minimum of several runs.
    """
    step = max(_SCRAPED_EVERY, seconds / query.panel.json.get("maxDataPoints", _PIXELS))
    rated_over = max(step + _SCRAPED_EVERY, 4 * _SCRAPED_EVERY)
    expression = query.filled_in(range=f"{seconds:.0f}s", rate_interval=f"{rated_over:.0f}s")
    best = float("inf")
    for _ in range(_REPEAT):
        began = time.monotonic()
        if query.json["instant"]:
            running.api("query", query=expression, time=str(end))
        else:
            times = {"start": str(end - seconds), "end": str(end), "step": str(step)}
            running.api("query_range", query=expression, **times)
        best = min(best, time.monotonic() - began)
    return best


def _metrics(of_these: list[Panel]) -> set[str]:
    """
    The names of the metrics in the panels' queries.
    """
    expressions = " ".join(query.expression for panel in of_these for query in panel.queries)
    return set(re.findall(r"(\w+)\{", expressions))


if __name__ == "__main__":
    main()
