"""
Which idle times to try, and how long that takes at most.
"""

import math
from dataclasses import dataclass

from exporter.probe.infer import Bounds

CONNECT = 5.0
"""Seconds for a connection to be answered."""
PACE = 0.02
"""Seconds between two connections' opening."""
SETTLE = 5.0
"""Seconds for which a server may greet before its clients' idle time begins."""
ANSWER = 8.0
"""Seconds in which it is known whether probes are answered."""
SHORTEST = 1.0
"""Seconds, for idle times and their differences: the kernel sends no probe sooner."""
_ROUNDS = 2
_PAIR = 2
_SLACK = 0.6
"""
Seconds by which bounds may be further apart than the times that were tried: to be sure of a death
takes a second probe, half a second later on a slow path, and a busy host is late.
"""


class PlanError(Exception):
    """
    What is asked for cannot be done; the message says why, and what can.
    """


@dataclass(frozen=True, slots=True)
class Plan:
    """
    Try idle times from shortest to longest, step apart, then refine to resolution; seconds all.
    """

    shortest: float
    longest: float
    step: float
    resolution: float

    def __post_init__(self) -> None:
        for name, value in (
            ("shortest idle time", self.shortest),
            ("step", self.step),
            ("resolution", self.resolution),
        ):
            if value < SHORTEST:
                raise PlanError(f"the {name} must be at least {SHORTEST:g}s, not {value:g}s")
        if self.longest <= self.shortest:
            raise PlanError(
                f"the longest idle time, {self.longest:g}s, must be longer than the shortest,"
                f" {self.shortest:g}s"
            )

    @property
    def first(self) -> tuple[float, ...]:
        """
        The idle times of the first round; in pairs if it is fine enough to be the last.
        """
        steps = math.ceil((self.longest - self.shortest) / self.step)
        times = [*(self.shortest + number * self.step for number in range(steps)), self.longest]
        return _repeat(times, 1 if self.step > self._spacing else _PAIR)

    def refine(self, bounds: Bounds) -> tuple[float, ...]:
        """
        The idle times of another round; none if the bounds are as narrow as asked for.

        They come in pairs, because one connection may also die of something else.
        """
        if self.is_narrow(bounds):
            return ()
        if math.isinf(bounds.width):
            return tuple(time for time in self.first if time > bounds.survived)
        parts = min(math.ceil(bounds.width / self._spacing), self._parts)
        times = [bounds.survived + bounds.width * part / parts for part in range(1, parts + 1)]
        return _repeat([max(time, SHORTEST) for time in times], _PAIR)

    def is_narrow(self, bounds: Bounds) -> bool:
        """
        Whether the bounds are as narrow as asked for, or all that was to be tried was survived.
        """
        if bounds.fatal is None:
            return bounds.survived >= self.longest
        too_short_to_divide = bounds.fatal <= SHORTEST + _SLACK
        return bounds.width <= self.resolution or too_short_to_divide

    @property
    def connections(self) -> int:
        """
        How many connections a server has at once, at most; one of them is the witness.
        """
        return 1 + max(len(self.first), _PAIR * self._parts)

    @property
    def seconds(self) -> float:
        """
        How long it takes at most.
        """
        return _ROUNDS * self.seconds_of(self.first)

    def seconds_of(self, times: tuple[float, ...]) -> float:
        """
        How long a round with these idle times takes at most.
        """
        return CONNECT + PACE * len(times) + SETTLE + max(times) + 2 * ANSWER

    @property
    def _spacing(self) -> float:
        """
        How near to each other the times of the last round must be.
        """
        return self.resolution - _SLACK

    @property
    def _parts(self) -> int:
        """
        Into how many a first round's bounds may have to be divided.
        """
        widest = self.step + max(self.step, self.shortest) + _SLACK
        return math.ceil(widest / self._spacing)


def _repeat(times: list[float], number: int) -> tuple[float, ...]:
    return tuple(time for time in times for _ in range(number))
