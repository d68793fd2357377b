"""
Idle times to try, and the maximum duration.
"""

import math
from dataclasses import dataclass

from exporter.probe.inference import Bounds

CONNECT = 5.0
"""Timeout of connecting, in seconds."""
PACE = 0.02
"""Seconds between opening two connections."""
SETTLE = 5.0
"""Seconds in which a greeting of the server may restart the idle period."""
ANSWER = 8.0
"""Maximum seconds until it is known whether probes are answered."""
SHORTEST = 1.0
"""Minimum idle time and step, in seconds: the kernel's minimum for TCP_KEEPIDLE."""
_ROUNDS = 2
_PAIR = 2
_SLACK = 0.6
"""
Seconds by which bounds may be further apart than the idle times tried. A drop is only certain after
a second probe, up to half a second later on a slow path, and a busy host may be late.
"""


class PlanError(Exception):
    """
    An invalid plan. The message has the reason and what is allowed.
    """


@dataclass(frozen=True, slots=True)
class Plan:
    """
    Idle times from shortest to longest in steps, then refined to resolution, all in seconds.
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
                raise PlanError(
                    f"{name} of {value:g}s is too short; allowed: at least {SHORTEST:g}s"
                )
        if self.longest <= self.shortest:
            raise PlanError(
                f"longest idle time of {self.longest:g}s is too short; allowed: more than the"
                f" shortest idle time of {self.shortest:g}s"
            )

    @property
    def first(self) -> tuple[float, ...]:
        """
        The idle times of the first round, in pairs if no further round is needed.
        """
        steps = math.ceil((self.longest - self.shortest) / self.step)
        times = [*(self.shortest + number * self.step for number in range(steps)), self.longest]
        return _repeat(times, 1 if self.step > self._spacing else _PAIR)

    def refine(self, bounds: Bounds) -> tuple[float, ...]:
        """
        The idle times of another round; empty if the bounds are narrow enough.

        They come in pairs, because a single connection may be dropped for other reasons.
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
        Whether the bounds meet the resolution, or the longest idle time was survived.
        """
        if bounds.fatal is None:
            return bounds.survived >= self.longest
        too_short_to_divide = bounds.fatal <= SHORTEST + _SLACK
        return bounds.width <= self.resolution or too_short_to_divide

    @property
    def connections(self) -> int:
        """
        Maximum number of concurrent connections to a server, control connection included.
        """
        return 1 + max(len(self.first), _PAIR * self._parts)

    @property
    def seconds(self) -> float:
        """
        Maximum duration of all rounds.
        """
        return _ROUNDS * self.seconds_of(self.first)

    def seconds_of(self, times: tuple[float, ...]) -> float:
        """
        Maximum duration of a round with these idle times.
        """
        return CONNECT + PACE * len(times) + SETTLE + max(times) + 2 * ANSWER

    @property
    def _spacing(self) -> float:
        """
        Maximum distance of idle times in the last round.
        """
        return self.resolution - _SLACK

    @property
    def _parts(self) -> int:
        """
        Maximum number of parts that the first round's bounds are divided into.
        """
        widest = self.step + max(self.step, self.shortest) + _SLACK
        return math.ceil(widest / self._spacing)


def _repeat(times: list[float], number: int) -> tuple[float, ...]:
    return tuple(time for time in times for _ in range(number))
