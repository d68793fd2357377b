"""
Every query of every dashboard runs on a real Prometheus, with the expected results.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from exporter.metrics import families
from tests.dashboards.committed import Query, dashboards, fill_in, queries
from tests.dashboards.plans import CONFIG, plans
from tests.dashboards.prometheus import Prometheus, prometheus, real_exposition, write_blocks
from tests.lab.requirements import needs
from tests.snapshots import WITH_PORTS, full_snapshot, no_closures

pytestmark = pytest.mark.system

BEGIN = 1_700_000_000 // 86400 * 86400.0 + 10 * 3600
HOURS = 21.5
END = BEGIN + HOURS * 3600
STEP = 300.0
HOSTS = (
    "web-02",
    "api-01",
    "worker-01",
    "worker-04",
    "batch-02",
    "batch-03",
    "office-gw-01",
    "node-01",
)
"""One of each kind: restarted, with a bad client, corrected, not corrected, failing, silent, ..."""


@dataclass(frozen=True, slots=True)
class Story:
    """
    A Prometheus with the invented fleet's data until the end of a night.
    """

    prometheus: Prometheus

    def ask(self, query: Query, host: str = ".+") -> list[dict[str, Any]]:
        """
        The result of a query as Grafana would send it for the whole time range.
        """
        expression = query.filled_in(
            range=f"{HOURS * 3600:g}s", rate_interval=f"{4 * STEP:g}s", host=host
        )
        return self.at_end(expression) if query.json["instant"] else self.over_time(expression)

    def at_end(self, expression: str) -> list[dict[str, Any]]:
        """
        The result of an expression at the end.
        """
        return self._result("query", query=expression, time=str(END - STEP))

    def over_time(self, expression: str) -> list[dict[str, Any]]:
        """
        The result of an expression over the time range.
        """
        times = {"start": str(BEGIN), "end": str(END - STEP), "step": str(STEP)}
        return self._result("query_range", query=expression, **times)

    def _result(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.prometheus.api(path, **parameters)["result"]
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """
    A day and a night of data, with one host of each kind.
    """
    needs("promtool")
    folder = tmp_path_factory.mktemp("prometheus")
    config = folder / "exporter.yml"
    config.write_text(CONFIG)
    chosen = [plan for plan in plans() if plan.name in HOSTS]
    write_blocks(folder, chosen, real_exposition(config), begin=BEGIN, end=END, step=STEP)
    with prometheus(folder) as running:
        yield Story(running)


@pytest.mark.parametrize("query", queries(), ids=str)
def test_query_has_results(story: Story, query: Query) -> None:
    """
    Every query has results, without NaN.
    """
    series = story.ask(query)
    assert series
    values = [value for each in series for _, value in each.get("values", [each.get("value")])]
    assert "NaN" not in values


@pytest.mark.parametrize("query", queries(), ids=str)
def test_query_of_one_host(story: Story, query: Query) -> None:
    """
    With a single host selected, a query returns no series of other hosts.
    """
    host = "worker-01:10240"
    for series in story.ask(query, host):
        assert series["metric"].get("instance", host) == host


@pytest.mark.parametrize("name", dashboards())
def test_annotations(story: Story, name: str) -> None:
    """
    The restart and the change of settings are annotated, once each.
    """
    annotations = dashboards()[name]["annotations"]["list"]
    for annotation in annotations:
        expression = fill_in(annotation["expr"], rate_interval=f"{2 * STEP:g}s")
        (series,) = story.over_time(expression)
        assert 1 <= len(series["values"]) <= 3, annotation["name"]


def test_invented_series_are_real(story: Story) -> None:
    """
    The exporter has every series of the invented hosts, with the same names and labels.
    """
    snapshot = full_snapshot()
    real = {
        (sample.name, frozenset(sample.labels))
        for family in families(snapshot, no_closures(), WITH_PORTS, now=snapshot.due)
        for sample in family.samples
    }
    found = [each["metric"] for each in story.at_end('{__name__=~"tcp_keepalive_.+"}')]
    invented = {
        (labels["__name__"], frozenset(labels) - {"__name__", "job", "instance"})
        for labels in found
    }
    assert invented
    assert invented - real == set()


def _answer(story: Story, dashboard: str, title: str, ref_id: str = "A") -> float:
    (query,) = (
        query
        for query in queries()
        if query.panel.dashboard == dashboard
        and query.panel.json["title"] == title
        and query.json["refId"] == ref_id
    )
    (series,) = story.ask(query)
    return float(series["value"][1])


def test_fleet_stats(story: Story) -> None:
    """
    The first row counts the hosts correctly.
    """
    assert _answer(story, "fleet", "Hosts", "A") == len(HOSTS) - 1
    assert _answer(story, "fleet", "Hosts", "B") == 1, "batch-03 has fallen silent"
    assert _answer(story, "fleet", "Hosts unprotected") == 2, "worker-04, batch-02"
    assert _answer(story, "fleet", "At risk now") > 0
    assert _answer(story, "fleet", "Hanging now") > 0
    assert _answer(story, "fleet", "Idle drops") > 100


def test_unaffected_namespaces(story: Story) -> None:
    """
    The host dashboard leaves out the unprotected namespace of a pod whose connections do not depend
    on it, and counts its findings.
    """
    (paths,) = (
        query
        for query in queries()
        if query.panel.json["title"] == "Settings against paths" and query.json["refId"] == "A"
    )
    shown = {each["metric"]["netns"] for each in story.ask(paths, "node-01:10240")}
    assert shown == {"host", "shop/checkout"}
    (findings,) = (
        query
        for query in queries()
        if query.panel.dashboard == "host" and query.panel.json["title"] == "Findings"
    )
    counted = {
        (each["metric"]["id"], each["metric"]["severity"]): each["value"][1]
        for each in story.ask(findings, "node-01:10240")
    }
    assert counted == {("KA001", "info"): "1", ("KA008", "info"): "1"}


def test_drops_stats(story: Story) -> None:
    """
    The first row finds the path with a shorter timeout than configured.
    """
    assert _answer(story, "drops", "Paths timing out early") == 1, "office-firewall"
    assert _answer(story, "drops", "Hosts hit") >= 5
    assert _answer(story, "drops", "Closures lost") == 0


def test_deaths_begin_at_the_timeout(story: Story) -> None:
    """
    The cliff: no deaths before the NAT's timeout, many just after it.
    """
    (query,) = (query for query in queries() if query.panel.json["title"] == "The cliff")
    (timeout, counts) = (240.0, {})
    expression = query.filled_in(range=f"{HOURS * 3600:g}s").replace(
        'path=~".+"', 'path="azure-outbound"'
    )
    for series in story.at_end(expression):
        counts[float(series["metric"]["le"])] = float(series["value"][1])
    assert counts[timeout] == 0
    assert counts[600.0] > 10


def test_empty_band_lies_above_each_timeout(story: Story) -> None:
    """
    The heatmap of idle times has an empty bucket just above each timeout.
    """
    (query,) = (
        query
        for query in queries()
        if query.panel.json["title"] == "How long connections have been idle"
    )
    buckets = {float(each["metric"]["le"]): each["values"] for each in story.ask(query)}
    edges = sorted(buckets)
    for timeout in (240.0, 3600.0):
        above = edges[edges.index(timeout) + 1]
        assert above - timeout < 0.1
        assert buckets[above] == buckets[timeout]
