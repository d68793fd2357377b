"""
The JSON document.
"""

import json

from exporter.connections.to_json import document
from exporter.model import Direction, Timer
from exporter.text.json_envelope import SCHEMA_VERSION
from tests.connections.examples import (
    DESTINATIONS,
    EXAMPLES,
    connection,
    look,
    look_by_destination,
)


def test_a_connection() -> None:
    """
    All keys of a connection and their values.
    """
    (first,) = document(look(EXAMPLES[3]))["connections"]
    assert first == {
        "netns": "host",
        "workload": "redis-server.service",
        "process": {"pid": 871, "name": "redis-server"},
        "uid": 998,
        "direction": "inbound",
        "local": {"address": "10.0.0.4", "port": 6379},
        "remote": {"address": "198.51.100.23", "port": 51324},
        "state": "established",
        "path": "azure-inbound",
        "idle_timeout_seconds": 240.0,
        "risk": "at_risk",
        "idle_seconds": 205.0,
        "received_seconds": 205.0,
        "idle_state": "near_limit",
        "protection": "late",
        "protection_presumed": False,
        "timer": {"name": "keepalive", "expires_seconds": 95.0, "unanswered": 0},
        "send_queue_bytes": 0,
        "receive_queue_bytes": 0,
        "keepalive": {
            "exact": True,
            "on": True,
            "time_seconds": 300,
            "interval_seconds": 100,
            "probes": 3,
            "user_timeout_seconds": 0,
        },
        "advice": "own_time_late",
        "client": {"id": "redis-server", "name": "Redis server", "probable": False},
        "default_of": [],
        "fix": "set tcp-keepalive 120 in redis.conf",
        "commands": [],
    }


def test_unknown_is_null() -> None:
    """
    Unknown values are null, never omitted.
    """
    unknown = connection(
        workload=None, process=None, path=None, idle=None, received=None, expires=None, advice=None
    )
    (first,) = document(look(unknown))["connections"]
    assert [key for key, value in first.items() if value is None] == [
        "workload",
        "process",
        "idle_timeout_seconds",
        "idle_seconds",
        "received_seconds",
        "advice",
        "client",
        "fix",
    ]
    assert first["path"] == "none"
    assert first["timer"]["expires_seconds"] is None


def test_document() -> None:
    """
    The keys around the connections.
    """
    found = document(look(*EXAMPLES, matching=9))
    assert {key: found[key] for key in ("schema_version", "command", "timestamp", "matching")} == {
        "schema_version": SCHEMA_VERSION,
        "command": "connections",
        "timestamp": 1_700_000_000.25,
        "matching": 9,
    }
    assert found["connections_by_risk"] == {
        "stalled": 1,
        "unanswered": 0,
        "at_risk": 3,
        "unprotected": 1,
        "peer_closed": 0,
        "unknown": 0,
        "safe": 1,
        "no_path": 0,
    }
    assert {row["advice"] for row in found["connections"]} - {None} == found["advice"].keys()
    assert found["notes"] == []


def test_destinations() -> None:
    """
    By destination, the document has destinations instead of connections and advice.
    """
    found = document(look_by_destination(*DESTINATIONS, number=9, unnamed="no cgroups"))
    assert found["schema_version"] == SCHEMA_VERSION
    assert found["command"] == "connections"
    assert sum(found["connections_by_risk"].values()) == found["matching"] == 988
    assert found["matching_destinations"] == 9
    assert [each["path"] for each in found["destinations"]] == [
        "azure-outbound",
        "azure-outbound",
        "none",
    ]
    assert found["destinations"][0] == {
        "remote": {"address": "203.0.113.10", "port": 5432},
        "path": "azure-outbound",
        "connections": 912,
        "near_limit": 31,
        "over_limit": 404,
        "workloads": [
            {"name": "billing.service", "connections": 890},
            {"name": "shop/checkout-6d5f7c9b4-x2x7q", "connections": 22},
        ],
    }
    assert found["notes"] == ["No cgroups."]
    assert found.keys().isdisjoint({"connections", "advice"})


def test_is_json() -> None:
    """
    The document is valid JSON whatever the names of processes are.
    """
    hostile = 'a"\n\x1b[31m\\xff\u202e'
    rows = [
        connection(workload=hostile, direction=direction, timer=timer)
        for direction in (Direction.INBOUND, Direction.OUTBOUND)
        for timer in Timer
    ]
    read = json.loads(json.dumps(document(look(*rows)), allow_nan=False))
    assert {row["workload"] for row in read["connections"]} == {hostile}
