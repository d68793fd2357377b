"""
One run of all benchmarks, with a growing number of sockets.
"""

import itertools
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench import budgets
from tests.bench.budgets import Budget
from tests.bench.exporters import Exporters, exporters
from tests.bench.idle_connections import IdleConnections, idle_connections
from tests.bench.other_tools import pyroute2, ss
from tests.bench.readers import WholeSample, bare_loop, connections, dump
from tests.bench.results_table import Row
from tests.bench.service import memory, scrapes_while_sampling, start_to_ready
from tests.bench.timing import Reader, Times, interleave

_FEW = 100
_SIZES = (1_000, 10_000, 50_000)
_SOCKETS_PER_WAY = 500_000
"""With fewer sockets there are more rounds, until each reader has read about this many."""
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Plan:
    """
    The number of sockets, the number of them for pyroute2, and the repetitions of each step.
    """

    sockets: int
    pyroute2_sockets: int
    rounds: int = 9
    starts: int = 5
    memory_samples: int = 3
    scrape_seconds: float = 10

    @property
    def sizes(self) -> list[int]:
        """
        The numbers of sockets at which reading is measured.
        """
        between = (size for size in _SIZES if size < self.sockets)
        return sorted({*between, self.pyroute2_sockets, self.sockets})


def run(plan: Plan) -> list[Row]:
    """
    Measure everything. Progress is printed to standard error.
    """
    with exporters() as able, idle_connections() as load:
        return list(_Run(plan, load, able).rows())


class _Run:
    """
    The steps, ordered so that the number of sockets only grows.
    """

    def __init__(self, plan: Plan, load: IdleConnections, able: Exporters) -> None:
        self._plan = plan
        self._load = load
        self._exporters = able
        self._times: dict[int, dict[str, Times]] = {}
        self._began = time.monotonic()

    def rows(self) -> Iterator[Row]:
        plan = self._plan
        self._say("compiling the exporter's bytecode")
        self._exporters.compile()
        self._grow(_FEW)
        yield self._start()
        yield self._memory(budgets.MEMORY_OF_FEW, _FEW)
        for size in plan.sizes:
            self._grow(size)
            self._time(size)
            if size == plan.pyroute2_sockets:
                yield self._pyroute2(size)
        yield from self._ratios()
        yield self._growth()
        yield self._memory(budgets.MEMORY, plan.sockets)
        yield self._scrapes()

    def _grow(self, sockets: int) -> None:
        self._say(f"opening {sockets:,} sockets")
        self._load.grow(sockets)

    def _start(self) -> Row:
        times = self._plan.starts
        self._say(f"starting the exporter {times} times")
        starts = [start_to_ready(self._exporters) for _ in range(times)]
        details = f"median of {times}, {min(starts):.2f} to {max(starts):.2f} s"
        return Row(budgets.START, statistics.median(starts), details)

    def _memory(self, budget: Budget, sockets: int) -> Row:
        samples = self._plan.memory_samples
        self._say(f"waiting for {samples} samples of {sockets:,} sockets")
        peak = memory(self._exporters, sockets, samples)
        return Row(budget, peak / _MB, f"VmHWM after {samples} samples, default configuration")

    def _time(self, sockets: int) -> None:
        readers: dict[str, Reader] = {"floor": bare_loop, "tables": dump, "whole": WholeSample()}
        rounds = max(self._plan.rounds, _SOCKETS_PER_WAY // sockets)
        if sockets == self._plan.sockets:
            readers |= {"ss": ss, "connections": connections}
            rounds = self._plan.rounds
        self._say(f"reading {sockets:,} sockets {rounds} times with {len(readers)} readers")
        self._times[sockets] = interleave(readers, rounds)

    def _pyroute2(self, sockets: int) -> Row:
        self._say(f"reading {sockets:,} sockets with pyroute2")
        before = self._times[sockets]["tables"]
        cost = pyroute2()
        after = interleave({"tables": dump}, len(before.runs))["tables"]
        tables = min(before.least, after.least)
        details = f"{_times(cost.seconds, tables)}, at {sockets:,}; peak {cost.memory / _MB:.0f} MB"
        return Row(budgets.PYROUTE2, cost.seconds / tables, details)

    def _ratios(self) -> Iterator[Row]:
        times = self._times[self._plan.sockets]
        for budget, one, other in (
            (budgets.SAMPLE, times["tables"], times["floor"]),
            (budgets.SS, times["ss"], times["tables"]),
            (budgets.WHOLE_SAMPLE, times["whole"], times["floor"]),
            (budgets.CONNECTIONS, times["connections"], times["whole"]),
        ):
            details = f"{_times(one.least, other.least)}; medians {one.median / other.median:.2f} x"
            yield Row(budget, one.least / other.least, details)

    def _growth(self) -> Row:
        costs = {size: times["whole"].least / size for size, times in self._times.items()}
        pairs = itertools.combinations(costs.values(), 2)
        growth = max((larger / smaller for smaller, larger in pairs), default=1.0)
        details = ", ".join(f"{cost * 1e6:.2f} us at {size:,}" for size, cost in costs.items())
        return Row(budgets.GROWTH, growth, details)

    def _scrapes(self) -> Row:
        self._say(f"scraping for {self._plan.scrape_seconds:g} s")
        scrapes = scrapes_while_sampling(
            self._exporters, self._plan.sockets, self._plan.scrape_seconds
        )
        p50, p99, most = (1e3 * scrapes.percentile(percent) for percent in (50, 99, 100))
        number = len(scrapes.latencies)
        details = f"p50 {p50:.1f}, max {most:.1f} ms; {number} scrapes, {scrapes.samples} samples"
        return Row(budgets.SCRAPE, p99, details)

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:4.0f} s  {what}", file=sys.stderr, flush=True)


def _times(one: float, other: float) -> str:
    return f"{one:.3f} / {other:.3f} s"
