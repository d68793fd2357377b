"""
How scenarios end: what a story says of its connections, and what should be made of that.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.e2e.scenario_endpoint import Stage
from tests.lab import OnTimeout


@dataclass(frozen=True)
class Ends:
    """
    How long each of a scenario's connections had really been idle before its end.

    died is for those that the network or the peer ended, closed for those that were closed in
    order. unaware is how many are dead without anything having told the client.
    """

    died: list[float] = field(default_factory=list)
    closed: list[float] = field(default_factory=list)
    unaware: int = 0


Story = Callable[[Stage], Ends]


@dataclass(frozen=True)
class Fate:
    """
    What the exporter should make of the connections that a story says have died.
    """

    reason: str
    idle_drop: bool = True
    stalled: bool = False


RESET = Fate("reset")
HANGS = Fate("retransmit_timeout", stalled=True)
CRASH = Fate("reset", idle_drop=False)
PROBES_IN_VAIN = Fate("keepalive_timeout", stalled=True)


@dataclass(frozen=True)
class Scenario:
    """
    A story, and what it should come to at each kind of NAT. Those of one act play side by side.
    """

    name: str
    story: Story
    drop: Fate
    reset: Fate
    act: int

    @property
    def path(self) -> str:
        """
        The name of the path on which it plays.
        """
        return re.sub("[^a-z0-9]+", "-", self.name.lower())

    def fate(self, on_timeout: OnTimeout) -> Fate:
        """
        What it should come to at this kind of NAT.
        """
        return self.drop if on_timeout == "drop" else self.reset


SCENARIOS: list[Scenario] = []


def scenario(
    name: str, *, drop: Fate = HANGS, reset: Fate = RESET, act: int = 1
) -> Callable[[Story], Story]:
    """
    Enlist a story. The fates are those of a connection that the NAT forgot before a write.
    """

    def enlist(story: Story) -> Story:
        SCENARIOS.append(Scenario(name, story, drop, reset, act))
        return story

    return enlist
