"""
What the rules cost a Prometheus that watches a large fleet: `python -m tests.bench.rules`.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.alerts.rules import ALERTS, RECORDINGS, selectors
from tests.dashboards.plans import CONFIG, plans
from tests.dashboards.prometheus import real_exposition, write_blocks
from tests.demo.monitoring import Monitoring, monitoring
from tests.e2e.exporter_inside import table
from tests.lab import Host

_HOUR = 3600.0
_HOSTS = 2000
_BUDGET = 2.0
"""Seconds that a rule may take."""
_EVERY = 10
"""Seconds between two evaluations: rare enough for none to be in the way of the next one."""
_EVALUATIONS = 4
_AHEAD = 120.0
"""Seconds by which the fleet's hour reaches into the future, for it takes minutes to invent it."""


def main() -> None:
    """
    Invent an hour of a fleet, have Prometheus evaluate the rules, and print how long that takes.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rules", description=main.__doc__)
    flag = parser.add_argument
    flag("--hosts", type=int, default=_HOSTS, metavar="N", help="default: %(default)s")
    flag("--strict", action="store_true", help="exit with 1 if a rule takes too long")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Host("monitor") as host:
        started = time.monotonic()
        invent(Path(name), options.hosts)
        print(f"invented in {time.monotonic() - started:.0f} s", flush=True)
        with monitoring(host, Path(name), {}, every=f"{_EVERY}s") as watch:
            times = evaluation_times(watch)
    print(f"{options.hosts} hosts, the best of {_EVALUATIONS} evaluations; budget {_BUDGET:g} s")
    slowest_first = sorted(times.items(), key=lambda item: -item[1])
    rows = [(f"{1000 * took:.0f}", rule, over(took)) for rule, took in slowest_first]
    print(table(("ms", "rule", ""), rows))
    if options.strict and any(took > _BUDGET for took in times.values()):
        sys.exit(1)


def over(seconds: float) -> str:
    """
    What to say beside a time.
    """
    return "TOO SLOW" if seconds > _BUDGET else ""


def invent(directory: Path, hosts: int) -> None:
    """
    Make the database, of those metrics that the rules ask for.
    """
    config, folder = directory / "exporter.yml", directory / "prometheus"
    config.write_text(CONFIG)
    folder.mkdir()
    end = time.time() + _AHEAD
    write_blocks(
        folder,
        plans(),
        real_exposition(config),
        begin=end - _HOUR,
        end=end,
        copies=-(-hosts // len(plans())),
        only={
            selector.name or ""
            for rule in [*ALERTS, *RECORDINGS]
            for selector in selectors(rule.expression)
        },
    )


def evaluation_times(watch: Monitoring) -> dict[str, float]:
    """
    The seconds that each rule takes, the best of some evaluations.
    """
    seen: dict[str, dict[str, float]] = {}
    while not seen or min(map(len, seen.values())) < _EVALUATIONS:
        for rule in evaluated(watch):
            name = f"{rule['name']} {rule.get('labels', {}).get('severity', '')}"
            seen.setdefault(name, {})[rule["lastEvaluation"]] = rule["evaluationTime"]
        time.sleep(_EVERY / 4)
    return {name: min(times.values()) for name, times in seen.items()}


def evaluated(watch: Monitoring) -> list[Any]:
    """
    The rules that have been evaluated; before that a rule's time is the year 1.
    """
    groups = watch.api("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return [rule for rule in rules if not rule["lastEvaluation"].startswith("0001")]


if __name__ == "__main__":
    main()
