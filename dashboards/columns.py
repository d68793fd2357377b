"""
Columns of tables: headings and cell styles.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from grafana_foundation_sdk.models import dashboard as model

from dashboards import style
from dashboards.links import link_to
from exporter.analysis.findings import RULES


@dataclass(frozen=True, slots=True)
class Column:
    """
    The heading of a column, and the field properties of its cells.
    """

    heading: str
    properties: Mapping[str, object] = field(default_factory=dict)

    def wide(self, pixels: int) -> "Column":
        """
        The column with a fixed width; the others share the rest.
        """
        return replace(self, properties={**self.properties, "custom.width": pixels})

    def dynamic(self) -> list[model.DynamicConfigValue]:
        """
        The properties as an override takes them.
        """
        return [model.DynamicConfigValue(name, value) for name, value in self.properties.items()]


def text(heading: str) -> Column:
    """
    Plain text.
    """
    return Column(heading)


def host() -> Column:
    """
    Host names, each a link to the host's dashboard.
    """
    return Column("Host", {"links": link_to("Host", instance="${__value.raw}")})


def count(heading: str, color: str | None = None) -> Column:
    """
    Whole numbers; a color marks a count that should be 0.
    """
    properties: dict[str, object] = {"decimals": 0}
    if color is not None:
        properties |= {"custom.cellOptions": {"type": "color-text"}, "color": _fixed(color)}
    return Column(heading, properties)


def gauge(heading: str, color: str) -> Column:
    """
    Whole numbers with a bar beside each.
    """
    cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    return Column(
        heading,
        {
            "decimals": 0,
            "min": 0,
            "fieldMinMax": True,
            "custom.cellOptions": cell,
            "color": _fixed(color),
        },
    )


def seconds(heading: str) -> Column:
    """
    Durations.
    """
    return Column(heading, {"unit": style.SECONDS, "decimals": 0})


def severity(heading: str) -> Column:
    """
    Severities of findings, in their colours.
    """
    colors = {"critical": style.RED, "warning": style.ORANGE, "info": style.BLUE}
    return _mapped(heading, style.words({name: (name, color) for name, color in colors.items()}))


def finding(heading: str) -> Column:
    """
    Ids of findings, with their titles.
    """
    words = {rule.id: (f"{rule.id}: {rule.title}", style.TEXT) for rule in RULES}
    return Column(heading, {"mappings": [style.words(words)]})


def yes_or_no(heading: str) -> Column:
    """
    1 is yes (good), 0 is no.
    """
    return _mapped(heading, style.words({"0": ("no", style.RED), "1": ("yes", style.GREEN)}))


def _mapped(heading: str, mapping: model.ValueMap) -> Column:
    return Column(heading, {"mappings": [mapping], "custom.cellOptions": {"type": "color-text"}})


def _fixed(color: str) -> dict[str, str]:
    return {"mode": model.FieldColorModeId.FIXED.value, "fixedColor": color}
