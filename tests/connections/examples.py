"""
A listing of example connections that cover all risks and directions.
"""

from collections import Counter
from dataclasses import replace
from typing import Any

from exporter.config.schema import Config
from exporter.connections.advice import Advice, sentences
from exporter.connections.client_hints import ClientHint, ClientHints
from exporter.connections.destinations import Destination
from exporter.connections.listing import ConnectionListing, DestinationListing
from exporter.connections.rows import Connection, Keepalive
from exporter.model import (
    HOST_NETNS,
    Direction,
    IdleState,
    OwningProcess,
    Protection,
    Recommended,
    Risk,
    SocketOptions,
    Timer,
)
from exporter.remedies.recognition import ClientTraits

CONFIG = Config()
OUTBOUND, INBOUND = CONFIG.paths

OFF = Keepalive(exact=True, on=False, time=7200, interval=75, probes=9, user_timeout=0)


def connection(**changes: Any) -> Connection:
    """
    A connection without keepalive, idle for longer than its path's timeout, with changes applied.
    """
    fields: dict[str, Any] = {
        "netns": HOST_NETNS,
        "workload": "billing.service",
        "process": OwningProcess(4211, "java", 77),
        "inode": 54321,
        "cookie": 98765,
        "uid": 998,
        "direction": Direction.OUTBOUND,
        "local": "10.0.0.4",
        "local_port": 40112,
        "remote": "203.0.113.10",
        "remote_port": 5432,
        "state": "established",
        "path": OUTBOUND,
        "risk": Risk.AT_RISK,
        "idle": 312.4,
        "received": 312.4,
        "idle_state": IdleState.OVER_LIMIT,
        "protection": Protection.NONE,
        "presumed": False,
        "timer": Timer.NONE,
        "expires": None,
        "unanswered": 0,
        "send_queue": 0,
        "receive_queue": 0,
        "keepalive": OFF,
        "advice": Advice.NO_KEEPALIVE,
        "hint": ClientHint(),
    }
    row = Connection(**(fields | changes))
    return row if "hint" in changes else replace(row, hint=hint_for(row))


def hint_for(row: Connection) -> ClientHint:
    """
    The hint for a connection in a network namespace with a keepalive time of 7200 s.
    """
    known, options = row.keepalive, None
    if known.exact:
        options = SocketOptions(
            keepalive=bool(known.on),
            time=known.time or 0,
            interval=known.interval or 0,
            probes=known.probes or 0,
            user_timeout=known.user_timeout or 0,
        )
    is_inbound = row.direction is Direction.INBOUND
    traits = ClientTraits(
        process=(row.process.name,) if row.process else (),
        command="",
        direction=row.direction,
        port=row.local_port if is_inbound else row.remote_port,
        on=known.on,
        options=options,
    )
    return ClientHints(Recommended()).hint(
        traits=traits,
        advice=row.advice,
        protection=row.protection,
        path=row.path,
        setting=7200,
    )


EXAMPLES = (
    connection(
        workload="shop/checkout-6d5f7c9b4-x2x7q",
        process=OwningProcess(5120, "node", 21),
        remote="203.0.113.80",
        remote_port=443,
        risk=Risk.STALLED,
        idle=276.0,
        received=347.0,
        idle_state=IdleState.STALLED,
        protection=Protection.NONE,
        timer=Timer.RETRANSMIT,
        expires=31.2,
        unanswered=7,
        send_queue=517,
        advice=Advice.STALLED,
    ),
    connection(),
    connection(idle=298.1, received=298.1, local_port=40114),
    connection(
        workload="redis-server.service",
        process=OwningProcess(871, "redis-server", 12),
        direction=Direction.INBOUND,
        local_port=6379,
        remote="198.51.100.23",
        remote_port=51324,
        path=INBOUND,
        idle=205.0,
        received=205.0,
        idle_state=IdleState.NEAR_LIMIT,
        protection=Protection.LATE,
        timer=Timer.KEEPALIVE,
        expires=95.0,
        keepalive=Keepalive(exact=True, on=True, time=300, interval=100, probes=3, user_timeout=0),
        advice=Advice.OWN_TIME_LATE,
    ),
    connection(
        workload="4f2a9c1b7d3e",
        process=OwningProcess(6004, "python", 9),
        remote="2001:db8:51:7::10",
        remote_port=443,
        risk=Risk.UNPROTECTED,
        idle=41.0,
        received=41.0,
        idle_state=IdleState.ACTIVE,
        protection=Protection.LATE,
        timer=Timer.KEEPALIVE,
        expires=7158.0,
        keepalive=Keepalive(exact=True, on=True, time=7200, interval=75, probes=9, user_timeout=30),
        advice=Advice.SETTING_LATE,
    ),
    connection(
        workload="postgresql@15-main.service",
        process=OwningProcess(1533, "postgres", 8),
        direction=Direction.INBOUND,
        local_port=5432,
        remote="198.51.100.7",
        remote_port=40210,
        path=INBOUND,
        risk=Risk.SAFE,
        idle=64.0,
        received=64.0,
        idle_state=IdleState.ACTIVE,
        protection=Protection.OWN,
        timer=Timer.KEEPALIVE,
        expires=56.0,
        keepalive=Keepalive(exact=True, on=True, time=120, interval=30, probes=8, user_timeout=0),
        advice=None,
    ),
)

FRAGILE = connection(
    workload="shop/checkout-6d5f7c9b4-x2x7q",
    process=OwningProcess(5120, "node", 23),
    remote="203.0.113.80",
    remote_port=443,
    risk=Risk.SAFE,
    idle=12.0,
    received=12.0,
    idle_state=IdleState.ACTIVE,
    protection=Protection.OWN,
    timer=Timer.KEEPALIVE,
    expires=48.0,
    keepalive=Keepalive(exact=True, on=True, time=60, interval=1, probes=10, user_timeout=0),
    advice=Advice.FRAGILE,
)
"""Protected, but a short outage ends it."""


def look(*rows: Connection, **changes: Any) -> ConnectionListing:
    """
    A listing of exactly these connections.
    """
    fields: dict[str, Any] = {
        "timestamp": 1_700_000_000.25,
        "connections": rows,
        "by_risk": Counter(row.risk for row in rows),
        "matching": len(rows),
        "histories": {},
        "advice": sentences((row.advice for row in rows if row.advice), CONFIG),
        "unnamed": None,
        "unread": {},
    }
    return ConnectionListing(**(fields | changes))


DESTINATIONS = (
    Destination(
        remote="203.0.113.10",
        remote_port=5432,
        path=OUTBOUND,
        connections=912,
        near_limit=31,
        over_limit=404,
        workloads=(("billing.service", 890), ("shop/checkout-6d5f7c9b4-x2x7q", 22)),
    ),
    Destination(
        remote="2001:db8:51:7::10",
        remote_port=443,
        path=OUTBOUND,
        connections=64,
        near_limit=0,
        over_limit=2,
        workloads=(("4f2a9c1b7d3e", 64),),
    ),
    Destination(
        remote="10.0.0.9",
        remote_port=6379,
        path=None,
        connections=12,
        near_limit=0,
        over_limit=0,
        workloads=(("billing.service", 12),),
    ),
)


def look_by_destination(*rows: Destination, **changes: Any) -> DestinationListing:
    """
    A listing of exactly these destinations.
    """
    matching = sum(row.connections for row in rows)
    at_risk = sum(row.near_limit + row.over_limit for row in rows)
    no_path = sum(row.connections for row in rows if row.path is None)
    safe = matching - at_risk - no_path
    fields: dict[str, Any] = {
        "timestamp": 1_700_000_000.25,
        "destinations": rows,
        "number": len(rows),
        "by_risk": Counter({Risk.AT_RISK: at_risk, Risk.SAFE: safe, Risk.NO_PATH: no_path}),
        "matching": matching,
        "histories": {},
        "unnamed": None,
        "unread": {},
    }
    return DestinationListing(**(fields | changes))
