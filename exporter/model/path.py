"""
The routes that forget idle connections.
"""

from dataclasses import dataclass
from enum import StrEnum

NO_PATH = "none"
"""The `path` label of connections that cross no path."""


class Direction(StrEnum):
    """
    Whether the connection's local port is one that its namespace listens on.
    """

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    ANY = "any"


class OnTimeout(StrEnum):
    """
    What a path does with a connection it has forgotten.
    """

    DROP = "drop"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Path:
    """
    A kind of route with an idle timeout.

    remote holds CIDRs and the words public, private and any.
    """

    name: str
    direction: Direction
    remote: tuple[str, ...]
    idle_timeout: float
    on_timeout: OnTimeout
