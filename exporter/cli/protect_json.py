"""
The report of `protect` as a JSON document, described in docs/protect.md.

Within one SCHEMA_VERSION, keys may be added but not changed or removed.
"""

from typing import Any

from exporter.connections.listing import unread_sentences
from exporter.connections.to_json import owner_and_ends
from exporter.model import KeepaliveValues, SocketOptions
from exporter.protect.attempts import (
    WORDS,
    Attempt,
    ProtectOutcome,
    ProtectReport,
    WorkloadSummary,
    by_workload,
)
from exporter.protect.candidates import LeftAlone
from exporter.protect.permanent import UNDO, permanent_changes
from exporter.text.json_envelope import envelope


def document(report: ProtectReport) -> dict[str, Any]:
    """
    The report as JSON-serializable values.
    """
    problems = {each.problem for each in report.attempts if each.problem is not None}
    body = {
        "applied": report.applied,
        "outcomes": {str(each): report.by_outcome[each] for each in ProtectOutcome},
        "left_alone": {str(each): report.left_alone[each] for each in LeftAlone},
        "settled": report.settled,
        "connections": [_connection(each) for each in report.attempts],
        "workloads": [_workload(each) for each in by_workload(report)],
        "problems": {str(each): WORDS[each] for each in sorted(problems)},
        "undo": UNDO,
        "permanent_changes": [*permanent_changes(each.row for each in report.attempts)],
        "notes": unread_sentences(report.unnamed, report.unread),
    }
    return envelope("protect", report.timestamp, body)


def _connection(attempt: Attempt) -> dict[str, Any]:
    row = attempt.row
    return {
        **owner_and_ends(row),
        "idle_seconds": None if row.idle is None else round(row.idle, 3),
        "past_timeout": attempt.is_past_timeout,
        "protection": row.protection.name.lower(),
        "outcome": str(attempt.outcome),
        "problem": attempt.problem and str(attempt.problem),
        "before": _values(attempt.options),
        "values": _values(attempt.values),
    }


def _values(values: SocketOptions | KeepaliveValues | None) -> dict[str, Any] | None:
    if values is None:
        return None
    return {
        "on": values.keepalive if isinstance(values, SocketOptions) else True,
        "time_seconds": values.time,
        "interval_seconds": values.interval,
        "probes": values.probes,
    }


def _workload(summary: WorkloadSummary) -> dict[str, Any]:
    return {
        "name": summary.name,
        "outcomes": {str(each): summary.outcomes[each] for each in ProtectOutcome},
        "problems": {str(each): number for each, number in sorted(summary.problems.items())},
    }
