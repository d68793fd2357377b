"""
Host: one host, or a few, in detail: settings, connections, their ends.
"""

from collections.abc import Iterator

from grafana_foundation_sdk.builders import bargauge, common, heatmap, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from dashboards import style as look
from dashboards.columns import count, finding, gauge, seconds, severity, text, yes_or_no
from dashboards.frame import frame
from dashboards.health import health
from dashboards.panels import (
    bars_over_time,
    bucket_bars,
    graph,
    heat,
    logarithmic,
    number,
    of_evils,
    rows,
    stacked,
)
from dashboards.queries import (
    NO_TIME_WAIT,
    PATH,
    PROTECTED,
    STALLED,
    Query,
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
    The dashboard of one host, where Fleet leads to.
    """
    made = frame(
        "Host",
        "One host in detail, or a few together: what its settings promise on each path, what its"
        " connections really do, and how they ended. Choose one host above.",
        since="now-6h",
    )
    for panel in (*_answers(), *_settings(), *_connections(), *_workloads(), *_ends()):
        made.with_panel(panel)
    return made.with_row(_namespaces()).with_row(_timers()).with_row(health())


def _answers() -> Iterator[stat.Panel]:
    yield number(
        "Settings",
        "Whether the keepalive settings of every network namespace send the first probe before"
        " every path's idle timeout. If not, the table below shows which and by how much;"
        " `tcp-keepalive-exporter fix` prints the remedy.",
        now(f"min({own('path_protected', PATH)})"),
        thresholds=look.steps(look.RED, (1, look.GREEN)),
        alert="TCPKeepaliveMisconfigured",
    ).mappings([look.words({"0": ("unprotected", look.RED), "1": ("protected", look.GREEN)})])
    yield number(
        "Connections protected",
        "The share of connections over paths whose mapping something will refresh in time: their"
        " own keepalive or the peer's. Busy connections need none, so less than 100 % is not yet"
        " wrong; those at risk are.",
        now(f"sum({own('connections', PATH, PROTECTED)}) / sum({_CONNECTIONS})"),
        unit="percentunit",
        thresholds=look.NEUTRAL,
    )
    yield number(
        "At risk now",
        "Connections that have been idle for nearly their path's timeout or longer, and that"
        " nothing will refresh in time. They will be dead when next used. Workloads, below, says"
        " whose they are; `tcp-keepalive-exporter connections` on the host lists them.",
        now(f"sum({own('at_risk_connections')})"),
        thresholds=look.NONE_IS_WELL_ELSE_LOOK,
        alert="TCPKeepaliveAtRiskConnections",
    )
    yield number(
        "Hanging now",
        "Connections that send and are not answered after having been idle: their applications"
        " hang at this moment. Restart or reconnect the client; keepalive keeps it from coming"
        " again.",
        now(f"sum({own('connections', STALLED, PATH)})"),
        alert="TCPKeepaliveStalledConnections",
    )
    yield number(
        "Idle drops",
        "Connections that died of idling within the time range shown. Each was an error or a hang"
        " for somebody; the Drops dashboard shows them in detail.",
        now(f"round(sum({increase('idle_drops_total', PATH)}))"),
        alert="TCPKeepaliveIdleDrops",
    )
    yield number(
        "Last sample",
        "How old what you see is. Above a minute or so, sampling fails or is slow: see the"
        " exporter's own health at the bottom and its log.",
        now(f"time() - min({own('sample_timestamp_seconds')})"),
        unit=look.SECONDS,
        thresholds=look.steps(look.TEXT, (120, look.ORANGE), (600, look.RED)),
        alert="TCPKeepaliveCollectorFailing",
    )


def _settings() -> Iterator[bargauge.Panel | table.Panel | timeseries.Panel]:
    yield rows(
        "Settings against paths",
        "For each network namespace and path: after how much idling the settings send the first"
        " probe, and when the path forgets. They hold for connections that have keepalive on and"
        " set no times of their own. Good is yes with at least two probes, so that a lost one"
        " costs nothing.",
        cells(f"min by (netns, path) ({own('path_protected', PATH)})"),
        cells(_onto_paths("netns", own("time_seconds"))),
        cells(_onto_paths("path", own("path_idle_timeout_seconds", PATH))),
        cells(f"min by (netns, path) ({own('path_probes_before_timeout', PATH)})"),
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
            "What is wrong with the settings. `tcp-keepalive-exporter check` on the host says what"
            " each means, and `tcp-keepalive-exporter fix` prints the remedy. Empty is well.",
            cells(f"count by (id, severity, netns) ({own('finding')})"),
            columns={
                "severity": severity("Severity").wide(90),
                "id": finding("Finding"),
                "netns": text("Namespace").wide(130),
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
                "The settings' keepalive time must stay well below every timeout (dashed); half of"
                " it or less is safe. A step is somebody changing the settings: connections opened"
                " before keep their old times.",
                Query(f"max by (netns) ({own('time_seconds')})", "keepalive time, {{netns}}"),
                Query(f"max({own('recommended_time_seconds')})", "recommended"),
                Query(
                    f"min by (path) ({own('path_idle_timeout_seconds', PATH)})", "timeout, {{path}}"
                ),
                unit=look.SECONDS,
                colors={"keepalive time, host": look.BLUE},
            )
        )
        .override_by_regexp("timeout.*", look.dashed(look.RED))
        .override_by_regexp("recommended", look.dashed(look.GREEN))
    )
    yield bucket_bars(
        "Keepalive times connections really have",
        "After how much idling connections with keepalive really send their first probe, whatever"
        " the settings say now. Those above the path's timeout are late: their programs set a time"
        " of their own, or they were opened before the settings were changed.",
        buckets_now(f"sum by (le) ({own('connection_keepalive_time_seconds_bucket', PATH)})"),
    )


def _connections() -> Iterator[heatmap.Panel | timeseries.Panel]:
    yield stacked(
        graph(
            "Protection",
            "What will refresh the connections' mappings in time. late and none are dead when idle"
            " for longer than the timeout. After a change of settings, late should shrink as"
            " connections are opened anew.",
            *(
                Query(f"sum({own('connections', PATH, protection(each))})", each)
                for each in look.PROTECTION
            ),
            colors=look.PROTECTION,
        )
    )
    yield stacked(
        graph(
            "Idle state",
            "How near the connections are to their path's timeout. near_limit and over_limit are"
            " only bad without protection; stalled is dead and in use.",
            Query(f"sum by (idle_state) ({_CONNECTIONS})", "{{idle_state}}"),
            colors=look.IDLE_STATE,
        )
    )
    idle = f"sum by (le) ({own('connection_idle_seconds_bucket', PATH)})"
    yield heat(
        "How long connections have been idle",
        "Connections by how long they have been idle. The empty band is the timeout: what is above"
        " it is dead unless its path's timeout is really longer. Good is a picture that ends at"
        " the keepalive time.",
        buckets(f"{idle} or {_gap_at_timeouts(idle)}"),
        size=(24, 9),
    )


def _workloads() -> Iterator[table.Panel | timeseries.Panel]:
    workloads = "by (workload)"
    at_risk = own("workload_at_risk_connections")
    yield rows(
        "Workloads",
        "Whose connections they are: systemd units, containers, pods. Those at risk need a"
        " keepalive time below the path's timeout, or SO_KEEPALIVE in the first place.",
        cells(f"topk(20, sum {workloads} ({at_risk}))"),
        cells(f"topk(20, sum {workloads} ({own('workload_connections')}))"),
        columns={
            "workload": text("Workload"),
            "A": gauge("At risk", look.ORANGE),
            "B": count("Connections").wide(110),
        },
        sort="At risk",
    )
    yield stacked(
        of_evils(
            graph(
                "Connections at risk by workload",
                "When whose connections come near or over their path's timeout with nothing to"
                " refresh them. A shape that repeats is a pool that rests; a level that only grows"
                " is a leak of dead connections.",
                Query(f"sum {workloads} ({at_risk}) > 0", "{{workload}}"),
            )
        )
    )


def _ends() -> Iterator[timeseries.Panel]:
    closures = per_minute("closure_idle_seconds_count", PATH)
    yield bars_over_time(
        graph(
            "Closures per minute",
            "How connections over paths ended, by reason. normal (right axis) is both ends"
            " closing. retransmit_timeout after idling is a silent drop, reset is a path that"
            " answers with a reset, keepalive_timeout is a vanished peer or a keepalive that came"
            " too late.",
            Query(f"sum by (reason) ({closures})", "{{reason}}"),
            colors=look.REASON,
        )
    ).override_by_name("normal", look.right_axis(look.COUNT))
    yield bars_over_time(
        of_evils(
            graph(
                "Idle drops per minute",
                "Connections that died of idling, by path. If a path protected by the settings has"
                " drops, its clients do not switch keepalive on, or its real timeout is shorter"
                " than configured.",
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
                "A new namespace starts with the operating system's defaults, whatever the host"
                " has: a container needs settings of its own. Dead peers is how long a connection"
                " to a vanished peer lives.",
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
                    "F": gauge("At risk", look.ORANGE),
                },
                sort="At risk",
                size=(24, 7),
            )
        )
        .with_panel(
            graph(
                "Keepalive probes and connections given up, per minute",
                "Probes are what keeps idle connections alive: none at all, with idle connections"
                " there, means that nobody switched keepalive on. Given up (right axis) are those"
                " that the kernel ended because nothing was answered any more; a rise without idle"
                " drops is a peer or a network that is down.",
                Query(f"sum {by_netns} ({per_minute('probes_sent_total')})", "probes, {{netns}}"),
                Query(
                    f"sum {by_netns} ({per_minute('timeout_aborts_total')})", "given up, {{netns}}"
                ),
                size=(24, 7),
            ).override_by_regexp("given up.*", look.right_axis(look.COUNT))
        )
    )


def _timers() -> Row:
    expires = own("timer_expires_seconds_bucket", PATH)
    return (
        Row("Kernel timers: what the kernel says of each connection")
        .with_panel(
            stacked(
                graph(
                    "Connections by timer",
                    "keepalive: SO_KEEPALIVE is on and nothing is in flight. none: keepalive is"
                    " off. Many in retransmit or zero_window: peers do not answer or do not read.",
                    Query(
                        f"sum by (timer) ({own('connection_timers', NO_TIME_WAIT)})", "{{timer}}"
                    ),
                    colors=look.TIMER,
                )
            )
        )
        .with_panel(
            heat(
                "Time to the next keepalive check",
                "When the kernel next looks at the connections' keepalive. Rows above the path's"
                " timeout are connections whose keepalive will come too late.",
                buckets(f"sum by (le) ({expires})"),
            )
        )
    )


def _onto_paths(label: str, metric: str) -> str:
    """
    A metric that has one label of netns and path, for each pair of them that there is.
    """
    pairs = f"0 * {own('path_protected', PATH)}"
    return f"max by (netns, path) ({pairs} + on (job, instance, {label}) group_left () {metric})"


def _gap_at_timeouts(buckets_by_le: str) -> str:
    """
    For each timeout, an empty bucket just above it, which a heatmap shows as an empty band.

    Every timeout is a bucket's edge, and edges are written with a decimal point.
    """
    timeouts = f'count_values("le", {own("path_idle_timeout_seconds", PATH)})'
    edges = f'label_replace({timeouts}, "le", "$1.0", "le", "([0-9]+)")'
    return f'label_replace({buckets_by_le} and on (le) {edges}, "le", "${{1}}1", "le", "(.+)")'
