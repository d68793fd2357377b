"""
Scenarios with their actual endings and the closures expected from the exporter.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.e2e.scenario_endpoint import ScenarioEndpoint
from tests.lab import OnTimeout


@dataclass(frozen=True)
class Endings:
    """
    The actual idle times of a scenario's connections before their end, in seconds.

    lost has those ended by the network or the peer, closed those closed in order. undetected is the
    number of dropped connections about which the client received nothing.
    """

    lost: list[float] = field(default_factory=list)
    closed: list[float] = field(default_factory=list)
    undetected: int = 0


ScenarioFunction = Callable[[ScenarioEndpoint], Endings]


@dataclass(frozen=True)
class ExpectedClosure:
    """
    What the exporter should report for the lost connections.
    """

    reason: str
    idle_drop: bool = True
    stalled: bool = False


RESET = ExpectedClosure("reset")
RETRANSMIT_TIMEOUT = ExpectedClosure("retransmit_timeout", stalled=True)
PEER_RESET = ExpectedClosure("reset", idle_drop=False)
KEEPALIVE_TIMEOUT = ExpectedClosure("keepalive_timeout", stalled=True)
ABORT = ExpectedClosure("abort", idle_drop=False)


@dataclass(frozen=True)
class Scenario:
    """
    A scenario and the expected closures per kind of NAT. Scenarios of one phase run in parallel.
    """

    name: str
    run: ScenarioFunction
    drop: ExpectedClosure
    reset: ExpectedClosure
    phase: int

    @property
    def path(self) -> str:
        """
        The name of its path.
        """
        return re.sub("[^a-z0-9]+", "-", self.name.lower())

    def expected_closure(self, on_timeout: OnTimeout) -> ExpectedClosure:
        """
        The expected closures with this kind of NAT.
        """
        return self.drop if on_timeout == "drop" else self.reset


SCENARIOS: list[Scenario] = []


def scenario(
    name: str,
    *,
    drop: ExpectedClosure = RETRANSMIT_TIMEOUT,
    reset: ExpectedClosure = RESET,
    phase: int = 1,
) -> Callable[[ScenarioFunction], ScenarioFunction]:
    """
    Register a scenario. By default its connections are written to after the mapping has expired.
    """

    def register(run: ScenarioFunction) -> ScenarioFunction:
        SCENARIOS.append(Scenario(name, run, drop, reset, phase))
        return run

    return register
