"""
All rules, and the findings they make.
"""

from collections.abc import Mapping
from types import MappingProxyType

from exporter.analysis.findings import cloud_profile, discrepancies, traffic, values, windows
from exporter.analysis.findings import paths as of_paths
from exporter.analysis.findings.rule_context import Diagnosis, Rule, RuleContext
from exporter.model import (
    HOST_NETNS,
    Finding,
    IdleBounds,
    NamespaceReading,
    Path,
    Recommended,
    Settings,
    Severity,
    StaleTimers,
    UnexplainedLosses,
)
from exporter.paths.choice import ChosenProfile

_ABOUT_VALUES = frozenset(
    {"KA001", "KA002", "KA004", "KA005", "KA006", "KA011", "KA012", "KA013", "KA014"}
)
"""Findings that already concern the values: with one of them, KA003 would add nothing."""

RULES = (
    Rule(
        "KA001",
        Severity.CRITICAL,
        "No keepalive probe comes before a path's idle timeout",
        of_paths.too_late,
    ),
    Rule(
        "KA002",
        Severity.WARNING,
        "Only one keepalive probe comes before a path's idle timeout",
        of_paths.single_probe,
    ),
    Rule(
        "KA003",
        Severity.INFO,
        "A keepalive setting differs from the recommended one",
        values.not_recommended,
        unless=_ABOUT_VALUES,
    ),
    Rule(
        "KA004",
        Severity.WARNING,
        "The keepalive time or interval is out of range",
        values.out_of_range,
    ),
    Rule(
        "KA005",
        Severity.WARNING,
        "Keepalive probes are so frequent that they cause load",
        values.too_often,
        unless=frozenset({"KA006"}),
    ),
    Rule(
        "KA006",
        Severity.CRITICAL,
        "Windows reads milliseconds where seconds were written",
        windows.seconds_for_milliseconds,
    ),
    Rule(
        "KA007",
        Severity.INFO,
        "TcpMaxDataRetransmissions does not apply to keepalive probes",
        windows.retransmissions_for_probes,
    ),
    Rule(
        "KA008",
        Severity.INFO,
        "A network namespace's keepalive settings differ from the host's",
        discrepancies.unlike_host,
    ),
    Rule(
        "KA009",
        Severity.WARNING,
        "Open connections still send probes too late for their path",
        discrepancies.stale_and_late,
    ),
    Rule(
        "KA010",
        Severity.INFO,
        "Data on a dead connection is retransmitted for many minutes",
        discrepancies.long_hang,
    ),
    Rule(
        "KA011",
        Severity.WARNING,
        "The recommended values do not protect a path",
        of_paths.bad_recommended,
    ),
    Rule(
        "KA012",
        Severity.WARNING,
        "Keepalive probes may come too late for a path's idle timeout",
        of_paths.too_close,
    ),
    Rule(
        "KA013",
        Severity.CRITICAL,
        "The keepalive interval is longer than a path's idle timeout",
        of_paths.lapses,
    ),
    Rule(
        "KA014",
        Severity.CRITICAL,
        "Keepalive closes healthy idle connections",
        values.ends_healthy,
    ),
    Rule(
        "KA015",
        Severity.INFO,
        "Open connections have a longer keepalive time than the setting",
        discrepancies.stale,
    ),
    Rule(
        "KA016",
        Severity.WARNING,
        "Connections are lost before a path's configured idle timeout",
        traffic.dies_sooner,
    ),
    Rule(
        "KA017",
        Severity.INFO,
        "Connections survive a path's configured idle timeout",
        traffic.lives_longer,
    ),
    Rule(
        "KA018",
        Severity.WARNING,
        "The configured profile contradicts the detected cloud",
        cloud_profile.of_another_cloud,
    ),
    Rule(
        "KA019",
        Severity.WARNING,
        "Connections are lost after idle times that no configured path explains",
        traffic.unexplained,
    ),
)
"""By id. A published id keeps its meaning; new rules are added at the end."""

_SEVERITIES = list(Severity)


def find(context: RuleContext) -> tuple[Finding, ...]:
    """
    All findings of a namespace, the most severe first.
    """
    checked = {rule.id: rule.check(context) for rule in RULES}
    diagnoses = {each: diagnosis for each, diagnosis in checked.items() if diagnosis is not None}
    findings = [
        _finding(context, rule, diagnoses[rule.id])
        for rule in RULES
        if rule.id in diagnoses and not rule.unless & diagnoses.keys()
    ]
    return tuple(sorted(findings, key=lambda finding: _SEVERITIES.index(finding.severity)))


def _finding(context: RuleContext, rule: Rule, diagnosis: Diagnosis) -> Finding:
    severity, problem = rule.severity, diagnosis.problem
    if not diagnosis.affected:
        severity = Severity.INFO
        problem = f"{problem} No open connection is affected."
    return Finding(rule.id, severity, context.netns, rule.title, problem, diagnosis.remedy)


def find_all(  # noqa: PLR0913  everything that rules check
    settings: Mapping[str, Settings],
    readings: Mapping[str, NamespaceReading],
    recommended: Recommended,
    paths: tuple[Path, ...],
    *,
    idle_bounds: Mapping[str, IdleBounds] = MappingProxyType({}),
    losses: Mapping[str, UnexplainedLosses] = MappingProxyType({}),
    profile: ChosenProfile | None = None,
) -> tuple[Finding, ...]:
    """
    The findings of all namespaces, in the order of settings.

    settings and readings of the sockets are by netns label, idle_bounds and losses by path name. Of
    a namespace without a reading, the connections are unknown.
    """
    findings: list[Finding] = []
    for netns, own in settings.items():
        reading = readings.get(netns)
        findings += find(
            RuleContext(
                netns=netns,
                settings=own,
                host=settings.get(HOST_NETNS, own),
                recommended=recommended,
                paths=paths,
                stale_timers=reading.stale_timers if reading else StaleTimers(),
                idle_bounds=idle_bounds,
                losses=losses,
                profile=profile,
                exposure=reading.exposure if reading else None,
            )
        )
    return tuple(findings)
