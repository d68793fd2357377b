"""
What is wrong with the settings.
"""

from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import Metric

from exporter.metrics.shapes import gauge
from exporter.model import Finding


def of_findings(findings: Iterable[Finding]) -> Iterator[Metric]:
    """
    The findings by id; `check` and the documentation have the words.
    """
    yield gauge(
        "finding",
        "1 while something is wrong with the namespace's settings, absent otherwise;"
        " docs/findings.md says what each id means.",
        ("id", "severity", "netns"),
        {(each.id, each.severity, each.netns): 1 for each in findings},
    )
