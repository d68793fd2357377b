"""
Style rules for dashboards, based on grafana/dashboard-linter.
"""

import functools
import itertools
import re

import pytest

from dashboards.files import files
from exporter.config.schema import Config
from exporter.metrics import families
from tests.alerts.rules import ALERTS
from tests.dashboards.committed import (
    FOLDER,
    Panel,
    Query,
    dashboards,
    flat,
    panels,
    queries,
)
from tests.snapshots import full_snapshot, no_closures

DASHBOARDS = dashboards()
COLUMNS = 24
MAX_PANELS = 25
MAX_STATS = 6
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
FOREIGN = {
    "up",
    "process_start_time_seconds",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
}
TIMELESS = {"table", "bargauge", "stat"}

every_dashboard = pytest.mark.parametrize("name", DASHBOARDS)
every_panel = pytest.mark.parametrize("panel", panels(), ids=str)
every_query = pytest.mark.parametrize("query", queries(), ids=str)

_SELECTOR = re.compile(r"\b([a-z]\w+)\{([^}]*)\}")
_METRIC = re.compile(r"\b(?:tcp_keepalive|process)_\w+\b|\bup\b")
_RATED = re.compile(r"\b(?:rate|increase)\(([a-z]\w+)\{")
_RANGES = re.compile(r"\[([$\w]+)\]")
_COUNTERS = re.compile(r"\w+_total|tcp_keepalive_closure_idle_seconds_(?:bucket|count|sum)")


def expressions(name: str) -> list[str]:
    """
    All PromQL of a dashboard: panels, annotations and variables.
    """
    dashboard = DASHBOARDS[name]
    return [
        *(query.expression for query in queries() if query.panel.dashboard == name),
        *(each["expr"] for each in dashboard["annotations"]["list"]),
    ]


@functools.cache
def exported() -> set[str]:
    """
    The names of all series of the exporter, with the suffixes of histograms and counters.
    """
    snapshot = full_snapshot()
    endings = {
        "counter": ["_total"],
        "gauge": [""],
        "histogram": ["_bucket", "_count", "_sum"],
        "gaugehistogram": ["_bucket", "_gcount", "_gsum"],
    }
    return {
        family.name + ending
        for family in families(snapshot, no_closures(), Config(), now=snapshot.due)
        for ending in endings[family.type]
    }


def test_json_is_fresh() -> None:
    """
    The committed files are exactly those that `make dashboards` writes.
    """
    made = files()
    assert set(FOLDER.glob("*.json")) == set(made)
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"run `make dashboards` for {path.name}"


@every_dashboard
def test_names(name: str) -> None:
    """
    Uid and title are fixed and readable, so links survive updates; editing in place is disabled.
    """
    dashboard = DASHBOARDS[name]
    assert dashboard["uid"] == f"tcp-keepalive-{name}"
    assert dashboard["title"] == f"TCP keepalive / {name.title()}"
    assert dashboard["tags"] == ["tcp-keepalive"]
    assert dashboard["description"]
    assert dashboard["editable"] is False
    assert dashboard["graphTooltip"] == 1
    assert "id" not in dashboard
    assert "__inputs" not in dashboard


@every_dashboard
def test_variables(name: str) -> None:
    """
    First the data source, then job and host; both multi-value, all by default.
    """
    first, *others = DASHBOARDS[name]["templating"]["list"]
    assert (first["name"], first["type"], first["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    assert [each["name"] for each in others][:2] == ["job", "instance"]
    for each in others:
        assert each["multi"] is True
        assert each["includeAll"] is True
        assert each["allValue"] == ".+"
        assert each["current"]["value"] == ["$__all"]
        assert each["refresh"] == 2, "hosts appear and disappear while the page is open"
        assert each["datasource"] == DATASOURCE
        assert each["label"]


@every_dashboard
def test_links_and_annotations(name: str) -> None:
    """
    There are links to the other dashboards and runbooks, and annotations for restarts and changes.
    """
    dashboard = DASHBOARDS[name]
    others, runbooks = dashboard["links"]
    assert others["type"] == "dashboards"
    assert others["tags"] == dashboard["tags"]
    assert others["includeVars"]
    assert others["keepTime"]
    assert runbooks["url"].endswith("/docs/runbooks")
    restarts, changes = (each["expr"] for each in dashboard["annotations"]["list"])
    assert "process_start_time_seconds" in restarts
    assert "tcp_keepalive_time_seconds" in changes


@every_dashboard
def test_first_row_has_stats(name: str) -> None:
    """
    The first row has at most six stats, and nothing else.
    """
    top = [panel for panel in DASHBOARDS[name]["panels"] if panel["gridPos"]["y"] == 0]
    assert {panel["type"] for panel in top} == {"stat"}
    assert len(top) <= MAX_STATS
    assert sum(panel["gridPos"]["w"] for panel in top) == COLUMNS


@every_dashboard
def test_number_of_panels(name: str) -> None:
    """
    The number of panels is limited, and details are in collapsed rows.
    """
    everything = list(flat(DASHBOARDS[name]))
    rows = [panel for panel in everything if panel["type"] == "row"]
    assert len(everything) - len(rows) <= MAX_PANELS
    assert rows
    assert all(row["collapsed"] for row in rows)


@every_dashboard
def test_ids(name: str) -> None:
    """
    Panel ids are unique.
    """
    ids = [panel["id"] for panel in flat(DASHBOARDS[name])]
    assert len(ids) == len(set(ids))


@every_dashboard
def test_grid(name: str) -> None:
    """
    Panels fill the grid without overlaps, gaps, or parts outside the page.
    """
    areas = [panel["gridPos"] for panel in flat(DASHBOARDS[name])]
    taken: set[tuple[int, int]] = set()
    for area in areas:
        cells = set(
            itertools.product(
                range(area["x"], area["x"] + area["w"]), range(area["y"], area["y"] + area["h"])
            )
        )
        assert not taken & cells
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert taken == set(itertools.product(range(COLUMNS), range(height)))


@every_panel
def test_panel(panel: Panel) -> None:
    """
    It has a unique title, a description, a unit and queries.
    """
    json = panel.json
    assert json["title"]
    assert json["title"] in _unique_titles(panel.dashboard)
    assert len(json["description"].split()) >= 5
    assert json["description"].endswith(".")
    assert json["datasource"] == DATASOURCE
    defaults = json["fieldConfig"]["defaults"]
    assert defaults["unit"]
    if json["type"] in {"stat", "timeseries", "bargauge"}:
        assert defaults["min"] == 0
    assert json["targets"]


def _unique_titles(name: str) -> set[str]:
    titles = [panel["title"] for panel in flat(DASHBOARDS[name])]
    return {title for title in titles if titles.count(title) == 1}


@every_panel
def test_reference_ids(panel: Panel) -> None:
    """
    Queries are A, B, C ..., each with the selected data source.
    """
    ids = [query.json["refId"] for query in panel.queries]
    assert ids == [chr(ord("A") + place) for place in range(len(ids))]
    assert all(query.json["datasource"] == DATASOURCE for query in panel.queries)


@every_query
def test_legend(query: Query) -> None:
    """
    Queries have a legend where a panel can show several series.
    """
    named = query.panel.json["type"] in {"timeseries", "bargauge", "state-timeline", "heatmap"}
    if named or (len(query.panel.queries) > 1 and query.panel.json["type"] == "stat"):
        assert query.json["legendFormat"]


@every_query
def test_kind_of_query(query: Query) -> None:
    """
    Panels for the end of the time range use instant queries, graphs use range queries.
    """
    instant = query.panel.json["type"] in TIMELESS
    assert query.json["instant"] is instant
    assert query.json["range"] is not instant
    assert ("$__range]" in query.expression) <= instant


@every_dashboard
def test_selectors(name: str) -> None:
    """
    Every metric is selected by the dashboard's job and host variables.
    """
    for expression in expressions(name):
        selected = _SELECTOR.findall(expression)
        assert {metric for metric, _ in selected} == set(_METRIC.findall(expression)), expression
        for _, matchers in selected:
            assert matchers.startswith('job=~"$job", instance=~"$instance"'), expression


@every_dashboard
def test_metrics_exist(name: str) -> None:
    """
    Every metric in a query exists.
    """
    for expression in expressions(name):
        assert set(_METRIC.findall(expression)) <= exported() | FOREIGN


@every_dashboard
def test_rates(name: str) -> None:
    """
    rate() and increase() are used for all counters, only for counters, and over Grafana's ranges.
    """
    for expression in expressions(name):
        metrics = set(_METRIC.findall(expression))
        counters = {metric for metric in metrics if _COUNTERS.fullmatch(metric)}
        assert set(_RATED.findall(expression)) == counters, expression
        assert set(_RANGES.findall(expression)) <= {"$__rate_interval", "$__range"}, expression


def test_fleet_leads_to_host() -> None:
    """
    Every host name in a table links to that host's dashboard, with the time range.
    """
    links = [
        link["url"]
        for panel in panels()
        for override in panel.json["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "links"
        for link in each["value"]
    ]
    assert len(links) >= 3
    for url in links:
        assert url.startswith("/d/tcp-keepalive-host?")
        assert "var-instance=${__value.raw}" in url
        assert "${__url_time_range}" in url


def test_threshold_of_snat_ports() -> None:
    """
    The host dashboard marks the fraction of the ports from which the alert fires.
    """
    (alert,) = (rule for rule in ALERTS if rule.name == "TCPKeepaliveSNATPortsExhausting")
    threshold = alert.text["expr"].rpartition(" >= ")[2]
    marked = [
        query.expression.partition(" * ")[0]
        for query in queries()
        if "tcp_keepalive_path_snat_ports" in query.expression and " * " in query.expression
    ]
    assert marked == [threshold]


def test_runbooks_exist() -> None:
    """
    Every runbook that a panel links to exists.
    """
    linked = {
        link["url"].rpartition("/docs/")[2]
        for panel in panels()
        for link in panel.json.get("links", [])
    }
    assert linked
    missing = [page for page in linked if not (FOLDER.parent / "docs" / page).exists()]
    assert missing == []
