"""
Panels of each kind, with their common properties.
"""

from collections.abc import Mapping
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from dashboards import style
from dashboards.columns import Column
from dashboards.links import runbook
from dashboards.queries import Query

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

Panel = TypeVar(
    "Panel",
    bargauge.Panel,
    heatmap.Panel,
    stat.Panel,
    statetimeline.Panel,
    table.Panel,
    timeseries.Panel,
)


def panel(
    kind: type[Panel],
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    size: tuple[int, int],
) -> Panel:
    """
    A panel of a kind; size is its width, in 24ths of the page, and its height.

    The description covers what the panel shows, what bad looks like, and what to do about it.
    """
    made = kind().title(title).description(description).datasource(DATASOURCE)
    made.unit(unit).span(size[0]).height(size[1])
    for ref_id, query in zip(ascii_uppercase, queries, strict=False):
        made.with_target(query.build(ref_id).datasource(DATASOURCE))
    return made


def number(
    title: str,
    description: str,
    *queries: Query,
    unit: str = style.COUNT,
    thresholds: ThresholdsConfig = style.RED_IF_ANY,
    alert: str | None = None,
) -> stat.Panel:
    """
    A stat of the top row, coloured by thresholds; alert is the one with the same condition.
    """
    made = panel(stat.Panel, title, description, *queries, unit=unit, size=(4, 4))
    made.decimals(0).min(0).thresholds(thresholds).color_scheme(style.by_threshold())
    made.graph_mode(options.BigValueGraphMode.NONE)
    if alert is not None:
        made.links([runbook(alert)])
    return made.reduce_options(_last())


def graph(
    title: str,
    description: str,
    *queries: Query,
    unit: str = style.COUNT,
    size: tuple[int, int] = (12, 8),
    colors: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """
    Lines over time; colors are by the series' names.
    """
    made = panel(timeseries.Panel, title, description, *queries, unit=unit, size=size)
    made.min(0).line_width(2).fill_opacity(10).show_points(options.VisibilityMode.NEVER)
    made.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
    )
    if unit == style.COUNT:
        made.axis_soft_max(1)
    made.tooltip(
        common.VizTooltipOptions()
        .mode(options.TooltipDisplayMode.MULTI)
        .sort(options.SortOrder.DESCENDING)
    )
    for name, color in (colors or {}).items():
        made.override_by_name(name, [style.color(color)])
    return made


def logarithmic(made: timeseries.Panel) -> timeseries.Panel:
    """
    The graph with a logarithmic axis.
    """
    scale = common.ScaleDistributionConfig().type(options.ScaleDistribution.LOG).log(10)
    return made.scale_distribution(scale).fill_opacity(0)


def redder_if_higher(made: timeseries.Panel) -> timeseries.Panel:
    """
    The graph coloured from yellow to red by height, for values that should be 0.
    """
    return made.color_scheme(style.by_height())


def stacked(made: timeseries.Panel) -> timeseries.Panel:
    """
    The graph with stacked series.
    """
    made.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    return made.line_width(1).fill_opacity(50)


def bars_over_time(made: timeseries.Panel) -> timeseries.Panel:
    """
    The graph with stacked bars.
    """
    return stacked(made).draw_style(options.GraphDrawStyle.BARS).line_width(0).fill_opacity(80)


def rows(
    title: str,
    description: str,
    *queries: Query,
    columns: Mapping[str, Column],
    sort: str,
    size: tuple[int, int] = (12, 8),
) -> table.Panel:
    """
    A table with a row for each set of labels that the queries share.

    columns is in display order. Its keys are label names, or "A", "B", ... for the values of the
    first query, the second, ... Other labels are left out. sort is the heading of the column to
    sort by, descending.
    """
    names = [_field(column, len(queries)) for column in columns]
    headings = [column.heading for column in columns.values()]
    made = panel(table.Panel, title, description, *queries, unit=style.COUNT, size=size)
    made.cell_height(options.TableCellHeight.SM).min_width(70)
    made.sort_by([common.TableSortByFieldState().display_name(sort).desc(True)])
    made.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    made.with_transformation(
        DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": names}})
    )
    made.with_transformation(
        DataTransformerConfig(
            id_val="organize",
            options={
                "indexByName": {name: place for place, name in enumerate(names)},
                "renameByName": dict(zip(names, headings, strict=True)),
            },
        )
    )
    for column in columns.values():
        if column.properties:
            made.override_by_name(column.heading, column.dynamic())
    return made


def _field(column: str, queries: int) -> str:
    if column not in ascii_uppercase:
        return column
    return f"Value #{column}" if queries > 1 else "Value"


def bars(
    title: str,
    description: str,
    *queries: Query,
    unit: str = style.COUNT,
    size: tuple[int, int] = (12, 8),
    colors: Mapping[str, str] | None = None,
) -> bargauge.Panel:
    """
    A horizontal bar for each series; colors are by the series' names.
    """
    made = panel(bargauge.Panel, title, description, *queries, unit=unit, size=size)
    made.decimals(0).min(0).orientation(options.VizOrientation.HORIZONTAL)
    made.display_mode(options.BarGaugeDisplayMode.BASIC).show_unfilled(False)
    made.value_mode(options.BarGaugeValueMode.TEXT)
    made.name_placement(options.BarGaugeNamePlacement.TOP)
    made.sizing(options.BarGaugeSizing.MANUAL).min_viz_height(16).max_viz_height(40)
    made.text(common.VizTextDisplayOptions().title_size(14).value_size(14))
    made.thresholds(style.steps(style.BLUE)).color_scheme(style.by_threshold())
    for name, color in (colors or {}).items():
        made.override_by_name(name, [style.color(color)])
    return made.reduce_options(_last())


def bucket_bars(
    title: str, description: str, query: Query, *, color: str = style.BLUE
) -> bargauge.Panel:
    """
    A bar for each bucket of a histogram of seconds, the shortest first.
    """
    made = bars(title, description, query).thresholds(style.steps(color))
    made.name_placement(options.BarGaugeNamePlacement.LEFT)
    made.text(common.VizTextDisplayOptions().title_size(12).value_size(14))
    # A field's name is the bucket boundary, once or twice.
    for regex, pattern in (
        (r"^(?:\S+ )?([0-9.]+?)(?:\.0)?$", "≤$1 s"),
        (r"^(?:\S+ )?\+Inf$", "longer"),
    ):
        made.with_transformation(
            DataTransformerConfig(
                id_val="renameByRegex", options={"regex": regex, "renamePattern": pattern}
            )
        )
    return made


def timeline(
    title: str,
    description: str,
    query: Query,
    *,
    words: Mapping[str, tuple[str, str]],
    size: tuple[int, int] = (12, 8),
) -> statetimeline.Panel:
    """
    States over time, as coloured texts.
    """
    made = panel(statetimeline.Panel, title, description, query, unit="none", size=size)
    made.mappings([style.words(words)]).color_scheme(style.by_threshold())
    made.show_value(options.VisibilityMode.NEVER).row_height(0.8).line_width(0).fill_opacity(80)
    return made.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
    )


def heat(
    title: str,
    description: str,
    query: Query,
    *,
    size: tuple[int, int] = (12, 8),
    scheme: str = "Blues",
) -> heatmap.Panel:
    """
    The buckets of a histogram of seconds over time.
    """
    made = panel(heatmap.Panel, title, description, query, unit=style.COUNT, size=size)
    made.color(
        heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme(scheme).steps(64).min(0)
    )
    made.y_axis(
        heatmap.YAxisConfig()
        .unit(style.SECONDS)
        .decimals(0)
        .axis_placement(options.AxisPlacement.LEFT)
    )
    made.cell_values(heatmap.CellValues().unit(style.COUNT).decimals(0))
    made.tooltip(heatmap.HeatmapTooltip().mode(options.TooltipDisplayMode.SINGLE).y_histogram(True))
    return made.filter_values(heatmap.FilterValueRange().le(1e-9)).show_legend().cell_gap(1)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
