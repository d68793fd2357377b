"""
State and result of a measurement.
"""

from dataclasses import dataclass, field

from exporter.probe.inference import Bounds, Outcome, bounds
from exporter.probe.plan import Plan
from exporter.probe.target import Address, Target


@dataclass(frozen=True, slots=True)
class Unreachable:
    """
    A server that could not be connected to, and the reason.
    """

    target: Target
    reason: str


@dataclass
class Measurement:
    """
    The measurement of the path to one server, in progress or finished.

    round counts from 1; times are the idle times of the current round. outcomes are the reliable
    ones of all rounds. not_counted is the number of unreliable drops, refused the number of
    connections that could not be opened, lost how often the path dropped even the connection that
    was kept busy. interrupted and late: a further round was needed, but was cancelled or would
    have exceeded the deadline (monotonic clock).
    """

    target: Target
    address: Address
    plan: Plan
    deadline: float
    own_address: str
    times: tuple[float, ...]
    round: int = 1
    outcomes: list[Outcome] = field(default_factory=list)
    not_counted: int = 0
    refused: int = 0
    lost: int = 0
    interrupted: bool = False
    late: bool = False
    is_over: bool = False

    @property
    def bounds(self) -> Bounds:
        """
        Bounds of the path's idle timeout.
        """
        return bounds(self.outcomes)

    @property
    def is_narrow(self) -> bool:
        """
        Whether the timeout is known to the requested resolution.
        """
        return not self.bounds.mixed and self.plan.is_narrow(self.bounds)


ProbeResult = Measurement | Unreachable
"""The result for one server."""
