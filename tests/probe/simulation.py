"""
A simulated measurement, without sockets and waiting.
"""

from collections.abc import Callable
from dataclasses import dataclass

from exporter.probe.inference import Bounds, Outcome, OutcomeKind, is_settled
from exporter.probe.measurement import Measurement
from exporter.probe.plan import ANSWER
from tests.probe.outcomes import outcome

LATE = 0.2
"""Seconds by which a drop is detected late, because a second probe is required."""

Report = Callable[[Measurement, Outcome], None]


@dataclass
class Simulation:
    """
    A path with an idle timeout of timeout seconds. The first connection that is idle for at least
    bad_luck seconds is dropped for another reason. seconds is the duration of the measurement.
    """

    found: Measurement
    timeout: float
    bad_luck: float = float("inf")
    seconds: float = 0.0

    def run(self, report: Report = lambda *_: None) -> Bounds:
        """
        Run all rounds.
        """
        found, plan = self.found, self.found.plan
        times = found.times
        while times and self.seconds + plan.seconds_of(times) <= plan.seconds:
            assert len(times) < plan.connections
            pending = sorted(times)
            while pending and not is_settled(found.outcomes, pending):
                planned = pending.pop(0)
                found.outcomes.append(self._outcome(planned))
                report(found, found.outcomes[-1])
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
            return outcome(OutcomeKind.ANSWERED, planned)
        return outcome(OutcomeKind.SILENT, planned, at_most=planned + LATE)
