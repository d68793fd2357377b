"""
A listing as a JSON document, described in docs/connections.md.

Within one SCHEMA_VERSION, keys may be added but not changed or removed.
"""

from typing import Any

from exporter.connections.destinations import Destination
from exporter.connections.listing import ConnectionListing, DestinationListing, notes, unread_notes
from exporter.connections.rescue import rescue_commands
from exporter.connections.rows import Connection
from exporter.model import NO_PATH, Risk
from exporter.text.json_envelope import envelope


def document(listing: ConnectionListing | DestinationListing) -> dict[str, Any]:
    """
    The listing as JSON-serializable values.
    """
    body: dict[str, Any] = {
        "connections_by_risk": {risk.name.lower(): listing.by_risk[risk] for risk in Risk},
        "matching": listing.matching,
    }
    if isinstance(listing, DestinationListing):
        body |= {
            "matching_destinations": listing.number,
            "destinations": [_destination(row) for row in listing.destinations],
            "notes": unread_notes(listing),
        }
    else:
        body |= {
            "connections": [_connection(row) for row in listing.connections],
            "advice": {str(advice): text for advice, text in listing.advice.items()},
            "notes": notes(listing),
        }
    return envelope("connections", listing.timestamp, body)


def _destination(row: Destination) -> dict[str, Any]:
    return {
        "remote": {"address": row.remote, "port": row.remote_port},
        "path": row.path.name if row.path else NO_PATH,
        "connections": row.connections,
        "near_limit": row.near_limit,
        "over_limit": row.over_limit,
        "workloads": [{"name": name, "connections": number} for name, number in row.workloads],
    }


def owner_and_ends(row: Connection) -> dict[str, Any]:
    """
    The keys that tell whose connection it is, where it leads, and its state.
    """
    return {
        "netns": row.netns,
        "workload": row.workload,
        "process": row.process and {"pid": row.process.pid, "name": row.process.name},
        "uid": row.uid,
        "direction": str(row.direction),
        "local": {"address": row.local, "port": row.local_port},
        "remote": {"address": row.remote, "port": row.remote_port},
        "state": row.state,
        "path": row.path.name if row.path else NO_PATH,
        "idle_timeout_seconds": row.path.idle_timeout if row.path else None,
    }


def _connection(row: Connection) -> dict[str, Any]:
    keepalive = row.keepalive
    return {
        **owner_and_ends(row),
        "risk": row.risk.name.lower(),
        "idle_seconds": _rounded(row.idle),
        "received_seconds": _rounded(row.received),
        "idle_state": row.idle_state.name.lower(),
        "protection": row.protection.name.lower(),
        "protection_presumed": row.presumed,
        "timer": {
            "name": row.timer.name.lower(),
            "expires_seconds": _rounded(row.expires),
            "unanswered": row.unanswered,
        },
        "send_queue_bytes": row.send_queue,
        "receive_queue_bytes": row.receive_queue,
        "keepalive": {
            "exact": keepalive.exact,
            "on": keepalive.on,
            "time_seconds": _rounded(keepalive.time),
            "interval_seconds": keepalive.interval,
            "probes": keepalive.probes,
            "user_timeout_seconds": _rounded(keepalive.user_timeout),
        },
        "advice": row.advice and str(row.advice),
        "client": row.hint.client
        and {
            "id": row.hint.client.id,
            "name": row.hint.client.name,
            "probable": not row.hint.certain,
        },
        "default_of": list(row.hint.default_of),
        "fix": row.hint.fix,
        "commands": list(rescue_commands(row)),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
