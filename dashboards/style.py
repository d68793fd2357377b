"""
Colours and thresholds, common to all dashboards.
"""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model

GREEN, BLUE, YELLOW, ORANGE, RED, PURPLE = "green", "blue", "yellow", "orange", "red", "purple"
TEXT = "text"
GREY = "#8e8e8e"
COUNT = "locale"
SECONDS = "suffix:s"
"""Durations in plain seconds, as in the sysctls and the documentation."""

PROTECTION: Mapping[str, str] = {
    "own": GREEN,
    "peer": BLUE,
    "unknown": GREY,
    "late": ORANGE,
    "none": RED,
}
IDLE_STATE: Mapping[str, str] = {
    "active": GREEN,
    "near_limit": YELLOW,
    "over_limit": ORANGE,
    "stalled": RED,
    "unanswered": PURPLE,
    "peer_closed": GREY,
}
TIMER: Mapping[str, str] = {
    "keepalive": GREEN,
    "none": GREY,
    "retransmit": RED,
    "zero_window": ORANGE,
    "other": BLUE,
}
REASON: Mapping[str, str] = {
    "normal": GREY,
    "abort": BLUE,
    "reset": PURPLE,
    "keepalive_timeout": ORANGE,
    "retransmit_timeout": RED,
}


def steps(base: str, *higher: tuple[float, str]) -> build.ThresholdsConfig:
    """
    Thresholds: a base colour, and a colour from each value on.
    """
    first = model.Threshold(value=None, color=base)
    return build.ThresholdsConfig().steps(
        [first, *(model.Threshold(value=value, color=color) for value, color in higher)]
    )


def bad_from(value: float, color: str = RED) -> build.ThresholdsConfig:
    """
    Thresholds: green, and the colour from the value on.
    """
    return steps(GREEN, (value, color))


NEUTRAL = steps(TEXT)
RED_IF_ANY = bad_from(0.5)
"""For counts. Not 1, because increase() extrapolates to fractions."""
ORANGE_IF_ANY = bad_from(0.5, ORANGE)

SNAT_PORTS_USED = 0.8
"""Fraction of the SNAT ports from which TCPKeepaliveSNATPortsExhausting fires."""


def color(name: str) -> model.DynamicConfigValue:
    """
    The field property that fixes a colour.
    """
    return model.DynamicConfigValue(
        "color", {"mode": model.FieldColorModeId.FIXED.value, "fixedColor": name}
    )


def dashed(name: str) -> list[model.DynamicConfigValue]:
    """
    The field properties of a line that marks a limit: dashed, in a colour.
    """
    return [
        color(name),
        model.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 8]}),
        model.DynamicConfigValue("custom.fillOpacity", 0),
    ]


def right_axis(unit: str) -> list[model.DynamicConfigValue]:
    """
    The field properties of a thin line with a separate axis, for values of another magnitude.
    """
    return [
        model.DynamicConfigValue("unit", unit),
        model.DynamicConfigValue("custom.axisPlacement", common.AxisPlacement.RIGHT.value),
        model.DynamicConfigValue("custom.drawStyle", common.GraphDrawStyle.LINE.value),
        model.DynamicConfigValue("custom.lineWidth", 1),
        model.DynamicConfigValue("custom.fillOpacity", 0),
        model.DynamicConfigValue("custom.stacking", {"mode": common.StackingMode.NONE.value}),
    ]


def words(meaning: Mapping[str, tuple[str, str]]) -> model.ValueMap:
    """
    Value mappings to texts and colours.
    """
    return model.ValueMap(
        {
            value: model.ValueMappingResult(text=text, color=color, index=index)
            for index, (value, (text, color)) in enumerate(meaning.items())
        }
    )


def by_height() -> build.FieldColor:
    """
    From yellow for the lowest series to red for the highest, for values that should be 0.
    """
    mode = model.FieldColorModeId.CONTINUOUS_YL_RD
    return build.FieldColor().mode(mode).series_by(model.FieldColorSeriesByMode.MAX)


def by_threshold() -> build.FieldColor:
    """
    Colour by threshold.
    """
    return build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)
