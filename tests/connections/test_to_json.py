"""
The document of JSON, which others rely on.
"""

import json

from exporter.connections.to_json import SCHEMA_VERSION, document
from exporter.model import Direction, Timer
from tests.connections.examples import EXAMPLES, connection, look


def test_a_connection() -> None:
    """
    Every key of a connection, none more, and what it says.
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
    }


def test_unknown_is_null() -> None:
    """
    What is not known is null, never left out.
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
    ]
    assert first["path"] == "none"
    assert first["timer"]["expires_seconds"] is None


def test_the_whole() -> None:
    """
    Around the connections: what version this is, and what there is besides.
    """
    whole = document(look(*EXAMPLES, matching=9, first=True))
    assert {key: whole[key] for key in ("schema_version", "timestamp", "matching")} == {
        "schema_version": SCHEMA_VERSION,
        "timestamp": 1_700_000_000.25,
        "matching": 9,
    }
    assert whole["connections_by_risk"] == {
        "stalled": 1,
        "at_risk": 3,
        "unprotected": 1,
        "unknown": 0,
        "safe": 1,
        "no_path": 0,
    }
    assert {row["advice"] for row in whole["connections"]} - {None} == whole["advice"].keys()
    assert any("first look" in note for note in whole["notes"])


def test_is_json() -> None:
    """
    Whatever a process calls itself, the document can be written and read.
    """
    hostile = 'a"\n\x1b[31m\\xff\u202e'
    rows = [
        connection(workload=hostile, direction=direction, timer=timer)
        for direction in (Direction.INBOUND, Direction.OUTBOUND)
        for timer in Timer
    ]
    read = json.loads(json.dumps(document(look(*rows)), allow_nan=False))
    assert {row["workload"] for row in read["connections"]} == {hostile}
