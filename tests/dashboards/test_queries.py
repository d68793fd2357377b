"""
Every query of every dashboard runs on a real Prometheus, and finds what is there.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from exporter.config.schema import Config
from exporter.metrics import families
from tests.dashboards.committed import Query, dashboards, fill_in, queries
from tests.dashboards.plans import CONFIG, plans
from tests.dashboards.prometheus import Prometheus, prometheus, real_exposition, write_blocks
from tests.lab.requirements import is_root
from tests.snapshots import full_snapshot, no_closures

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None and not is_root(), reason="needs Debian's prometheus"
)

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
"""One of each kind: restarted, with a bad client, repaired, unrepaired, failing, silent, ..."""


@dataclass(frozen=True, slots=True)
class Story:
    """
    A Prometheus that knows the invented fleet until a night's end, and how to ask it.
    """

    prometheus: Prometheus

    def ask(self, query: Query, host: str = ".+") -> list[dict[str, Any]]:
        """
        The series that a query finds, as Grafana would ask for all that time.
        """
        expression = query.filled_in(
            range=f"{HOURS * 3600:g}s", rate_interval=f"{4 * STEP:g}s", host=host
        )
        return self.at_end(expression) if query.json["instant"] else self.over_time(expression)

    def at_end(self, expression: str) -> list[dict[str, Any]]:
        """
        The series that an expression finds at the end.
        """
        return self._result("query", query=expression, time=str(END - STEP))

    def over_time(self, expression: str) -> list[dict[str, Any]]:
        """
        The series that an expression finds between begin and end.
        """
        times = {"start": str(BEGIN), "end": str(END - STEP), "step": str(STEP)}
        return self._result("query_range", query=expression, **times)

    def _result(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.prometheus.api(path, **parameters)["result"]
        return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """
    A day and a night of one host of each kind.
    """
    folder = tmp_path_factory.mktemp("prometheus")
    config = folder / "exporter.yml"
    config.write_text(CONFIG)
    chosen = [plan for plan in plans() if plan.name in HOSTS]
    write_blocks(folder, chosen, real_exposition(config), begin=BEGIN, end=END, step=STEP)
    with prometheus(folder) as running:
        yield Story(running)


@pytest.mark.parametrize("query", queries(), ids=str)
def test_query_finds_something(story: Story, query: Query) -> None:
    """
    The story has something for every query; numbers are numbers.
    """
    series = story.ask(query)
    assert series
    values = [value for each in series for _, value in each.get("values", [each.get("value")])]
    assert "NaN" not in values


@pytest.mark.parametrize("query", queries(), ids=str)
def test_query_of_one_host(story: Story, query: Query) -> None:
    """
    It runs too where a single host is chosen, and then finds nothing of others.
    """
    host = "worker-01:10240"
    for series in story.ask(query, host):
        assert series["metric"].get("instance", host) == host


@pytest.mark.parametrize("name", dashboards())
def test_annotations(story: Story, name: str) -> None:
    """
    The restart and the change of settings that there were are marked, once each.
    """
    annotations = dashboards()[name]["annotations"]["list"]
    for annotation in annotations:
        expression = fill_in(annotation["expr"], rate_interval=f"{2 * STEP:g}s")
        (series,) = story.over_time(expression)
        assert 1 <= len(series["values"]) <= 3, annotation["name"]


def test_the_story_has_real_series(story: Story) -> None:
    """
    What the invented hosts publish, the exporter does, by those names and labels.
    """
    snapshot = full_snapshot()
    real = {
        (sample.name, frozenset(sample.labels))
        for family in families(snapshot, no_closures(), Config(), now=snapshot.due)
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


def test_fleet_answers(story: Story) -> None:
    """
    The first row counts the hosts right.
    """
    assert _answer(story, "fleet", "Hosts", "A") == len(HOSTS) - 1
    assert _answer(story, "fleet", "Hosts", "B") == 1, "batch-03 has fallen silent"
    assert _answer(story, "fleet", "Hosts unprotected") == 3, "worker-04, batch-02, node-01"
    assert _answer(story, "fleet", "At risk now") > 0
    assert _answer(story, "fleet", "Hanging now") > 0
    assert _answer(story, "fleet", "Idle drops") > 100


def test_drops_answers(story: Story) -> None:
    """
    The first row finds the path that forgets before its time.
    """
    assert _answer(story, "drops", "Paths that forget early") == 1, "office-firewall"
    assert _answer(story, "drops", "Hosts hit") >= 5
    assert _answer(story, "drops", "Closures lost") == 0


def test_deaths_begin_at_the_timeout(story: Story) -> None:
    """
    The cliff: nothing died before the NAT's timeout, much right behind it.
    """
    (query,) = (query for query in queries() if query.panel.json["title"] == "The cliff")
    (forgets, counts) = (240.0, {})
    expression = query.filled_in(range=f"{HOURS * 3600:g}s").replace(
        'path=~".+"', 'path="azure-outbound"'
    )
    for series in story.at_end(expression):
        counts[float(series["metric"]["le"])] = float(series["value"][1])
    assert counts[forgets] == 0
    assert counts[600.0] > 10


def test_empty_band_lies_above_each_timeout(story: Story) -> None:
    """
    The heatmap of idle times has a bucket that is empty just above each timeout.
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
