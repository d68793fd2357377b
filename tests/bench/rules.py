"""
Cost of the rules for a Prometheus with a large fleet: `python -m tests.bench.rules`.
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
"""Maximum evaluation time of a rule, in seconds."""
_EVERY = 10
"""Evaluation interval in seconds, long enough that evaluations do not overlap."""
_EVALUATIONS = 4
_AHEAD = 120.0
"""Seconds by which the generated hour extends into the future, because generating takes minutes."""


def main() -> None:
    """
    Generate one hour of data of a fleet, let Prometheus evaluate the rules, and print the times.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rules", description=main.__doc__)
    flag = parser.add_argument
    flag("--hosts", type=int, default=_HOSTS, metavar="N", help="default: %(default)s")
    flag("--strict", action="store_true", help="exit with code 1 if a rule takes too long")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Host("monitor") as host:
        started = time.monotonic()
        generate(Path(name), options.hosts)
        print(f"generated in {time.monotonic() - started:.0f} s", flush=True)
        with monitoring(host, Path(name), {}, every=f"{_EVERY}s") as watch:
            times = evaluation_times(watch)
    print(f"{options.hosts} hosts, minimum of {_EVALUATIONS} evaluations; budget {_BUDGET:g} s")
    slowest_first = sorted(times.items(), key=lambda item: -item[1])
    rows = [(f"{1000 * took:.0f}", rule, over(took)) for rule, took in slowest_first]
    print(table(("ms", "rule", ""), rows))
    if options.strict and any(took > _BUDGET for took in times.values()):
        sys.exit(1)


def over(seconds: float) -> str:
    """
    The mark of a time above the budget, or an empty text.
    """
    return "TOO SLOW" if seconds > _BUDGET else ""


def generate(directory: Path, hosts: int) -> None:
    """
    Create the database with the metrics that the rules query.
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
    The seconds that each rule takes: the minimum of several evaluations.
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
    The rules that have been evaluated. Before the first evaluation a rule's time is in the year 1.
    """
    groups = watch.api("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    return [rule for rule in rules if not rule["lastEvaluation"].startswith("0001")]


if __name__ == "__main__":
    main()
