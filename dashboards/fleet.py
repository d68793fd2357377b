"""
Fleet dashboard: unprotected hosts, and where connections are at risk or dropped.
"""

from collections.abc import Iterator

from grafana_foundation_sdk.builders import bargauge, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards import style
from dashboards.columns import count, finding, gauge, host, seconds, severity, text
from dashboards.frame import frame
from dashboards.panels import bars, bars_over_time, graph, number, redder_if_higher, rows
from dashboards.queries import (
    ANY_PATH,
    BY_HOST,
    HOST_NETNS,
    SERIOUS,
    STALLED,
    UNREADABLE,
    Query,
    affected,
    cells,
    increase,
    now,
    own,
    per_minute,
    raw,
    up,
)

_POINTS = 120
"""Data points of a graph. Each one evaluates every host, so they are few."""

_HOSTS = own("exporter_build_info")
_UNPROTECTED = f"1 - {affected('path_protected')}"
_STALLED = own("connections", STALLED, ANY_PATH)


def fleet() -> Dashboard:
    """
    The overview dashboard, for any number of hosts.
    """
    made = frame(
        "Fleet",
        "Which hosts will lose idle TCP connections to a NAT or load balancer, and which already"
        " do. Start in the top row. A host's name links to its own dashboard.",
        since="now-6h",
        by_path=False,
    )
    for panel in (*_stats(), _hosts_to_look_at(), *_trends(), *_where()):
        made.with_panel(panel)
    return made.with_row(_paths()).with_row(_findings()).with_row(_exporters())


def _stats() -> Iterator[stat.Panel]:
    yield number(
        "Hosts",
        "Hosts whose exporter answers, and silent hosts: Prometheus could not scrape them last"
        " time, so nothing is known about them. The row at the bottom lists them. Check whether"
        " the exporter runs there and whether its port can be reached.",
        now(f"count({_HOSTS})", "watched"),
        now(f"sum(1 - {up()})", "silent"),
        alert="TCPKeepaliveExporterDown",
    ).override_by_name("watched", [style.color(style.TEXT)])
    yield number(
        "Hosts unprotected",
        "Hosts with a network namespace whose keepalive settings would send the first probe only"
        " after a path's idle timeout, or never. Containers and pods count if their connections are"
        " affected. The table below lists the hosts, and `tcp-keepalive-exporter fix` prints the"
        " remedy.",
        now(f"sum(max {BY_HOST} ({_UNPROTECTED}))"),
        alert="TCPKeepaliveMisconfigured",
    )
    yield number(
        "Hosts with findings",
        "Hosts with a finding of severity warning or critical: something about their settings is"
        " wrong. The row Findings below counts hosts by finding. `tcp-keepalive-exporter check` on"
        " a host explains each.",
        now(f"count(count {BY_HOST} ({own('finding', SERIOUS)})) or 0 * count({_HOSTS})"),
        thresholds=style.ORANGE_IF_ANY,
        alert="TCPKeepaliveMisconfigured",
    )
    yield number(
        "At risk now",
        "Connections that have been idle for nearly their path's timeout or longer, and that"
        " nothing will refresh in time. They are dead already, or will be when next used. Check"
        " which workloads own them.",
        now(f"sum({own('at_risk_connections')})"),
        thresholds=style.ORANGE_IF_ANY,
        alert="TCPKeepaliveAtRiskConnections",
    )
    yield number(
        "Hanging now",
        "Connections whose data or probes are not answered after an idle spell: their applications"
        " hang at this moment, for up to a quarter of an hour. Open the Drops dashboard.",
        now(f"sum({_STALLED})"),
        alert="TCPKeepaliveStalledConnections",
    )
    yield number(
        "Idle drops",
        "Connections dropped after an idle spell within the time range. Each was an error or a hang"
        " in an application. The Drops dashboard shows when, where and at what idle time.",
        now(f"round(sum({increase('idle_drops_total')}))"),
        alert="TCPKeepaliveIdleDrops",
    )


def _hosts_to_look_at() -> table.Panel:
    unprotected = f"{affected('path_protected')} == 0"
    return rows(
        "Hosts to look at",
        "Every host on which something is wrong; all other hosts are fine. The name links to the"
        " host's dashboard. The keepalive time is shown where it leaves a path unprotected.",
        cells(f"sum {BY_HOST} ({_UNPROTECTED}) > 0"),
        cells(
            f"max {BY_HOST} ({own('time_seconds')} and on (job, instance, netns) ({unprotected}))"
        ),
        cells(f"count {BY_HOST} ({own('finding', SERIOUS)})"),
        cells(f"sum {BY_HOST} ({own('at_risk_connections')}) > 0"),
        cells(f"sum {BY_HOST} ({_STALLED}) > 0"),
        cells(f"round(sum {BY_HOST} ({increase('idle_drops_total')})) > 0"),
        columns={
            "instance": host(),
            "A": count("Unprotected paths", style.RED),
            "B": seconds("Keepalive time"),
            "C": count("Findings", style.ORANGE),
            "D": count("At risk now", style.ORANGE),
            "E": count("Hanging now", style.RED),
            "F": gauge("Idle drops", style.RED),
        },
        sort="Idle drops",
        size=(24, 10),
    )


def _trends() -> Iterator[timeseries.Panel]:
    yield graph(
        "Hosts unprotected and silent",
        "Unprotected hosts should fall to zero as settings are rolled out. A rise means new hosts"
        " with the operating system's default of 7200 s. Nothing is known about silent hosts.",
        Query(f"sum(max {BY_HOST} ({_UNPROTECTED}))", "unprotected"),
        Query(f"sum(1 - {up()})", "silent"),
        size=(8, 8),
        colors={"unprotected": style.RED, "silent": style.GREY},
    ).max_data_points(_POINTS)
    yield graph(
        "Connections at risk and hanging",
        "Connections at risk will be dead when next used; hanging ones are dead and in use. A rise"
        " at the same hour each day is a pool that is idle then: enable keepalive, or configure"
        " the pool to close idle connections sooner.",
        Query(f"sum({own('at_risk_connections')})", "at risk"),
        Query(f"sum({_STALLED})", "hanging"),
        size=(8, 8),
        colors={"at risk": style.ORANGE, "hanging": style.RED},
    ).max_data_points(_POINTS)
    yield bars_over_time(
        redder_if_higher(
            graph(
                "Idle drops per minute",
                "Connections dropped after an idle spell, by path. There should be none; the Drops"
                " dashboard shows the incident.",
                Query(f"sum by (path) ({per_minute('idle_drops_total')})", "{{path}}"),
                size=(8, 8),
            )
        )
    ).max_data_points(_POINTS // 2)


def _where() -> Iterator[bargauge.Panel | table.Panel]:
    at_risk = own("workload_at_risk_connections")
    owning = f"sum by (workload) ({at_risk}) > 0"
    yield rows(
        "Workloads at risk",
        "Workloads with connections at risk now, over all hosts. Enable SO_KEEPALIVE in these"
        " services, or set a keepalive time below their path's timeout.",
        cells(owning),
        cells(f"sum by (workload) ({own('workload_connections')}) and {owning}"),
        cells(f"count by (workload) ({at_risk} > 0)"),
        columns={
            "workload": text("Workload"),
            "A": gauge("At risk", style.ORANGE),
            "B": count("Connections").wide(110),
            "C": count("Hosts").wide(80),
        },
        sort="At risk",
        size=(12, 8),
    ).no_value("None")
    yield bars(
        "Keepalive times in force",
        "Hosts by the keepalive time of their own network namespace. Good is one value, the"
        " recommended one. 7200 s is the operating system's default, too late for nearly every"
        " NAT.",
        now(
            f'sort_desc(count_values("seconds", {own("time_seconds", HOST_NETNS)}))',
            "{{seconds}} s",
        ),
        size=(6, 8),
    )
    yield bars(
        "Protection of connections",
        "What will refresh the connections' mappings in time. late and none die when idle: late"
        " has a keepalive time beyond the timeout, none has keepalive off. unknown should be few.",
        now(f"sort_desc(sum by (protection) ({own('connections', ANY_PATH)}))", "{{protection}}"),
        size=(6, 8),
        colors=style.PROTECTION,
    )


def _paths() -> Row:
    hosts = "by (path, direction)"
    return Row("Paths: timeouts as configured, and as connections show them").with_panel(
        rows(
            "Paths",
            "If a path's shortest fatal idle time is below its timeout, the real timeout is shorter"
            " than configured: correct it in the exporter's config file, and correct the keepalive"
            " times too. If the longest survived idle time is far above, the path is safer than"
            " configured.",
            cells(f"max {hosts} ({own('path_idle_timeout_seconds')})"),
            cells(f"sum by (path) (1 - min by (job, instance, path) {affected('path_protected')})"),
            cells(f"sum by (path) ({own('connection_idle_seconds_gcount', ANY_PATH)})"),
            cells(f"round(sum by (path) ({increase('idle_drops_total')}))"),
            cells(f"max by (path) ({own('longest_idle_survived_seconds')})"),
            cells(f"min by (path) ({own('shortest_idle_fatal_seconds')})"),
            columns={
                "path": text("Path"),
                "direction": text("Direction"),
                "A": seconds("Idle timeout"),
                "B": count("Hosts unprotected"),
                "C": count("Connections"),
                "D": count("Idle drops"),
                "E": seconds("Longest survived"),
                "F": seconds("Shortest fatal"),
            },
            sort="Idle drops",
            size=(24, 7),
        )
    )


def _findings() -> Row:
    once_a_host = f"count by (id, severity, job, instance) ({own('finding')})"
    return Row("Findings: what is wrong with settings, and on how many hosts").with_panel(
        rows(
            "Findings",
            "What is wrong with the hosts' settings, by finding. Start with critical.",
            cells(f"count by (id, severity) ({once_a_host})"),
            cells(f"count by (id, severity) ({own('finding')})"),
            columns={
                "id": finding("Finding").wide(620),
                "severity": severity("Severity").wide(100),
                "A": gauge("Hosts", style.ORANGE),
                "B": count("Network namespaces"),
            },
            sort="Hosts",
            size=(24, 7),
        ).no_value("None")
    )


def _exporters() -> Row:
    failing = f"{own('collector_success')} == 0"
    return (
        Row("The exporters' own health")
        .with_panel(
            rows(
                "Silent hosts",
                "Hosts that Prometheus could not scrape last time. Nothing is known about them.",
                cells(f"{raw('up')} == 0 and on (job) {_HOSTS}"),
                columns={"instance": host(), "job": text("Job")},
                sort="Host",
                size=(6, 8),
            ).no_value("None")
        )
        .with_panel(
            rows(
                "Failing collectors",
                "Collectors whose latest attempt failed or is overdue. Their data is missing or"
                " stale on that host. The exporter's log there has the reason.",
                cells(failing),
                columns={"instance": host(), "collector": text("Collector")},
                sort="Host",
                size=(6, 8),
            ).no_value("None")
        )
        .with_panel(
            graph(
                "Closures lost, namespaces unreadable",
                "Closure events that came too fast for the exporter to read: idle drops may be"
                " missing. Namespaces that the exporter may not enter: their connections are not"
                " counted. See the documentation on permissions.",
                Query(
                    f"sum({per_minute('closure_events_lost_total')})", "closures lost per minute"
                ),
                Query(f"sum({own('namespaces', UNREADABLE)})", "namespaces unreadable"),
                size=(6, 8),
                colors={
                    "closures lost per minute": style.RED,
                    "namespaces unreadable": style.ORANGE,
                },
            ).max_data_points(_POINTS)
        )
        .with_panel(
            rows(
                "Versions",
                "Hosts by the version of their exporter.",
                cells(f"count by (version) ({_HOSTS})"),
                columns={"version": text("Version"), "A": count("Hosts")},
                sort="Hosts",
                size=(6, 8),
            )
        )
    )
