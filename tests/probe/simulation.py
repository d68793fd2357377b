"""
A measurement that is carried out without sockets, and without waiting.
"""

from collections.abc import Callable
from dataclasses import dataclass

from exporter.probe.infer import Bounds, is_settled
from exporter.probe.measurement import Measurement
from exporter.probe.outcome import Fate, Outcome
from exporter.probe.plan import ANSWER
from tests.probe.outcomes import outcome

LATE = 0.2
"""Seconds by which a death is known late: another probe had to be sent."""

Tell = Callable[[Measurement, Outcome], None]


@dataclass
class Simulation:
    """
    A path that forgets after timeout seconds; the first connection to be idle for as long as
    bad_luck dies of something else. seconds is what the measurement takes.
    """

    found: Measurement
    timeout: float
    bad_luck: float = float("inf")
    seconds: float = 0.0

    def run(self, tell: Tell = lambda *_: None) -> Bounds:
        """
        Fill in what is found.
        """
        found, plan = self.found, self.found.plan
        times = found.times
        while times and self.seconds + plan.seconds_of(times) <= plan.seconds:
            assert len(times) < plan.connections
            pending = sorted(times)
            while pending and not is_settled(found.outcomes, pending):
                planned = pending.pop(0)
                found.outcomes.append(self._outcome(planned))
                tell(found, found.outcomes[-1])
            self.seconds += planned + ANSWER
            times = plan.refine(found.bounds)
            if times:
                found.round, found.times = found.round + 1, times
        return found.bounds

    def _outcome(self, planned: float) -> Outcome:
        unlucky = planned >= self.bad_luck
        if unlucky:
            self.bad_luck = float("inf")
        if planned < self.timeout and not unlucky:
            return outcome(Fate.ANSWERED, planned)
        return outcome(Fate.SILENT, planned, at_most=planned + LATE)
