"""
Real network namespaces for tests. README.md in this directory shows how to use them.
"""

from .forward import forward
from .hosts import Host
from .labs import NatLab, Pair, nat_lab, nat_labs, nats_in_a_row, pair
from .nat import Nat, OnTimeout
from .requirements import LAB_MARKS, LabError, requires_lab
from .traffic import Connection, Keepalive

__all__ = [
    "LAB_MARKS",
    "Connection",
    "Host",
    "Keepalive",
    "LabError",
    "Nat",
    "NatLab",
    "OnTimeout",
    "Pair",
    "forward",
    "nat_lab",
    "nat_labs",
    "nats_in_a_row",
    "pair",
    "requires_lab",
]
