"""
Metric families built from plain values.
"""

from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

from exporter.model import Histogram

_PREFIX = "tcp_keepalive_"

Labels = tuple[str, ...]
Samples = dict[Labels, float | None]
"""Values by label values. None means unknown and makes no series."""


def gauge(name: str, help_text: str, labels: Labels, samples: Samples) -> Metric:
    """
    A gauge; name is given without the prefix.
    """
    return _filled(GaugeMetricFamily(_PREFIX + name, help_text, labels=labels), samples)


def counter(name: str, help_text: str, labels: Labels, samples: Samples) -> Metric:
    """
    A counter; name is given without the prefix and without `_total`.
    """
    return _filled(CounterMetricFamily(_PREFIX + name, help_text, labels=labels), samples)


def histogram(
    name: str, help_text: str, labels: Labels, samples: dict[Labels, Histogram]
) -> Metric:
    """
    A histogram of events since the exporter's start.
    """
    family = HistogramMetricFamily(_PREFIX + name, help_text, labels=labels)
    for values, each in samples.items():
        family.add_metric(values, _buckets(each), each.total)
    return family


def gauge_histogram(
    name: str, help_text: str, labels: Labels, samples: dict[Labels, Histogram]
) -> Metric:
    """
    A histogram of the current state.
    """
    family = GaugeHistogramMetricFamily(_PREFIX + name, help_text, labels=labels)
    for values, each in samples.items():
        family.add_metric(values, _buckets(each), each.total)
    return family


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Samples) -> Metric:
    for labels, value in samples.items():
        if value is not None:
            family.add_metric(labels, value)
    return family


def _buckets(each: Histogram) -> list[tuple[str, float]]:
    """
    Cumulative counts with their upper edges, as Prometheus expects them.
    """
    edges = [*map(floatToGoString, each.edges), "+Inf"]
    return list(zip(edges, accumulate(each.counts), strict=True))
