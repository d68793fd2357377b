"""
Host dashboard: one host, or a few, in detail: settings, connections, closures.
"""

from collections.abc import Iterator

from grafana_foundation_sdk.builders import bargauge, common, heatmap, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards import style
from dashboards.columns import count, finding, gauge, seconds, severity, text, yes_or_no
from dashboards.frame import frame
from dashboards.health import health
from dashboards.links import runbook
from dashboards.panels import (
    bars_over_time,
    bucket_bars,
    graph,
    heat,
    logarithmic,
    number,
    redder_if_higher,
    rows,
    stacked,
)
from dashboards.queries import (
    NO_TIME_WAIT,
    OPEN_AT_PEER,
    PATH,
    PROTECTED,
    STALLED,
    Query,
    affected,
    buckets,
    buckets_now,
    cells,
    increase,
    now,
    own,
    per_minute,
    protection,
)

_CRITICAL_FIRST = common.TableSortByFieldState().display_name("Severity").desc(False)
_CONNECTIONS = own("connections", PATH)


def host() -> Dashboard:
    """
    The dashboard of one host, linked from Fleet.
    """
    made = frame(
        "Host",
        "One host in detail, or a few together: how its settings cover each path, what its"
        " connections actually do, and how they ended. Select one host above.",
        since="now-6h",
    )
    for panel in (*_stats(), *_settings(), *_connections(), *_workloads(), *_closures()):
        made.with_panel(panel)
    return made.with_row(_namespaces()).with_row(_timers()).with_row(health())


def _stats() -> Iterator[stat.Panel]:
    yield number(
        "Settings",
        "Whether the keepalive settings of every network namespace send the first probe before"
        " every path's idle timeout, except containers and pods whose connections are not affected."
        " If not, the table below shows which and by how much, and `tcp-keepalive-exporter fix`"
        " prints the remedy.",
        now(f"min{affected('path_protected', PATH)}"),
        thresholds=style.steps(style.RED, (1, style.GREEN)),
        alert="TCPKeepaliveMisconfigured",
    ).mappings([style.words({"0": ("unprotected", style.RED), "1": ("protected", style.GREEN)})])
    yield number(
        "Connections protected",
        "Share of the connections over paths whose mapping is refreshed in time, by their own"
        " keepalive or the peer's. Busy connections do not need it, so less than 100 % is not"
        " necessarily a problem; connections at risk are.",
        now(f"sum({own('connections', PATH, PROTECTED)}) / sum({_CONNECTIONS})"),
        unit="percentunit",
        thresholds=style.NEUTRAL,
    )
    yield number(
        "At risk now",
        "Connections that have been idle for nearly their path's timeout or longer, and that"
        " nothing will refresh in time. They will be dead when next used. Workloads, below, shows"
        " their owners; `tcp-keepalive-exporter connections` on the host lists them.",
        now(f"sum({own('at_risk_connections')})"),
        thresholds=style.ORANGE_IF_ANY,
        alert="TCPKeepaliveAtRiskConnections",
    )
    yield number(
        "Hanging now",
        "Connections whose data or probes are not answered after an idle spell: their applications"
        " hang at this moment. `tcp-keepalive-exporter reset --apply` on the host ends them."
        " Keepalive prevents a recurrence.",
        now(f"sum({own('connections', STALLED, PATH)})"),
        alert="TCPKeepaliveStalledConnections",
    )
    yield number(
        "Idle drops",
        "Connections dropped after an idle spell within the time range. Each was an error or a hang"
        " in an application. The Drops dashboard shows them in detail.",
        now(f"round(sum({increase('idle_drops_total', PATH)}))"),
        alert="TCPKeepaliveIdleDrops",
    )
    yield number(
        "Last sample",
        "Age of the data on this page. Above a minute or so, sampling fails or is slow: check the"
        " exporter's own health at the bottom and its log.",
        now(f"time() - min({own('sample_timestamp_seconds')})"),
        unit=style.SECONDS,
        thresholds=style.steps(style.TEXT, (120, style.ORANGE), (600, style.RED)),
        alert="TCPKeepaliveCollectorFailing",
    )


def _settings() -> Iterator[bargauge.Panel | table.Panel | timeseries.Panel]:
    yield rows(
        "Settings against paths",
        "For each network namespace and path: the idle time after which the settings send the first"
        " probe, and the path's timeout. Settings apply to connections that have keepalive on and"
        " set no times of their own. Containers and pods whose connections are not affected are"
        " left out. Good is yes with at least two probes, so that a lost one does no harm.",
        cells(f"min by (netns, path) {affected('path_protected', PATH)}"),
        cells(_onto_paths("netns", own("time_seconds"))),
        cells(_onto_paths("path", own("path_idle_timeout_seconds", PATH))),
        cells(f"min by (netns, path) {affected('path_probes_before_timeout', PATH)}"),
        columns={
            "netns": text("Namespace"),
            "path": text("Path").wide(140),
            "B": seconds("Keepalive time").wide(130),
            "C": seconds("Idle timeout").wide(100),
            "D": count("Probes in time").wide(115),
            "A": yes_or_no("Protected").wide(85),
        },
        sort="Keepalive time",
        size=(12, 6),
    )
    yield (
        rows(
            "Findings",
            "What is wrong with the settings, and in how many network namespaces."
            " `tcp-keepalive-exporter check` on the host names them and explains each finding, and"
            " `tcp-keepalive-exporter fix` prints the remedy. Empty is good.",
            cells(f"count by (id, severity) ({own('finding')})"),
            columns={
                "severity": severity("Severity").wide(90),
                "id": finding("Finding"),
                "A": count("Namespaces").wide(110),
            },
            sort="Severity",
            size=(12, 6),
        )
        .no_value("None")
        .sort_by([_CRITICAL_FIRST])
    )
    yield (
        logarithmic(
            graph(
                "Keepalive time against timeouts",
                "The keepalive time in the settings must stay well below every timeout (dashed);"
                " half of it or less is safe. A step is a change of the settings: connections"
                " opened before keep their old times. Containers and pods whose connections are not"
                " affected are left out.",
                Query(f"max by (netns) {affected('time_seconds')}", "keepalive time, {{netns}}"),
                Query(f"max({own('recommended_time_seconds')})", "recommended"),
                Query(
                    f"min by (path) ({own('path_idle_timeout_seconds', PATH)})", "timeout, {{path}}"
                ),
                unit=style.SECONDS,
                colors={"keepalive time, host": style.BLUE},
            )
        )
        .override_by_regexp("timeout.*", style.dashed(style.RED))
        .override_by_regexp("recommended", style.dashed(style.GREEN))
    )
    yield bucket_bars(
        "Keepalive times connections really have",
        "Idle time after which connections with keepalive actually send their first probe, which"
        " may differ from the settings. Those above the path's timeout are late: their application"
        " sets its own time, or they were opened before the settings were changed.",
        buckets_now(f"sum by (le) ({own('connection_keepalive_time_seconds_bucket', PATH)})"),
    )


def _connections() -> Iterator[heatmap.Panel | timeseries.Panel]:
    yield stacked(
        graph(
            "Protection",
            "What will refresh the connections' mappings in time. late and none are dead when idle"
            " for longer than the timeout. After a change of settings, late should shrink as"
            " connections are reopened.",
            *(
                Query(f"sum({own('connections', PATH, OPEN_AT_PEER, protection(each))})", each)
                for each in style.PROTECTION
            ),
            colors=style.PROTECTION,
        )
    )
    yield stacked(
        graph(
            "Idle state",
            "How near the connections are to their path's timeout. near_limit and over_limit are"
            " bad only without protection. stalled connections are dead and in use; unanswered ones"
            " too, but the timeout does not explain it. peer_closed ones wait for their application"
            " to close them: a leak if their number grows.",
            Query(f"sum by (idle_state) ({_CONNECTIONS})", "{{idle_state}}"),
            colors=style.IDLE_STATE,
        )
    )
    idle = f"sum by (le) ({own('connection_idle_seconds_bucket', PATH)})"
    yield heat(
        "How long connections have been idle",
        "Connections by idle time. The empty band is the timeout: connections above it are dead,"
        " unless the path's real timeout is longer. Good is a graph that ends at the keepalive"
        " time.",
        buckets(f"{idle} or {_gap_at_timeouts(idle)}"),
        size=(24, 9),
    )
    yield _snat_ports()


def _snat_ports() -> timeseries.Panel:
    ports = f"max by (path) ({own('path_snat_ports', PATH)})"
    threshold = f"{100 * style.SNAT_PORTS_USED:.0f} %"
    return (
        graph(
            "SNAT ports of the busiest destination",
            "The most connections to one remote address and port, against the ports that the path's"
            " NAT has for them (dashed red). When all are used, new connections to that destination"
            f" fail; from {threshold} on (dashed orange) an alert fires. A line that only grows is"
            " a leak. Pool connections and close idle ones, or add public addresses."
            " `tcp-keepalive-exporter connections --all --group-by destination` on the host lists"
            " the destinations and their workloads. Empty without paths that have snat_ports.",
            Query(
                f"max by (path) ({own('path_busiest_destination_connections', PATH)})",
                "connections, {{path}}",
            ),
            Query(ports, "ports, {{path}}"),
            Query(f"{style.SNAT_PORTS_USED} * {ports}", f"{threshold} of the ports, {{{{path}}}}"),
            size=(24, 7),
        )
        .override_by_regexp("ports, .*", style.dashed(style.RED))
        .override_by_regexp(".* of the ports, .*", style.dashed(style.ORANGE))
        .links([runbook("TCPKeepaliveSNATPortsExhausting")])
    )


def _workloads() -> Iterator[table.Panel | timeseries.Panel]:
    workloads = "by (workload)"
    at_risk = own("workload_at_risk_connections")
    yield rows(
        "Workloads",
        "Owners of the connections: systemd units, containers, pods. For those at risk, enable"
        " SO_KEEPALIVE, or set a keepalive time below the path's timeout. Those that hang wait for"
        " answers at this moment: `tcp-keepalive-exporter reset --apply` on the host ends them.",
        cells(f"topk(20, sum {workloads} ({at_risk}))"),
        cells(f"topk(20, sum {workloads} ({own('workload_stalled_connections')}))"),
        cells(f"topk(20, sum {workloads} ({own('workload_connections')}))"),
        columns={
            "workload": text("Workload"),
            "A": gauge("At risk", style.ORANGE),
            "B": gauge("Hanging", style.RED),
            "C": count("Connections").wide(110),
        },
        sort="At risk",
    )
    yield stacked(
        redder_if_higher(
            graph(
                "Connections at risk by workload",
                "Connections near or over their path's timeout that nothing will refresh, over"
                " time. A repeating shape is a pool that is idle at these times. A level that only"
                " grows is a leak of dead connections.",
                Query(f"sum {workloads} ({at_risk}) > 0", "{{workload}}"),
            )
        )
    )


def _closures() -> Iterator[timeseries.Panel]:
    closures = per_minute("closure_idle_seconds_count", PATH)
    yield bars_over_time(
        graph(
            "Closures per minute",
            "How connections over paths ended, by reason. normal (right axis): closed in order."
            " abort: reset by this host's application. retransmit_timeout after an idle spell: a"
            " silent drop. reset: the path or the peer sent a reset. keepalive_timeout: the peer"
            " vanished, or keepalive came too late.",
            Query(f"sum by (reason) ({closures})", "{{reason}}"),
            colors=style.REASON,
        )
    ).override_by_name("normal", style.right_axis(style.COUNT))
    yield bars_over_time(
        redder_if_higher(
            graph(
                "Idle drops per minute",
                "Connections dropped after an idle spell, by path. If a path protected by the"
                " settings has drops, its clients do not enable keepalive, or its real timeout is"
                " shorter than configured.",
                Query(f"sum by (path) ({per_minute('idle_drops_total', PATH)})", "{{path}}"),
            )
        )
    )


def _namespaces() -> Row:
    by_netns = "by (netns)"
    return (
        Row("Network namespaces: settings, connections at risk, probes")
        .with_panel(
            rows(
                "Settings of each namespace",
                "A new namespace starts with the operating system's defaults, whatever the host is"
                " set to: a container needs its own settings. Dead peers is the time until a"
                " vanished peer is detected.",
                *(
                    cells(f"max {by_netns} ({own(metric)})")
                    for metric in (
                        "time_seconds",
                        "interval_seconds",
                        "probes",
                        "dead_peer_detection_seconds",
                        "data_retransmissions",
                        "at_risk_connections",
                    )
                ),
                columns={
                    "netns": text("Namespace"),
                    "A": seconds("Keepalive time"),
                    "B": seconds("Interval"),
                    "C": count("Probes"),
                    "D": seconds("Dead peers"),
                    "E": count("Retransmissions"),
                    "F": gauge("At risk", style.ORANGE),
                },
                sort="At risk",
                size=(24, 7),
            )
        )
        .with_panel(
            graph(
                "Keepalive probes and connections given up, per minute",
                "Probes keep idle connections alive. No probes although there are idle connections"
                " means that no application enabled keepalive. Given up (right axis): connections"
                " that the kernel ended because nothing was answered. A rise without idle drops is"
                " a peer or a network that is down.",
                Query(f"sum {by_netns} ({per_minute('probes_sent_total')})", "probes, {{netns}}"),
                Query(
                    f"sum {by_netns} ({per_minute('timeout_aborts_total')})", "given up, {{netns}}"
                ),
                size=(24, 7),
            ).override_by_regexp("given up.*", style.right_axis(style.COUNT))
        )
    )


def _timers() -> Row:
    return Row("Kernel timers: what the kernel reports for each connection").with_panel(
        stacked(
            graph(
                "Connections by timer",
                "keepalive: SO_KEEPALIVE is on and nothing is in flight. none: keepalive is off."
                " Many in retransmit or zero_window: peers do not answer, or do not read their"
                " data.",
                Query(f"sum by (timer) ({own('connection_timers', NO_TIME_WAIT)})", "{{timer}}"),
                colors=style.TIMER,
                size=(24, 7),
            )
        )
    )


def _onto_paths(label: str, metric: str) -> str:
    """
    A metric with only one of the labels netns and path, repeated for each pair of them that is
    affected.
    """
    pairs = f"0 * {affected('path_protected', PATH)}"
    return f"max by (netns, path) ({pairs} + on (job, instance, {label}) group_left () {metric})"


def _gap_at_timeouts(buckets_by_le: str) -> str:
    """
    For each timeout, an empty bucket just above it, which a heatmap shows as an empty band.

    Every timeout is a bucket boundary, and boundaries are written with a decimal point.
    """
    timeouts = f'count_values("le", {own("path_idle_timeout_seconds", PATH)})'
    edges = f'label_replace({timeouts}, "le", "$1.0", "le", "([0-9]+)")'
    return f'label_replace({buckets_by_le} and on (le) {edges}, "le", "${{1}}1", "le", "(.+)")'
