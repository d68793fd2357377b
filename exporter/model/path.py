"""
Paths: routes with an idle timeout.
"""

from dataclasses import dataclass
from enum import StrEnum

NO_PATH = "none"
"""The `path` label of connections that cross no path."""


class Direction(StrEnum):
    """
    The direction of connections: inbound if the peer opened them, outbound if this host did.
    """

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    ANY = "any"


class OnTimeout(StrEnum):
    """
    What a path does with segments of a connection after its timeout: drop or reset.
    """

    DROP = "drop"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Path:
    """
    A kind of route with an idle timeout in seconds.

    remote has CIDRs and the words public, private and any.
    """

    name: str
    direction: Direction
    remote: tuple[str, ...]
    idle_timeout: float
    on_timeout: OnTimeout
