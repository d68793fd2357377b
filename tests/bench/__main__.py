"""
All benchmarks in one run: `python -m tests.bench --help`.
"""

import argparse
import os
import platform
import signal
import sys

from tests.bench.namespace import NamespaceError, enter
from tests.bench.results_table import render
from tests.bench.run import Plan, run

_SOCKETS = 200_000
_QUICK = 20_000
_FEWEST = 200


def main() -> None:
    """
    Measure in a separate network namespace whether the exporter is within its budgets.
    """
    parser = _parser()
    options = parser.parse_args()
    if options.sockets < _FEWEST or options.sockets % 2:
        parser.error(f"--sockets must be even and at least {_FEWEST}")
    # The default action would end this process without stopping its children and removing its
    # files.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        enter()
        plan = _plan(options)
        heading = _heading(plan)
        rows = run(plan)
    except NamespaceError as error:
        parser.exit(2, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted\n")
    print(heading, render(rows), sep="\n\n")
    if options.strict and not all(row.is_kept for row in rows):
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=main.__doc__)
    flag = parser.add_argument
    flag("--sockets", type=int, default=_SOCKETS, metavar="N", help="default: %(default)s")
    flag("--quick", action="store_true", help=f"limit pyroute2 to {_QUICK} sockets")
    flag("--smoke", action="store_true", help="do each step once, as a test of the benchmark")
    flag("--strict", action="store_true", help="exit with code 1 if a budget is exceeded")
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    sockets = options.sockets
    of_pyroute2 = min(sockets, _QUICK) if options.quick else sockets
    if options.smoke:
        return Plan(sockets, of_pyroute2, rounds=1, starts=1, memory_samples=1, scrape_seconds=1)
    return Plan(sockets, of_pyroute2)


def _heading(plan: Plan) -> str:
    return (
        f"{plan.sockets:,} sockets; Linux {platform.release()}, Python"
        f" {platform.python_version()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
        " before the run.\n"
        f"Ratios compare the minimum processor times of {plan.rounds} interleaved runs each."
    )


if __name__ == "__main__":
    main()
