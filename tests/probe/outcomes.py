"""
Outcomes by hand, and a path that is measured without any socket.
"""

import socket

from exporter.probe.measurement import Measurement
from exporter.probe.outcome import Fate, Outcome
from exporter.probe.plan import Plan
from exporter.probe.target import Address, Target

PLAN = Plan(shortest=30, longest=600, step=15, resolution=5)
SERVER = Address(socket.AF_INET, ("203.0.113.10", 443))


def outcome(
    fate: Fate, seconds: float, *, at_most: float | None = None, planned: float | None = None
) -> Outcome:
    """
    A spell of so many seconds, or between that and at_most, that ended so.
    """
    return Outcome(
        fate,
        planned=seconds if planned is None else planned,
        at_least=seconds,
        at_most=seconds if at_most is None else at_most,
        ended_at=0.0,
        known_at=5.0,
    )


def outcomes(*answered: float, died: tuple[float, ...] = ()) -> list[Outcome]:
    """
    Connections that were answered after some times, and not after others.
    """
    alive = [outcome(Fate.ANSWERED, seconds) for seconds in answered]
    return alive + [outcome(Fate.SILENT, seconds) for seconds in died]


def measurement(*found: Outcome, plan: Plan = PLAN, address: Address = SERVER) -> Measurement:
    """
    A measurement that is over.
    """
    target = Target("db.example.com:5432", (address,))
    return Measurement(
        target, address, plan, 0.0, "10.0.0.2", plan.first, outcomes=[*found], is_over=True
    )
