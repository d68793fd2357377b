"""
Drops dashboard for an incident: time, idle time, path and workload of dropped connections.
"""

from collections.abc import Iterator

from grafana_foundation_sdk.builders import bargauge, heatmap, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.models import common as options

from dashboards import style
from dashboards.columns import count, gauge, host, seconds, text
from dashboards.frame import frame
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
    AT_RISK,
    BY_HOST,
    DIED,
    PATH,
    STALLED,
    Query,
    buckets,
    buckets_now,
    cells,
    increase,
    now,
    own,
    per_minute,
)

_DROPS = increase("idle_drops_total", PATH)
_TIMEOUTS = own("path_idle_timeout_seconds", PATH)
_SURVIVED = own("longest_idle_survived_seconds", PATH)
_FATAL = own("shortest_idle_fatal_seconds", PATH)
_SHORTER_THAN_CONFIGURED = f"{_FATAL} < on (job, instance, path) group_left () {_TIMEOUTS}"
_POINTS = 200


def drops() -> Dashboard:
    """
    The dashboard for the analysis of an incident.
    """
    made = frame(
        "Drops",
        "Connections dropped after an idle spell: when, at what idle time, on which path, of which"
        " workload. Set the time range to the incident.",
        since="now-24h",
    )
    for panel in (*_stats(), *_when(), *_at_what_idle_time(), *_which_path(), *_owners()):
        made.with_panel(panel)
    return made.with_row(_evidence())


def _stats() -> Iterator[stat.Panel]:
    yield number(
        "Idle drops",
        "Connections that did not end normally, after an idle spell of at least three quarters of"
        " their path's timeout, within the time range. Each was an error or a hang in an"
        " application.",
        now(f"round(sum({_DROPS}))"),
        alert="TCPKeepaliveIdleDrops",
    )
    yield number(
        "Hosts hit",
        "Hosts that had idle drops within the time range. One: check its settings and clients."
        " Many at once: check the path they share.",
        now(f"count(sum {BY_HOST} ({_DROPS}) > 0.5) or 0 * sum({_TIMEOUTS})"),
        alert="TCPKeepaliveFleetIdleDrops",
    )
    yield number(
        "Hanging now",
        "Connections whose data or probes are not answered after an idle spell. They become idle"
        " drops when the kernel gives up, in up to a quarter of an hour.",
        now(f"sum({own('connections', STALLED, PATH)})"),
        alert="TCPKeepaliveStalledConnections",
    )
    yield (
        number(
            "Most frequent reason",
            "The reason of most idle drops. retransmit_timeout: dropped silently, applications"
            " hung. reset: the path answered with a reset, applications got an error at once."
            " keepalive_timeout: keepalive was on and came too late, or the peer had vanished.",
            now(f"topk(1, sum by (reason) ({_DROPS}) > 0)", "{{reason}}"),
            thresholds=style.NEUTRAL,
        )
        .text_mode(options.BigValueTextMode.NAME)
        .no_value("no drops")
    )
    yield number(
        "Paths timing out early",
        "Paths on which connections were dropped after less idling than the configured timeout."
        " The value is wrong, or another device on the path has a shorter timeout. Compare in"
        " Which path, below.",
        now(f"count(count by (path) ({_SHORTER_THAN_CONFIGURED})) or 0 * sum({_TIMEOUTS})"),
        alert="TCPKeepalivePathTimeoutShorter",
    )
    yield number(
        "Closures lost",
        "Closure events that came too fast for the exporter to read. At most this many idle drops"
        " may be missing here.",
        now(f"round(sum({increase('closure_events_lost_total')}))"),
        thresholds=style.ORANGE_IF_ANY,
        alert="TCPKeepaliveClosuresLost",
    )


def _when() -> Iterator[timeseries.Panel]:
    minutely = per_minute("idle_drops_total", PATH)
    yield bars_over_time(
        redder_if_higher(
            graph(
                "Idle drops per minute, by path",
                "When connections were dropped. A sharp peak: many connections of one pool were"
                " used again after a pause, or a device on the path lost its state. A steady rate:"
                " settings.",
                Query(f"sum by (path) ({minutely})", "{{path}}"),
            )
        )
    ).max_data_points(_POINTS)
    yield bars_over_time(
        graph(
            "Idle drops per minute, by reason",
            "The same by reason. The kernel takes up to a quarter of an hour to give up"
            " (retransmit_timeout). The connection was dead, and its application hung, for that"
            " time before the drop.",
            Query(f"sum by (reason) ({minutely})", "{{reason}}"),
            colors=style.REASON,
        )
    ).max_data_points(_POINTS)


def _at_what_idle_time() -> Iterator[bargauge.Panel | heatmap.Panel]:
    closures = ("closure_idle_seconds_bucket", PATH, DIED)
    yield heat(
        "At what idle time",
        "Idle time of the connections that did not end normally, over time. Rows below the timeout"
        " are ordinary failures. If drops begin at one row, that is the path's timeout.",
        buckets(f"sum by (le) ({per_minute(*closures)})"),
        scheme="Reds",
    ).max_data_points(_POINTS)
    yield bucket_bars(
        "The cliff",
        "The same for the whole time range. A path's timeout shows as a cliff: few drops below it,"
        " many above. A cliff that is not at the configured timeout is at the real timeout.",
        buckets_now(f"sum by (le) ({increase(*closures)})"),
        color=style.RED,
    )


def _which_path() -> Iterator[table.Panel | timeseries.Panel]:
    by_path = "by (path)"
    yield rows(
        "Which path",
        "A path's real timeout is between the longest idle time survived and the shortest fatal"
        " one. If the configured timeout is not, correct it in the exporter's config file, and"
        " correct the keepalive times too.",
        cells(f"max {by_path} ({_TIMEOUTS})"),
        cells(f"max {by_path} ({_SURVIVED})"),
        cells(f"min {by_path} ({_FATAL})"),
        cells(f"round(sum {by_path} ({_DROPS}))"),
        columns={
            "path": text("Path"),
            "A": seconds("Timeout"),
            "B": seconds("Longest survived"),
            "C": seconds("Shortest fatal"),
            "D": gauge("Idle drops", style.RED),
        },
        sort="Idle drops",
    )
    yield (
        logarithmic(
            graph(
                "Real timeouts",
                "The longest idle time survived (green) and the shortest fatal one (red) on each"
                " path, with the configured timeout (dashed). The real timeout is between green"
                " and red.",
                Query(f"max {by_path} ({_SURVIVED})", "{{path}}, survived"),
                Query(f"min {by_path} ({_FATAL})", "{{path}}, fatal"),
                Query(f"max {by_path} ({_TIMEOUTS})", "{{path}}, configured"),
                unit=style.SECONDS,
            )
        )
        .fill_opacity(0)
        .override_by_regexp(".*survived", [style.color(style.GREEN)])
        .override_by_regexp(".*fatal", [style.color(style.RED)])
        .override_by_regexp(".*configured", style.dashed(style.GREY))
        .max_data_points(_POINTS)
    )


def _owners() -> Iterator[table.Panel | timeseries.Panel]:
    at_risk = own("workload_at_risk_connections")
    most = f"max by (workload) (max_over_time({at_risk}[$__range])) > 0"
    yield rows(
        "Which hosts",
        "The 20 hosts with the most idle drops. The name links to the host's dashboard. The log on"
        ' that host has a line for each drop: `msg="idle drop"`, with path, reason and idle time.',
        cells(f"topk(20, round(sum {BY_HOST} ({_DROPS})) > 0)"),
        cells(f"sum {BY_HOST} ({own('connections', STALLED, PATH)}) > 0"),
        columns={
            "instance": host(),
            "A": gauge("Idle drops", style.RED),
            "B": count("Hanging now", style.RED).wide(110),
        },
        sort="Idle drops",
    )
    yield rows(
        "Workloads at risk",
        "The 20 workloads with the most connections at risk at once on one host, within the time"
        " range. These connections die when next used.",
        cells(f"topk(20, {most})"),
        cells(f"sum by (workload) ({at_risk}) and {most}"),
        columns={
            "workload": text("Workload"),
            "A": gauge("Most at risk", style.ORANGE),
            "B": count("At risk now").wide(110),
        },
        sort="Most at risk",
    )
    yield stacked(
        redder_if_higher(
            graph(
                "Hanging",
                "Connections whose data or probes are not answered after an idle spell. Each blocks"
                " a caller for up to a quarter of an hour and then counts as an idle drop.",
                Query(f"sum by (path) ({own('connections', STALLED, PATH)})", "{{path}}"),
            )
        )
    ).max_data_points(_POINTS)
    yield stacked(
        graph(
            "At risk, by protection",
            "Connections about to be dropped. late: keepalive is on, but comes after the timeout."
            " none: keepalive is off.",
            Query(
                f"sum by (protection) ({own('connections', PATH, AT_RISK)})",
                "{{protection}}",
            ),
            colors=style.PROTECTION,
        )
    ).max_data_points(_POINTS)


def _evidence() -> Row:
    return (
        Row("Evidence: all closures, and whether events were lost")
        .with_panel(
            graph(
                "All closures per minute",
                "All closures of connections that cross a path, by reason. Idle drops are those"
                " that are not normal and came after a long idle spell.",
                Query(
                    f"sum by (reason) ({per_minute('closure_idle_seconds_count', PATH)})",
                    "{{reason}}",
                ),
                colors=style.REASON,
            ).max_data_points(_POINTS)
        )
        .with_panel(
            graph(
                "Closures lost per minute",
                "Closure events that came too fast for the exporter to read. Idle drops among them"
                " are missing here. Grant the exporter CAP_NET_ADMIN for a larger buffer.",
                Query(f"sum({per_minute('closure_events_lost_total')})", "lost"),
                colors={"lost": style.RED},
            ).max_data_points(_POINTS)
        )
    )
