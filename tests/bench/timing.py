"""
Processor time of different readers.

Reading sockets does not wait, so the processor time of a run is its duration on an idle machine.
Other load still affects it through the caches. So runs are interleaved: one run of each reader,
then one of each again.
"""

import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Reader = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Times:
    """
    The processor seconds of each run of one reader.
    """

    runs: tuple[float, ...]

    @property
    def least(self) -> float:
        """
        The fastest run, which is the least disturbed one.
        """
        return min(self.runs)

    @property
    def median(self) -> float:
        """
        The median run.
        """
        return statistics.median(self.runs)


def interleave(readers: Mapping[str, Reader], rounds: int) -> dict[str, Times]:
    """
    Measure this many runs of each reader, after one run of each that is not counted.
    """
    for reader in readers.values():
        reader()
    timed = [[_seconds(reader) for reader in readers.values()] for _ in range(rounds)]
    return {name: Times(runs) for name, runs in zip(readers, zip(*timed, strict=True), strict=True)}


def _seconds(reader: Reader) -> float:
    before = _now()
    reader()
    return _now() - before


def _now() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime
