"""
What the rules cost a Prometheus that watches a large fleet: `python -m tests.bench.fleet --help`.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families as parse

from tests.alerts.rules import ALERTS, RECORDINGS, selectors
from tests.demo.monitoring import Monitoring, monitoring
from tests.e2e.exporter_inside import table
from tests.exporter_process import exporter_process
from tests.lab import Host

_HOSTS = 2000
_BUDGET = 2.0
"""Seconds that a rule may take."""
_SPAN = 3600
_COUNTER_EVERY, _GAUGE_EVERY = 60, 240
"""Seconds between samples. A gauge's are seldom: rules look at the last one only."""
_EVALUATIONS = 3
_BAD_EVERY = 10
"""Of so many hosts one has its connections die."""


@dataclass(frozen=True, slots=True)
class Series:
    """
    One series of a host, as the exporter has it.
    """

    name: str
    labels: str
    value: float


def exposition() -> list[Series]:
    """
    What an exporter on this machine tells, as far as the rules ask for it.
    """
    asked = {
        selector.name for rule in [*ALERTS, *RECORDINGS] for selector in selectors(rule.expression)
    }
    with exporter_process() as exporter:
        while exporter.get("/-/ready")[0] != 200:
            time.sleep(0.05)
        text = exporter.get("/metrics")[1]
    told = [
        Series(sample.name, labels(sample.labels), sample.value)
        for family in parse(text)
        for sample in family.samples
        if sample.name in asked
    ]
    # The one recording of which the alerts look at a whole hour.
    exposed = "instance_path:tcp_keepalive_connections_exposed:sum"
    paths = [each for each in told if each.name == "tcp_keepalive_path_idle_timeout_seconds"]
    return [
        *told,
        Series("up", "", 1),
        *(Series(exposed, f",{path.labels.split(',')[-1]}", 0) for path in paths),
    ]


def labels(of: dict[str, str]) -> str:
    """
    Labels in the text format, each after a comma.
    """
    return "".join(f',{name}="{value}"' for name, value in sorted(of.items()))


def samples(told: list[Series], hosts: int, end: int) -> Iterator[str]:
    """
    An hour of a fleet in OpenMetrics' text format, series by series.
    """
    for number in range(hosts):
        bad = number % _BAD_EVERY == 0
        for series in told:
            counts = series.name.endswith("_total")
            drops = bad and series.name == "tcp_keepalive_idle_drops_total"
            every = _COUNTER_EVERY if counts or ":" in series.name else _GAUGE_EVERY
            head = f'{series.name}{{job="tcp-keepalive",instance="host-{number}"{series.labels}}}'
            for index, moment in enumerate(range(end - _SPAN, end + 1, every)):
                yield f"{head} {series.value + index * drops:g} {moment}\n"
    yield "# EOF\n"


def fill(directory: Path, hosts: int) -> tuple[int, int]:
    """
    Make Prometheus' database for a fleet; how many series and samples there are.
    """
    told = exposition()
    count = 0
    file = directory / "fleet.om"
    with file.open("w") as out:
        for line in samples(told, hosts, int(time.time())):
            out.write(line)
            count += 1
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", file, directory / "prometheus"],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    file.unlink()
    return hosts * len(told), count - 1


def evaluated(watch: Monitoring) -> list[Any]:
    """
    The rules as Prometheus has them, when it has evaluated all of them some times.
    """
    moments: set[str] = set()
    while True:
        groups = watch.api("rules")["groups"]
        moments.add(min(group["lastEvaluation"] for group in groups))
        # Before its first evaluation a group's is year 1.
        if len(moments) > _EVALUATIONS and not any(moment[:4] == "0001" for moment in moments):
            return [rule for group in groups for rule in group["rules"]]
        moments = {moment for moment in moments if moment[:4] != "0001"}
        time.sleep(0.5)


def main() -> None:
    """
    Have a real Prometheus evaluate the rules over an hour of a synthetic fleet.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fleet", description=main.__doc__)
    flag = parser.add_argument
    flag("--hosts", type=int, default=_HOSTS, metavar="N", help="default: %(default)s")
    flag("--strict", action="store_true", help="exit with 1 if a rule takes too long")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Host("fleet") as host:
        started = time.monotonic()
        series, count = fill(Path(name), options.hosts)
        took = time.monotonic() - started
        print(f"{options.hosts:,} hosts, {series:,} series, {count:,} samples, in {took:.0f} s\n")
        with monitoring(host, Path(name), targets={}, every="10s") as watch:
            rules = evaluated(watch)
    rules.sort(key=lambda rule: -rule["evaluationTime"])
    print(
        table(
            ("rule", "seconds", f"budget {_BUDGET:g} s"),
            [
                (
                    rule["name"],
                    f"{rule['evaluationTime']:.3f}",
                    "ok" if rule["evaluationTime"] <= _BUDGET else "OVER",
                )
                for rule in rules
            ],
        )
    )
    if options.strict and rules[0]["evaluationTime"] > _BUDGET:
        sys.exit(1)


if __name__ == "__main__":
    main()
