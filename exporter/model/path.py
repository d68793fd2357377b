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
    What happens to the next segment of a connection after a path's timeout.

    drop: nothing answers it. reset: its sender gets a reset, or got one at the timeout.
    """

    DROP = "drop"
    RESET = "reset"


class Role(StrEnum):
    """
    How a path combines with the other paths that a connection matches.

    profile: applies together with the profile's other paths. replaces: in the config file, applies
    instead of the profile's. adds: in the config file, applies in addition to the others.
    """

    PROFILE = "profile"
    REPLACES = "replaces"
    ADDS = "adds"


@dataclass(frozen=True, slots=True)
class Path:
    """
    A kind of route with an idle timeout in seconds.

    remote has CIDRs and the words public, private and any. snat_ports is the number of connections
    that the path translates for this host to one remote address and port; None if unknown or not
    limited.
    """

    name: str
    direction: Direction
    remote: tuple[str, ...]
    idle_timeout: float
    on_timeout: OnTimeout
    role: Role = Role.REPLACES
    snat_ports: int | None = None
