"""
PromQL for the panels: every selector follows the dashboard's variables.
"""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PREFIX = "tcp_keepalive_"
BY_HOST = "by (job, instance)"

_CHOSEN = ('job=~"$job"', 'instance=~"$instance"')

# Other matchers.
ANY_PATH = 'path!="none"'
PATH = f'path=~"$path", {ANY_PATH}'
STALLED = 'idle_state="stalled"'
PROTECTED = 'protection=~"own|peer"'
AT_RISK = 'protection=~"late|none", idle_state=~"near_limit|over_limit"'
DIED = 'reason!="normal"'
SERIOUS = 'severity=~"critical|warning"'
HOST_NETNS = 'netns="host"'
NO_TIME_WAIT = 'timer!="time_wait"'
UNREADABLE = 'readable="false"'


@dataclass(frozen=True, slots=True)
class Query:
    """
    One query of a panel: over the time range or, if instant, at its end.
    """

    expression: str
    legend: str = ""
    format: PromQueryFormat = PromQueryFormat.TIME_SERIES
    instant: bool = False

    def build(self, ref_id: str) -> prometheus.Dataquery:
        """
        The query as the panels take it.
        """
        query = prometheus.Dataquery().ref_id(ref_id).expr(self.expression).format(self.format)
        query = query.legend_format(self.legend)
        return query.instant() if self.instant else query.range()


def now(expression: str, legend: str = "") -> Query:
    """
    A query whose value at the end of the time range is shown.
    """
    return Query(expression, legend, instant=True)


def cells(expression: str) -> Query:
    """
    A query that fills a column of a table.
    """
    return Query(expression, format=PromQueryFormat.TABLE, instant=True)


def buckets(expression: str) -> Query:
    """
    A query for the buckets of a histogram over time, by `le`.
    """
    return Query(expression, "{{le}}", PromQueryFormat.HEATMAP)


def buckets_now(expression: str) -> Query:
    """
    A query for the buckets of a histogram at the end of the time range, by `le`.
    """
    return Query(expression, "{{le}}", PromQueryFormat.HEATMAP, instant=True)


def raw(metric: str, *matchers: str) -> str:
    """
    A selector for a metric by its whole name, of the chosen hosts.
    """
    return f"{metric}{{{', '.join((*_CHOSEN, *matchers))}}}"


def own(metric: str, *matchers: str) -> str:
    """
    A selector for one of the exporter's own metrics, of the chosen hosts.
    """
    return raw(PREFIX + metric, *matchers)


def up() -> str:
    """
    1 for each chosen host whose exporter was scraped, 0 for those where that failed.

    All jobs may be chosen, and then there are others' targets, which are left out.
    """
    return f"{raw('up')} and on (job) {own('exporter_build_info')}"


def of_exporters(expression: str) -> str:
    """
    An expression over metrics that other processes have too, for the exporters alone.
    """
    return f"{expression} and on (job, instance) {own('exporter_build_info')}"


def increase(metric: str, *matchers: str) -> str:
    """
    How much a counter of the exporter's has grown within the dashboard's time range.
    """
    return f"increase({own(metric, *matchers)}[$__range])"


def protection(which: str) -> str:
    """
    A matcher for one protection.
    """
    return f'protection="{which}"'


def per_minute(metric: str, *matchers: str) -> str:
    """
    How much a counter of the exporter's grows in a minute.
    """
    return f"60 * rate({own(metric, *matchers)}[$__rate_interval])"
