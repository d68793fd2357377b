"""
The JSON output of `probe`. docs/probe.md documents the keys.
"""

import json
from collections.abc import Sequence

from exporter.model import Path, Recommended
from exporter.probe.format import remarks, sentence
from exporter.probe.inference import Outcome
from exporter.probe.measurement import Measurement, ProbeResult, Unreachable
from exporter.probe.report import Configured, advice, measured_path
from exporter.text.json_envelope import envelope


def as_json(found: Sequence[ProbeResult], configured: Configured, timestamp: float) -> str:
    """
    The results as JSON.
    """
    body = {"servers": [_server(each, configured) for each in found]}
    return json.dumps(envelope("probe", timestamp, body), indent=2)


def _server(found: ProbeResult, configured: Configured) -> dict[str, object]:
    if isinstance(found, Unreachable):
        return {"server": found.target.name, "error": found.reason}
    bounds, path = found.bounds, measured_path(found, configured.paths)
    return {
        "server": found.target.name,
        "address": found.address.host,
        "own_address": found.own_address,
        "summary": sentence(found),
        "remarks": list(remarks(found)),
        "as_narrow_as_asked": found.is_narrow,
        "longest_idle_survived_seconds": _rounded(bounds.survived),
        "shortest_idle_fatal_seconds": None if bounds.fatal is None else _rounded(bounds.fatal),
        "on_timeout": bounds.on_timeout,
        "interrupted": found.interrupted,
        "path": None if path is None else _path(path),
        "protection": _protection(found, configured),
        "connections": [_connection(outcome) for outcome in found.outcomes],
    }


def _path(path: Path) -> dict[str, object]:
    return {
        "name": path.name,
        "direction": path.direction,
        "remote": list(path.remote),
        "idle_timeout_seconds": path.idle_timeout,
        "on_timeout": path.on_timeout,
    }


def _protection(found: Measurement, configured: Configured) -> dict[str, object] | None:
    advised = advice(found, configured)
    if advised is None:
        return None
    return {
        "settings": None if advised.protecting is None else _settings(advised.protecting),
        "this_host_protects": advised.is_protected,
        "problem": advised.problem,
        "remedy": advised.remedy,
    }


def _settings(values: Recommended) -> dict[str, float]:
    return {
        "time_seconds": values.time,
        "interval_seconds": values.interval,
        "probes": values.probes,
    }


def _connection(outcome: Outcome) -> dict[str, object]:
    return {
        "outcome": outcome.kind.replace(" ", "_"),
        "planned_idle_seconds": _rounded(outcome.planned),
        "idle_seconds_at_least": _rounded(outcome.at_least),
        "idle_seconds_at_most": _rounded(outcome.at_most),
        "probes": outcome.probes,
    }


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
