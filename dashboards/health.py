"""
How the exporter itself fares: a row for each dashboard that shows single hosts.
"""

from grafana_foundation_sdk.builders.dashboard import Row

from dashboards import style as look
from dashboards.panels import graph, timeline
from dashboards.queries import UNREADABLE, Query, of_exporters, own, per_minute, raw


def health() -> Row:
    """
    Whether what the other rows show can be believed, and what it costs.
    """
    processor = f"rate({raw('process_cpu_seconds_total')}[$__rate_interval])"
    return (
        Row("The exporter's own health")
        .with_panel(
            timeline(
                "Collectors",
                "Green while a collector works. Red: what it reads is missing or stale; the"
                " exporter's log says why.",
                Query(f"min by (collector) ({own('collector_success')})", "{{collector}}"),
                words={"0": ("failing", look.RED), "1": ("working", look.GREEN)},
                size=(12, 7),
            )
        )
        .with_panel(
            graph(
                "Time taken by collectors",
                "How long the latest attempts took. A scrape never waits for them. Sampling that"
                " takes seconds means hundreds of thousands of connections, or a host without time"
                " for it.",
                Query(f"max by (collector) ({own('collector_duration_seconds')})", "{{collector}}"),
                unit="s",
                size=(12, 7),
            )
        )
        .with_panel(
            graph(
                "Memory and processor",
                "What the exporter costs the host. 80 MB is usual, 120 MB with 200,000"
                " connections. Steady growth of memory is a bug to report.",
                Query(f"max({of_exporters(raw('process_resident_memory_bytes'))})", "memory"),
                Query(f"max({of_exporters(processor)})", "processor"),
                unit="bytes",
                size=(12, 7),
            ).override_by_name("processor", look.right_axis("percentunit"))
        )
        .with_panel(
            graph(
                "Closures lost, namespaces unreadable",
                "Closures that came too fast to be read: idle drops may be missing. Namespaces the"
                " exporter may not enter: their connections are not counted; see the documentation"
                " on permissions.",
                Query(
                    f"sum({per_minute('closure_events_lost_total')})", "closures lost per minute"
                ),
                Query(f"sum({own('namespaces', UNREADABLE)})", "namespaces unreadable"),
                size=(12, 7),
                colors={"closures lost per minute": look.RED, "namespaces unreadable": look.ORANGE},
            )
        )
    )
