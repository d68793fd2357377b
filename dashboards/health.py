"""
The row about the exporter's own health.
"""

from grafana_foundation_sdk.builders.dashboard import Row

from dashboards import style
from dashboards.panels import graph, timeline
from dashboards.queries import UNREADABLE, Query, of_exporters, own, per_minute, raw


def health() -> Row:
    """
    Whether the data in the other rows is reliable, and what the exporter costs.
    """
    processor = f"rate({raw('process_cpu_seconds_total')}[$__rate_interval])"
    return (
        Row("The exporter's own health")
        .with_panel(
            timeline(
                "Collectors",
                "Green while a collector works. Red: its data is missing or stale; the exporter's"
                " log has the reason.",
                Query(f"min by (collector) ({own('collector_success')})", "{{collector}}"),
                words={"0": ("failing", style.RED), "1": ("working", style.GREEN)},
                size=(12, 7),
            )
        )
        .with_panel(
            graph(
                "Time taken by collectors",
                "Duration of the latest attempts. A scrape never waits for them. A sample takes"
                " seconds only with hundreds of thousands of connections, or if the host is short"
                " of CPU.",
                Query(f"max by (collector) ({own('collector_duration_seconds')})", "{{collector}}"),
                unit="s",
                size=(12, 7),
            )
        )
        .with_panel(
            graph(
                "Memory and processor",
                "Memory and CPU use of the exporter. 80 MB is usual, 120 MB with 200,000"
                " connections. Steady growth of memory is a bug; please report it.",
                Query(f"max({of_exporters(raw('process_resident_memory_bytes'))})", "memory"),
                Query(f"max({of_exporters(processor)})", "processor"),
                unit="bytes",
                size=(12, 7),
            ).override_by_name("processor", style.right_axis("percentunit"))
        )
        .with_panel(
            graph(
                "Closures lost, namespaces unreadable",
                "Closure events that came too fast for the exporter to read: idle drops may be"
                " missing. Namespaces that the exporter may not enter: their connections are not"
                " counted. See the documentation on permissions.",
                Query(
                    f"sum({per_minute('closure_events_lost_total')})", "closures lost per minute"
                ),
                Query(f"sum({own('namespaces', UNREADABLE)})", "namespaces unreadable"),
                size=(12, 7),
                colors={
                    "closures lost per minute": style.RED,
                    "namespaces unreadable": style.ORANGE,
                },
            )
        )
    )
