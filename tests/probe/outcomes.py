"""
Outcomes and measurements for tests, without sockets.
"""

import socket

from exporter.probe.inference import Outcome, OutcomeKind
from exporter.probe.measurement import Measurement
from exporter.probe.plan import Plan
from exporter.probe.target import Address, Target

PLAN = Plan(shortest=30, longest=600, step=15, resolution=5)
_PROBES = {OutcomeKind.ANSWERED: 1, OutcomeKind.RESET: 1, OutcomeKind.SILENT: 5}
SERVER = Address(socket.AF_INET, ("203.0.113.10", 443))


def outcome(
    kind: OutcomeKind, seconds: float, *, at_most: float | None = None, planned: float | None = None
) -> Outcome:
    """
    An idle period of seconds, or between seconds and at_most, that ended with kind.
    """
    return Outcome(
        kind,
        planned=seconds if planned is None else planned,
        at_least=seconds,
        at_most=seconds if at_most is None else at_most,
        ended_at=0.0,
        known_at=5.0,
        probes=_PROBES.get(kind, 0),
    )


def outcomes(*answered: float, dropped: tuple[float, ...] = ()) -> list[Outcome]:
    """
    Outcomes of connections that answered after some idle times, and not after others.
    """
    alive = [outcome(OutcomeKind.ANSWERED, seconds) for seconds in answered]
    return alive + [outcome(OutcomeKind.SILENT, seconds) for seconds in dropped]


def measurement(*found: Outcome, plan: Plan = PLAN, address: Address = SERVER) -> Measurement:
    """
    A finished measurement.
    """
    target = Target("db.example.com:5432", (address,))
    return Measurement(
        target, address, plan, 0.0, "10.0.0.2", plan.first, outcomes=[*found], is_over=True
    )
