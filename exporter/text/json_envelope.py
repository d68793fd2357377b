"""
The common keys of all JSON documents of the exporter.
"""

from collections.abc import Mapping
from typing import Any

SCHEMA_VERSION = 1
"""Incremented when a key is removed or changes its meaning, not when a key is added."""


def envelope(command: str, timestamp: float, body: Mapping[str, Any]) -> dict[str, Any]:
    """
    The body, preceded by schema version, command and timestamp.

    timestamp is the Unix time of the reading in seconds.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "timestamp": round(timestamp, 3),
        **body,
    }
