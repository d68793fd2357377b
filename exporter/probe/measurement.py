"""
What is measured, and what has been found.
"""

from dataclasses import dataclass, field

from exporter.probe.infer import Bounds, bounds
from exporter.probe.outcome import Outcome
from exporter.probe.plan import Plan
from exporter.probe.target import Address, Target


@dataclass(frozen=True, slots=True)
class Unreachable:
    """
    A server that could not be connected to, and why not.
    """

    target: Target
    reason: str


@dataclass
class Measurement:
    """
    What is known of the path to one server, while it is measured and afterwards.

    round counts the rounds, times are the idle times of the present one. outcomes are those of all
    rounds that can be relied on; not_counted is how many deaths cannot be, refused how many
    connections were not opened, lost how often the path lost even the connection that was kept
    busy. interrupted and late tell that another round would have followed, but was not wanted any
    more or would have taken too long.
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
        What the path's idle timeout lies between.
        """
        return bounds(self.outcomes)

    @property
    def is_narrow(self) -> bool:
        """
        Whether that is known as well as was asked for.
        """
        return not self.bounds.mixed and self.plan.is_narrow(self.bounds)


Found = Measurement | Unreachable
"""What comes of one server."""
