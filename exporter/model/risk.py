"""
The words for what threatens a connection, and for how it ended.
"""

from enum import IntEnum


class Protection(IntEnum):
    """
    What will refresh a path's mapping before its timeout.
    """

    OWN = 0
    LATE = 1
    PEER = 2
    NONE = 3
    UNKNOWN = 4


class IdleState(IntEnum):
    """
    How near a connection's idle time is to its path's timeout.
    """

    ACTIVE = 0
    NEAR_LIMIT = 1
    OVER_LIMIT = 2
    STALLED = 3


class Risk(IntEnum):
    """
    How much a connection deserves a look, the worst first; each connection is exactly one of these.

    STALLED: as its idle state says. AT_RISK: as defined. UNPROTECTED: its protection is none or
    late, but it is not idle for long. UNKNOWN: its protection is. SAFE: own or peer. NO_PATH: it
    crosses none.
    """

    STALLED = 0
    AT_RISK = 1
    UNPROTECTED = 2
    UNKNOWN = 3
    SAFE = 4
    NO_PATH = 5


AT_RISK_PROTECTIONS = (Protection.LATE, Protection.NONE)
AT_RISK_IDLE_STATES = (IdleState.NEAR_LIMIT, IdleState.OVER_LIMIT)


class Reason(IntEnum):
    """
    How a connection ended.
    """

    NORMAL = 0
    RESET = 1
    KEEPALIVE_TIMEOUT = 2
    RETRANSMIT_TIMEOUT = 3
