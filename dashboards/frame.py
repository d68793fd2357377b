"""
Everything around the panels: variables, links, annotations, JSON output.
"""

import json
from itertools import count

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    RowPanel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.links import DOCS, TAG, uid
from dashboards.panels import DATASOURCE
from dashboards.queries import PREFIX, of_exporters, own, raw
from dashboards.style import BLUE, PURPLE


def frame(name: str, description: str, *, since: str, by_path: bool = True) -> build.Dashboard:
    """
    A dashboard without panels. since is the start of its time range, by_path adds a path variable.
    """
    made = build.Dashboard(f"TCP keepalive / {name}").uid(uid(name)).description(description)
    made.tags([TAG]).readonly().tooltip(DashboardCursorSync.CROSSHAIR)
    made.time(since, "now").refresh("1m").timezone("browser")
    made.with_variable(
        build.DatasourceVariable("datasource").label("Data source").type("prometheus")
    )
    hosts = f"{PREFIX}exporter_build_info"
    made.with_variable(_variable("job", "Job", hosts))
    made.with_variable(_variable("instance", "Host", f'{hosts}{{job=~"$job"}}'))
    if by_path:
        made.with_variable(_variable("path", "Path", own("path_idle_timeout_seconds")))
    made.link(
        build.DashboardLink("TCP keepalive")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(True)
        .keep_time(True)
    )
    made.link(
        build.DashboardLink("Runbooks")
        .type(DashboardLinkType.LINK)
        .url(f"{DOCS}/runbooks")
        .icon("doc")
        .tooltip("What to do about each alert")
        .target_blank(True)
    )
    restarts = of_exporters(f"changes({raw('process_start_time_seconds')}[$__rate_interval])")
    made.annotation(_annotation("Exporter restarted", f"sum({restarts}) > 0", BLUE))
    settings = ("time_seconds", "interval_seconds", "probes")
    changes = " + ".join(f"changes({own(each)}[$__rate_interval])" for each in settings)
    made.annotation(_annotation("Keepalive settings changed", f"sum({changes}) > 0", PURPLE))
    return made


def render(made: build.Dashboard) -> str:
    """
    The dashboard's JSON, with panel ids.
    """
    model = made.build()
    _number_panels(model)
    text = json.dumps(model, cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True)
    return text + "\n"


def _number_panels(model: Dashboard) -> None:
    """
    Set the id of each panel, including those in collapsed rows.
    """
    ids = count(1)
    for panel in model.panels or []:
        panel.id_val = next(ids)
        if isinstance(panel, RowPanel):
            for inner in panel.panels:
                inner.id_val = next(ids)


def _variable(name: str, label: str, metric: str) -> build.QueryVariable:
    query = f"label_values({metric}, {name})"
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": name})
        .definition(query)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(VariableOption(text=["All"], value=["$__all"]))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.NATURAL_ASC)
    )


def _annotation(name: str, expression: str, color: str) -> build.AnnotationQuery:
    return (
        build.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(True)
        .icon_color(color)
        .expr(expression)
        .title_format(name)
        .target(prometheus.Dataquery().ref_id("A").expr(expression).range())
    )
