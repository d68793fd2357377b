"""
The list of findings, and which of them there are.
"""

from collections.abc import Mapping
from types import MappingProxyType

from exporter.analysis.findings import (
    discrepancies as surroundings,
)
from exporter.analysis.findings import paths as of_paths
from exporter.analysis.findings import (
    traffic,
    values,
    windows,
)
from exporter.analysis.findings.rule_context import Facts, Rule
from exporter.model import (
    HOST_NETNS,
    Finding,
    IdleBounds,
    Path,
    Recommended,
    Settings,
    Severity,
    StaleTimers,
)

_ABOUT_VALUES = frozenset(
    {"KA001", "KA002", "KA004", "KA005", "KA006", "KA011", "KA012", "KA013", "KA014"}
)
"""What makes it needless to say that a value is not the recommended one."""

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
        "Keepalive probes are so frequent that they are a load",
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
        "TcpMaxDataRetransmissions does not rule keepalive probes",
        windows.retransmissions_for_probes,
    ),
    Rule(
        "KA008",
        Severity.INFO,
        "A network namespace's keepalive settings differ from the host's",
        surroundings.unlike_host,
    ),
    Rule(
        "KA009",
        Severity.WARNING,
        "Open connections still probe too late for their path",
        surroundings.stale_and_late,
    ),
    Rule(
        "KA010",
        Severity.INFO,
        "Data on a dead connection is retransmitted for many minutes",
        surroundings.long_hang,
    ),
    Rule(
        "KA011",
        Severity.WARNING,
        "The recommended values would not protect a path",
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
        "Keepalive ends healthy idle connections",
        values.ends_healthy,
    ),
    Rule(
        "KA015",
        Severity.INFO,
        "Open connections probe later than the setting says",
        surroundings.stale,
    ),
    Rule(
        "KA016",
        Severity.WARNING,
        "Connections die sooner than a path's idle timeout says",
        traffic.dies_sooner,
    ),
    Rule(
        "KA017",
        Severity.INFO,
        "Connections outlive a path's idle timeout",
        traffic.lives_longer,
    ),
)
"""By id. An id once published keeps its meaning; what is new comes last."""

_BY_SEVERITY = sorted(RULES, key=lambda rule: list(Severity).index(rule.severity))


def find(facts: Facts) -> tuple[Finding, ...]:
    """
    All that is wrong with a namespace's settings, the most severe first.
    """
    looked = {rule.id: rule.look(facts) for rule in _BY_SEVERITY}
    told = {each for each, found in looked.items() if found is not None}
    return tuple(
        Finding(rule.id, rule.severity, facts.netns, rule.title, *found)
        for rule in _BY_SEVERITY
        if (found := looked[rule.id]) is not None and not rule.unless & told
    )


def find_all(
    settings: Mapping[str, Settings],
    stale_timers: Mapping[str, StaleTimers],
    recommended: Recommended,
    paths: tuple[Path, ...],
    idle_bounds: Mapping[str, IdleBounds] = MappingProxyType({}),
) -> tuple[Finding, ...]:
    """
    The findings of all namespaces, one after the other.

    settings and stale_timers are by the netns label, idle_bounds by the name of the path.
    """
    return tuple(
        finding
        for netns, own in settings.items()
        for finding in find(
            Facts(
                netns=netns,
                settings=own,
                host=settings.get(HOST_NETNS, own),
                recommended=recommended,
                paths=paths,
                stale_timers=stale_timers.get(netns, StaleTimers()),
                idle_bounds=idle_bounds,
            )
        )
    )
