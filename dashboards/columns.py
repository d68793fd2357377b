"""
Columns of tables: their heads, and how their cells look.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from grafana_foundation_sdk.models import dashboard as model

from dashboards.links import link_to
from dashboards.look import BLUE, GREEN, ORANGE, RED, SECONDS, words
from exporter.judge.findings import RULES


@dataclass(frozen=True, slots=True)
class Column:
    """
    The head of a column, and the field properties of its cells.
    """

    head: str
    properties: Mapping[str, object] = field(default_factory=dict)

    def dynamic(self) -> list[model.DynamicConfigValue]:
        """
        The properties as an override takes them.
        """
        return [model.DynamicConfigValue(name, value) for name, value in self.properties.items()]


def text(head: str, width: int | None = None) -> Column:
    """
    Words.
    """
    return Column(head, {} if width is None else {"custom.width": width})


def host(head: str = "Host") -> Column:
    """
    Host names, each a link to the host's dashboard. The table needs the label job too.
    """
    return Column(head, {"links": link_to("Host", instance="${__value.raw}")})


def count(head: str, color: str | None = None, width: int | None = None) -> Column:
    """
    Whole numbers; a color stands for there being any.
    """
    properties: dict[str, object] = {"decimals": 0}
    if color is not None:
        properties |= _colored(color)
    if width is not None:
        properties["custom.width"] = width
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
            "color": {"mode": "fixed", "fixedColor": color},
        },
    )


def seconds(head: str, width: int | None = None) -> Column:
    """
    Durations.
    """
    properties: dict[str, object] = {"unit": SECONDS, "decimals": 0}
    if width is not None:
        properties["custom.width"] = width
    return Column(head, properties)


def severity(head: str) -> Column:
    """
    Severities of findings and alerts, in their colours.
    """
    colors = {"critical": RED, "warning": ORANGE, "info": BLUE}
    return _mapped(
        head,
        model.ValueMap(
            {
                name: model.ValueMappingResult(color=color, index=index)
                for index, (name, color) in enumerate(colors.items())
            }
        ),
    )


def finding(head: str) -> Column:
    """
    Ids of findings, with the words for them.
    """
    words = {
        rule.id: model.ValueMappingResult(text=f"{rule.id}: {rule.title}", index=index)
        for index, rule in enumerate(RULES)
    }
    return Column(head, {"mappings": [model.ValueMap(words)]})


def yes_or_no(head: str) -> Column:
    """
    1 for yes, which is well, and 0 for no.
    """
    return _mapped(head, words({0: ("no", RED), 1: ("yes", GREEN)}))


def _mapped(head: str, mapping: model.ValueMap) -> Column:
    return Column(head, {"mappings": [mapping], "custom.cellOptions": {"type": "color-text"}})


def _colored(color: str) -> dict[str, object]:
    return {
        "custom.cellOptions": {"type": "color-text"},
        "color": {"mode": "fixed", "fixedColor": color},
    }
