"""
Columns of tables: their heads, and how their cells look.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from grafana_foundation_sdk.models import dashboard as model

from dashboards import style as look
from dashboards.links import link_to
from exporter.analysis.findings import RULES


@dataclass(frozen=True, slots=True)
class Column:
    """
    The head of a column, and the field properties of its cells.
    """

    head: str
    properties: Mapping[str, object] = field(default_factory=dict)

    def wide(self, pixels: int) -> "Column":
        """
        The column with a fixed width; the others share what is left.
        """
        return replace(self, properties={**self.properties, "custom.width": pixels})

    def dynamic(self) -> list[model.DynamicConfigValue]:
        """
        The properties as an override takes them.
        """
        return [model.DynamicConfigValue(name, value) for name, value in self.properties.items()]


def text(head: str) -> Column:
    """
    Words.
    """
    return Column(head)


def host() -> Column:
    """
    Host names, each a link to the host's dashboard.
    """
    return Column("Host", {"links": link_to("Host", instance="${__value.raw}")})


def count(head: str, color: str | None = None) -> Column:
    """
    Whole numbers; a color means that there should be none.
    """
    properties: dict[str, object] = {"decimals": 0}
    if color is not None:
        properties |= {"custom.cellOptions": {"type": "color-text"}, "color": _fixed(color)}
    return Column(head, properties)


def gauge(head: str, color: str) -> Column:
    """
    Whole numbers with a bar beside each.
    """
    cell = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    return Column(
        head,
        {
            "decimals": 0,
            "min": 0,
            "fieldMinMax": True,
            "custom.cellOptions": cell,
            "color": _fixed(color),
        },
    )


def seconds(head: str) -> Column:
    """
    Durations.
    """
    return Column(head, {"unit": look.SECONDS, "decimals": 0})


def severity(head: str) -> Column:
    """
    Severities of findings, in their colours.
    """
    colors = {"critical": look.RED, "warning": look.ORANGE, "info": look.BLUE}
    return _mapped(head, look.words({name: (name, color) for name, color in colors.items()}))


def finding(head: str) -> Column:
    """
    Ids of findings, with the words for them.
    """
    words = {rule.id: (f"{rule.id}: {rule.title}", look.TEXT) for rule in RULES}
    return Column(head, {"mappings": [look.words(words)]})


def yes_or_no(head: str) -> Column:
    """
    1 for yes, which is well, and 0 for no.
    """
    return _mapped(head, look.words({"0": ("no", look.RED), "1": ("yes", look.GREEN)}))


def _mapped(head: str, mapping: model.ValueMap) -> Column:
    return Column(head, {"mappings": [mapping], "custom.cellOptions": {"type": "color-text"}})


def _fixed(color: str) -> dict[str, str]:
    return {"mode": model.FieldColorModeId.FIXED.value, "fixedColor": color}
