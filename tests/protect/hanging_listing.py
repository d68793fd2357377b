"""
Example connections that hang, and what became of them.
"""

from typing import Any

from exporter.model import IdleState, Risk, Timer
from exporter.protect.hanging import HangingConnection, HangingListing
from exporter.protect.recheck import ResetOutcome
from tests.connections.examples import EXAMPLES, connection, look

STALLED = EXAMPLES[0]
UNANSWERED = connection(
    risk=Risk.UNANSWERED,
    idle=3.2,
    received=131.0,
    idle_state=IdleState.UNANSWERED,
    timer=Timer.RETRANSMIT,
    unanswered=8,
    send_queue=64,
)
HANGING = (HangingConnection(STALLED, 71.0), HangingConnection(UNANSWERED, 127.8))
REFUSAL = "CAP_NET_ADMIN is required to end connections"


def ended(*outcomes: ResetOutcome, refusal: str | None = None, **changes: Any) -> HangingListing:
    """
    One connection for each outcome, in a listing with changes.
    """
    failed = (ResetOutcome.NOT_PERMITTED, ResetOutcome.FAILED)
    connections = tuple(
        HangingConnection(UNANSWERED, 127.8, outcome, REFUSAL if outcome in failed else None)
        for outcome in outcomes
    )
    return HangingListing(look(*(UNANSWERED for _ in outcomes), **changes), connections, refusal)


def dry_run() -> HangingListing:
    """
    Two connections that hang among those of the examples.
    """
    listing = look(*(each.row for each in HANGING), by_risk=look(*EXAMPLES, UNANSWERED).by_risk)
    return HangingListing(listing, HANGING, None)
