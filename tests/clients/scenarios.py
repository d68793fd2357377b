"""
What happens to the connections of all clients at once.
"""

from dataclasses import dataclass
from enum import Enum, auto

from tests.lab import OnTimeout


class Event(Enum):
    """
    What happens while the clients' connections are idle.
    """

    BUSY = auto()
    """They are not: each is used four times within the path's timeout."""
    IDLE = auto()
    """Nothing."""
    RESTART = auto()
    """The servers are restarted."""
    RESET = auto()
    """The servers reset all connections."""
    VANISH = auto()
    """The server's host becomes unreachable."""


@dataclass(frozen=True)
class Times:
    """
    Seconds: the NAT's timeout; after how long a server closes idle clients; until the clients use
    their connections again; between samples.
    """

    timeout: int
    server_closes: float
    idle: float
    interval: float


SCALED = Times(timeout=12, server_closes=2, idle=15, interval=0.5)
NO_TIMEOUT = 3600
"""The timeout of the exporter's path where there is no NAT."""


@dataclass(frozen=True)
class Scenario:
    """
    What happens, behind which kind of NAT (None: without one), with servers that close idle
    connections in order or not.
    """

    event: Event
    nat: OnTimeout | None
    server_closes: bool = False

    def __str__(self) -> str:
        nat = {None: "no", "drop": "silent", "reset": "resetting"}[self.nat]
        happens = "server closes" if self.server_closes else self.event.name.lower()
        return f"{happens}, {nat} NAT"


SCENARIOS = (
    Scenario(Event.BUSY, "drop"),
    Scenario(Event.IDLE, "drop"),
    Scenario(Event.IDLE, "reset"),
    Scenario(Event.IDLE, "drop", server_closes=True),
    Scenario(Event.IDLE, None, server_closes=True),
    Scenario(Event.RESTART, "drop"),
    Scenario(Event.RESTART, None),
    Scenario(Event.RESET, "drop"),
    Scenario(Event.VANISH, None),
)
