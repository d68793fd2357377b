"""
The JSON output of `check`. docs/check.md documents the keys.
"""

import json
from collections.abc import Sequence

from exporter.analysis.report import PathReport, Report
from exporter.model import Finding, Recommended
from exporter.paths.choice import ChosenProfile
from exporter.text.json_envelope import envelope


def as_json(
    reports: Sequence[Report],
    recommended: Recommended,
    profile: ChosenProfile,
    absent: int,
    timestamp: float,
) -> str:
    """
    The reports as JSON. absent is the number of unreadable namespaces.
    """
    body = {
        "profile": {
            "profiles": list(profile.profiles),
            "source": profile.source,
            "cloud": profile.cloud.cloud,
            "explanation": profile.explanation,
        },
        "recommended": {
            "time_seconds": recommended.time,
            "interval_seconds": recommended.interval,
            "probes": recommended.probes,
        },
        "namespaces": [_namespace(report) for report in reports],
        "unreadable_namespaces": absent,
    }
    return json.dumps(envelope("check", timestamp, body), indent=2)


def _namespace(report: Report) -> dict[str, object]:
    settings = report.settings
    return {
        "netns": report.netns,
        "verdict": report.verdict,
        "summary": report.summary,
        "platform": settings.platform,
        "settings": {
            "time_seconds": settings.time,
            "interval_seconds": settings.interval,
            "probes": settings.probes,
            "data_retransmissions": settings.data_retransmissions,
        },
        "problems": list(settings.problems),
        "paths": [_path(path) for path in report.paths],
        "findings": [_finding(finding) for finding in report.findings],
    }


def _path(report: PathReport) -> dict[str, object]:
    return {
        "path": report.path.name,
        "direction": report.path.direction,
        "idle_timeout_seconds": report.path.idle_timeout,
        "probes_before_timeout": report.probes,
        "protected": report.protected,
        "cover": report.coverage,
    }


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "id": finding.id,
        "severity": finding.severity,
        "title": finding.title,
        "problem": finding.problem,
        "remedy": finding.remedy,
        "docs": finding.docs,
    }
