"""
Processor time of different ways to do one thing.

Reading sockets is work and no waiting, so the processor time of a run is what the run takes where
nothing else wants the processor. What else the machine does still disturbs it by way of the caches,
so runs are interleaved: one of each way, then one of each again.
"""

import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Way = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Times:
    """
    The processor seconds that each run of one way took.
    """

    runs: tuple[float, ...]

    @property
    def least(self) -> float:
        """
        The least disturbed run.
        """
        return min(self.runs)

    @property
    def median(self) -> float:
        """
        The typical run.
        """
        return statistics.median(self.runs)


def interleave(ways: Mapping[str, Way], rounds: int) -> dict[str, Times]:
    """
    What so many runs of each way take, after one of each that is not counted.
    """
    for way in ways.values():
        way()
    timed = [[_seconds(way) for way in ways.values()] for _ in range(rounds)]
    return {name: Times(runs) for name, runs in zip(ways, zip(*timed, strict=True), strict=True)}


def _seconds(way: Way) -> float:
    before = _now()
    way()
    return _now() - before


def _now() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime
