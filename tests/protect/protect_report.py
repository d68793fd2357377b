"""
A report of `protect` with examples of all results.
"""

from collections import Counter
from dataclasses import replace
from typing import Any

from exporter.connections.rows import Keepalive
from exporter.model import IdleState, KeepaliveValues, OwningProcess, Protection, SocketOptions
from exporter.protect.attempts import Attempt, Problem, ProtectOutcome, ProtectReport
from exporter.protect.candidates import LeftAlone
from tests.connections.examples import EXAMPLES, connection

VALUES = KeepaliveValues(time=120, interval=30, probes=8)
OFF = SocketOptions(keepalive=False, time=7200, interval=75, probes=9, user_timeout=0)
LATE = SocketOptions(keepalive=True, time=300, interval=100, probes=3, user_timeout=0)

_IDLE = connection(idle=41.0, received=41.0, idle_state=IdleState.ACTIVE, local_port=40116)
_HIDDEN = connection(
    workload="4f2a9c1b7d3e",
    process=None,
    remote="2001:db8:51:7::10",
    remote_port=443,
    idle=100.0,
    idle_state=IdleState.ACTIVE,
    protection=Protection.NONE,
    keepalive=Keepalive(exact=False, on=False, time=None),
)

PLANNED = (
    Attempt(EXAMPLES[1], OFF, VALUES, ProtectOutcome.PLANNED),
    Attempt(EXAMPLES[3], LATE, VALUES, ProtectOutcome.PLANNED),
    Attempt(_HIDDEN, None, None, ProtectOutcome.FAILED, Problem.NO_PROCESS),
    Attempt(_IDLE, OFF, VALUES, ProtectOutcome.PLANNED),
)
"""Connections as found: past its timeout, late, with a process that is not visible, idle."""

APPLIED = (
    replace(PLANNED[0], outcome=ProtectOutcome.PROTECTED),
    replace(PLANNED[1], outcome=ProtectOutcome.PROTECTED),
    PLANNED[2],
    replace(
        PLANNED[3],
        row=replace(_IDLE, process=OwningProcess(4213, "java", 9)),
        outcome=ProtectOutcome.FAILED,
        problem=Problem.BLOCKED,
    ),
    Attempt(replace(_IDLE, local_port=40118), None, None, ProtectOutcome.GONE),
)
"""The same after --apply, with one that was closed meanwhile."""


def report(*attempts: Attempt, **changes: Any) -> ProtectReport:
    """
    A report with these attempts and some connections that are left alone, with changes applied.
    """
    fields: dict[str, Any] = {
        "timestamp": 1_700_000_000.25,
        "applied": any(each.outcome is ProtectOutcome.PROTECTED for each in attempts),
        "attempts": attempts,
        "left_alone": Counter({LeftAlone.OWN: 1100, LeftAlone.NO_PATH: 89}),
        "settled": 0,
        "unnamed": None,
        "unread": {},
    }
    return ProtectReport(**(fields | changes))
