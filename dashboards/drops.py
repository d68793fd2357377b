"""
Drops: an incident: when connections died, at what idle time, on which path, whose.
"""

from collections.abc import Iterator

from grafana_foundation_sdk.builders import bargauge, heatmap, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.models import common as options

from dashboards import style as look
from dashboards.columns import count, gauge, host, seconds, text
from dashboards.frame import frame
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
_FORGETS_EARLY = f"{_FATAL} < on (job, instance, path) group_left () {_TIMEOUTS}"
_POINTS = 200


def drops() -> Dashboard:
    """
    The dashboard for the morning after.
    """
    made = frame(
        "Drops",
        "Connections that died of idling: when, at what idle time, on which path, whose. Set the"
        " time range to the incident.",
        since="now-24h",
    )
    for panel in (*_answers(), *_when(), *_at_what_idle_time(), *_which_path(), *_whose()):
        made.with_panel(panel)
    return made.with_row(_evidence())


def _answers() -> Iterator[stat.Panel]:
    yield number(
        "Idle drops",
        "Connections that did not end normally after having been idle for at least three quarters"
        " of their path's timeout, within the time range. Each was an error or a hang for"
        " somebody.",
        now(f"round(sum({_DROPS}))"),
        alert="TCPKeepaliveIdleDrops",
    )
    yield number(
        "Hosts hit",
        "Hosts that had idle drops within the time range. One: look at its settings and clients."
        " Many at once: look at the path they share.",
        now(f"count(sum {BY_HOST} ({_DROPS}) > 0.5) or 0 * sum({_TIMEOUTS})"),
        alert="TCPKeepaliveFleetIdleDrops",
    )
    yield number(
        "Hanging now",
        "Connections that send and are not answered after having been idle. They will be idle"
        " drops when the kernel gives up, in up to a quarter of an hour.",
        now(f"sum({own('connections', STALLED, PATH)})"),
        alert="TCPKeepaliveStalledConnections",
    )
    yield (
        number(
            "How they died",
            "The most frequent way. retransmit_timeout: dropped in silence, applications hung."
            " reset: the path answered with a reset, applications got an error at once."
            " keepalive_timeout: keepalive was on and came too late, or the peer had vanished.",
            now(f"topk(1, sum by (reason) ({_DROPS}) > 0)", "{{reason}}"),
            thresholds=look.NEUTRAL,
        )
        .text_mode(options.BigValueTextMode.NAME)
        .no_value("none died")
    )
    yield number(
        "Paths that forget early",
        "Paths on which connections died after less idling than the configured timeout: its value"
        " is wrong, or something else on the way forgets sooner. Compare in Which path, below.",
        now(f"count(count by (path) ({_FORGETS_EARLY})) or 0 * sum({_TIMEOUTS})"),
        alert="TCPKeepalivePathTimeoutShorter",
    )
    yield number(
        "Closures lost",
        "Closures that came too fast for the exporter to read: that many idle drops at most may be"
        " missing here.",
        now(f"round(sum({increase('closure_events_lost_total')}))"),
        thresholds=look.NONE_IS_WELL_ELSE_LOOK,
        alert="TCPKeepaliveClosuresLost",
    )


def _when() -> Iterator[timeseries.Panel]:
    minutely = per_minute("idle_drops_total", PATH)
    yield bars_over_time(
        of_evils(
            graph(
                "Idle drops per minute, by path",
                "When connections died. A sharp peak is many connections of one pool used again"
                " after a rest, or a path that lost its memory; a steady trickle is settings.",
                Query(f"sum by (path) ({minutely})", "{{path}}"),
            )
        )
    ).max_data_points(_POINTS)
    yield bars_over_time(
        graph(
            "Idle drops per minute, by reason",
            "The same by how they died. The kernel takes up to a quarter of an hour to give up"
            " (retransmit_timeout): the connection was dead, and its application hung, that long"
            " before.",
            Query(f"sum by (reason) ({minutely})", "{{reason}}"),
            colors=look.REASON,
        )
    ).max_data_points(_POINTS)


def _at_what_idle_time() -> Iterator[bargauge.Panel | heatmap.Panel]:
    closures = ("closure_idle_seconds_bucket", PATH, DIED)
    yield heat(
        "At what idle time",
        "How long the connections that did not end normally had been idle before, over time. Rows"
        " below the timeout are ordinary failures; deaths that begin at one row are a path that"
        " forgets there.",
        buckets(f"sum by (le) ({per_minute(*closures)})"),
        scheme="Reds",
    ).max_data_points(_POINTS)
    yield bucket_bars(
        "The cliff",
        "The same for the whole time range. A path that forgets shows as a cliff: few deaths below"
        " its timeout, many above. A cliff elsewhere than at the configured timeout is the real"
        " one.",
        buckets_now(f"sum by (le) ({increase(*closures)})"),
        color=look.RED,
    )


def _which_path() -> Iterator[table.Panel | timeseries.Panel]:
    by_path = "by (path)"
    yield rows(
        "Which path",
        "A path's real timeout lies between the longest idle time that was survived and the"
        " shortest that was fatal. If its configured timeout does not, correct it in the"
        " exporter's config file, and the keepalive times with it.",
        cells(f"max {by_path} ({_TIMEOUTS})"),
        cells(f"max {by_path} ({_SURVIVED})"),
        cells(f"min {by_path} ({_FATAL})"),
        cells(f"round(sum {by_path} ({_DROPS}))"),
        columns={
            "path": text("Path"),
            "A": seconds("Timeout"),
            "B": seconds("Longest survived"),
            "C": seconds("Shortest fatal"),
            "D": gauge("Idle drops", look.RED),
        },
        sort="Idle drops",
    )
    yield (
        logarithmic(
            graph(
                "Real timeouts",
                "The longest idle time survived (green) and the shortest fatal one (red) on each"
                " path, beside the configured timeout (dashed). The real timeout lies between"
                " them.",
                Query(f"max {by_path} ({_SURVIVED})", "{{path}}, survived"),
                Query(f"min {by_path} ({_FATAL})", "{{path}}, fatal"),
                Query(f"max {by_path} ({_TIMEOUTS})", "{{path}}, configured"),
                unit=look.SECONDS,
            )
        )
        .fill_opacity(0)
        .override_by_regexp(".*survived", [look.color(look.GREEN)])
        .override_by_regexp(".*fatal", [look.color(look.RED)])
        .override_by_regexp(".*configured", look.dashed(look.GREY))
        .max_data_points(_POINTS)
    )


def _whose() -> Iterator[table.Panel | timeseries.Panel]:
    at_risk = own("workload_at_risk_connections")
    most = f"max by (workload) (max_over_time({at_risk}[$__range])) > 0"
    yield rows(
        "Which hosts",
        "The 20 hosts with the most idle drops. The name leads to the host's dashboard; its log"
        " has a"
        ' line for each: `msg="idle drop"`, with path, reason and idle time.',
        cells(f"topk(20, round(sum {BY_HOST} ({_DROPS})) > 0)"),
        cells(f"sum {BY_HOST} ({own('connections', STALLED, PATH)}) > 0"),
        columns={
            "instance": host(),
            "A": gauge("Idle drops", look.RED),
            "B": count("Hanging now", look.RED).wide(110),
        },
        sort="Idle drops",
    )
    yield rows(
        "Whose connections were at risk",
        "The 20 workloads with the most connections at risk at once on one host, within the time"
        " range: those are what dies when next used.",
        cells(f"topk(20, {most})"),
        cells(f"sum by (workload) ({at_risk}) and {most}"),
        columns={
            "workload": text("Workload"),
            "A": gauge("Most at risk", look.ORANGE),
            "B": count("At risk now").wide(110),
        },
        sort="Most at risk",
    )
    yield stacked(
        of_evils(
            graph(
                "Hanging",
                "Connections that send and are not answered after idling. Each hangs somebody for"
                " up to a quarter of an hour and then counts as an idle drop.",
                Query(f"sum by (path) ({own('connections', STALLED, PATH)})", "{{path}}"),
            )
        )
    ).max_data_points(_POINTS)
    yield stacked(
        graph(
            "At risk, by protection",
            "What is about to die: late has keepalive, but after the timeout; none has keepalive"
            " off.",
            Query(
                f"sum by (protection) ({own('connections', PATH, AT_RISK)})",
                "{{protection}}",
            ),
            colors=look.PROTECTION,
        )
    ).max_data_points(_POINTS)


def _evidence() -> Row:
    return (
        Row("Evidence: all closures, and whether they were all seen")
        .with_panel(
            graph(
                "All closures per minute",
                "Every end of a connection over a path, by reason. Idle drops are those that are"
                " not normal and came after a long idle spell.",
                Query(
                    f"sum by (reason) ({per_minute('closure_idle_seconds_count', PATH)})",
                    "{{reason}}",
                ),
                colors=look.REASON,
            ).max_data_points(_POINTS)
        )
        .with_panel(
            graph(
                "Closures lost per minute",
                "Closures that came too fast to be read. Idle drops among them are missing here."
                " Give the exporter CAP_NET_ADMIN for a larger buffer.",
                Query(f"sum({per_minute('closure_events_lost_total')})", "lost"),
                colors={"lost": look.RED},
            ).max_data_points(_POINTS)
        )
    )
