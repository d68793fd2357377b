"""
PromQL for the panels: every selector follows the dashboard's variables.
"""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PREFIX = "tcp_keepalive_"
BY_HOST = "by (job, instance)"

_SELECTED = ('job=~"$job"', 'instance=~"$instance"')

# Other matchers.
ANY_PATH = 'path!="none"'
PATH = f'path=~"$path", {ANY_PATH}'
STALLED = 'idle_state="stalled"'
OPEN_AT_PEER = 'idle_state!="peer_closed"'
PROTECTED = 'protection=~"own|peer"'
AT_RISK = 'protection=~"late|none", idle_state=~"near_limit|over_limit"'
DIED = 'reason!~"normal|abort"'
SERIOUS = 'severity=~"critical|warning"'
HOST_NETNS = 'netns="host"'
NO_TIME_WAIT = 'timer!="time_wait"'
UNREADABLE = 'readable="false"'


@dataclass(frozen=True, slots=True)
class Query:
    """
    A query of a panel: over the time range or, if instant, at its end.
    """

    expression: str
    legend: str = ""
    format: PromQueryFormat = PromQueryFormat.TIME_SERIES
    instant: bool = False

    def build(self, ref_id: str) -> prometheus.Dataquery:
        """
        The query as a panel's target.
        """
        query = prometheus.Dataquery().ref_id(ref_id).expr(self.expression).format(self.format)
        query = query.legend_format(self.legend)
        return query.instant() if self.instant else query.range()


def now(expression: str, legend: str = "") -> Query:
    """
    A query for the value at the end of the time range.
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
    A selector for a metric by its full name, on the selected hosts.
    """
    return f"{metric}{{{', '.join((*_SELECTED, *matchers))}}}"


def own(metric: str, *matchers: str) -> str:
    """
    A selector for one of the exporter's metrics, on the selected hosts.
    """
    return raw(PREFIX + metric, *matchers)


def affected(metric: str, *matchers: str) -> str:
    """
    A selector for a metric by network namespace, without those in which no connection is affected
    by unprotected paths.
    """
    return f"({own(metric, *matchers)} unless on (job, instance, netns) {_UNAFFECTED})"


def up() -> str:
    """
    1 for each selected host whose exporter was scraped, 0 where the scrape failed.

    With all jobs selected, targets of other exporters are excluded.
    """
    return f"{raw('up')} and on (job) {own('exporter_build_info')}"


def of_exporters(expression: str) -> str:
    """
    An expression over metrics that other processes also export, restricted to the exporters.
    """
    return f"{expression} and on (job, instance) {own('exporter_build_info')}"


def increase(metric: str, *matchers: str) -> str:
    """
    The increase of one of the exporter's counters within the dashboard's time range.
    """
    return f"increase({own(metric, *matchers)}[$__range])"


def protection(which: str) -> str:
    """
    A matcher for one protection.
    """
    return f'protection="{which}"'


def per_minute(metric: str, *matchers: str) -> str:
    """
    The rate per minute of one of the exporter's counters.

    """
    return f"60 * rate({own(metric, *matchers)}[$__rate_interval])"


_UNAFFECTED = own("finding", 'id=~"KA001|KA013"', 'severity="info"')
