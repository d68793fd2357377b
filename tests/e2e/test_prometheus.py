"""
A real Prometheus scrapes the exporter every second, as OpenMetrics and as plain text.
"""

import itertools
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import create_server
from threading import Thread

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse

from tests.e2e.exporter_inside import (
    OPENMETRICS,
    TEXT,
    Exporter,
    exporter_inside,
    fetch,
    table,
)
from tests.e2e.prometheus import Prometheus, prometheus_inside
from tests.exporter_process import ROOT
from tests.lab import LAB_MARKS, Host, Keepalive, Pair, pair

pytestmark = LAB_MARKS

DURATION = 30.0
EXPORTER_CONFIG = """
near_limit_ratio: 0.005  # 1.2 s of 4 minutes, so that idle states change
sampling: {interval: 1s, max_duty_cycle: 1}
"""
PROMETHEUS_CONFIG = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: openmetrics
    static_configs: [{targets: ["EXPORTER"]}]
  - job_name: text
    proxy_url: http://127.0.0.1:8080
    static_configs: [{targets: ["EXPORTER"]}]
  - job_name: prometheus
    static_configs: [{targets: ["127.0.0.1:9090"]}]
"""
PROXY_PORT = 8080
LATE_SERIES = 4
"""Series that appear only after the first samples: of workloads and of observed idle times."""
FORMATS = pytest.mark.parametrize("job", ["openmetrics", "text"])


@dataclass(frozen=True)
class Scraping(Prometheus):
    """
    A running Prometheus, and the exporter it scrapes.
    """

    exporter: Exporter


@contextmanager
def text_proxy(host: Host) -> Iterator[None]:
    """
    A proxy inside a host that always requests plain text.

    Prometheus 2.42, unlike later versions, cannot be configured to prefer plain text.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, content_type = fetch(host, self.path, TEXT)
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """
            Log nothing.
            """

    address = ("127.0.0.1", PROXY_PORT)
    with ThreadingHTTPServer(address, Handler, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = host.call(create_server, address)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def open_and_close(lab: Pair, seconds: float) -> None:
    """
    Open and close connections for this many seconds.
    """
    end = time.monotonic() + seconds
    for count in itertools.cycle(range(1, 8)):
        if time.monotonic() > end:
            return
        opened = lab.connections(count)
        time.sleep(2.2)
        for connection in opened:
            connection.close()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraping]:
    """
    A Prometheus that has scraped the exporter of a lab's client for 30 s.
    """
    directory = tmp_path_factory.mktemp("prometheus")
    config = directory / "exporter.yml"
    config.write_text(EXPORTER_CONFIG)
    with pair() as lab, exporter_inside(lab.client, config) as exporter:
        lab.connections(10, keepalive=Keepalive(time=90, interval=30, probes=8))
        lab.connections(10, keepalive=Keepalive(time=300, interval=30, probes=8))
        lab.connections(1, keepalive=Keepalive(time=1, interval=1, probes=8))
        with (
            text_proxy(lab.client),
            prometheus_inside(
                lab.client, directory, PROMETHEUS_CONFIG.replace("EXPORTER", exporter.address)
            ) as running,
        ):
            running.wait_for_scrapes(3)
            open_and_close(lab, DURATION)
            print("\n" + report(running))
            yield Scraping(running.host, running.log, exporter)


def report(prometheus: Prometheus) -> str:
    """
    A table of the scrapes.
    """
    expressions = {
        "scrapes": "count_over_time(up[5m])",
        "min up": "min_over_time(up[5m])",
        "samples": "scrape_samples_scraped",
        "slowest": "max_over_time(scrape_duration_seconds[5m])",
    }
    values = {
        head: {labels["job"]: value for labels, value in prometheus.query(expression)}
        for head, expression in expressions.items()
    }
    return table(
        ("job", *values),
        [(job, *(f"{of[job]:.5g}" for of in values.values())) for job in values["scrapes"]],
    )


def documented() -> list[str]:
    """
    The names of all documented metrics, except for the one that requires an idle drop.
    """
    text = (ROOT / "docs/metrics.md").read_text()
    names = re.findall(r"^\| `(tcp_keepalive_\w+)` \|", text, re.MULTILINE)
    return [name for name in names if name != "tcp_keepalive_shortest_idle_fatal_seconds"]


@FORMATS
def test_every_scrape_works(prometheus: Scraping, job: str) -> None:
    """
    The exporter is always up, and scraped every second.
    """
    assert prometheus.value(f'min_over_time(up{{job="{job}"}}[5m])') == 1
    assert prometheus.value(f'count_over_time(up{{job="{job}"}}[5m])') > 0.9 * DURATION


def test_no_target_has_an_error(prometheus: Scraping) -> None:
    """
    Prometheus shows no error for any target.
    """
    targets = prometheus.api("targets")["activeTargets"]
    assert {target["labels"]["job"]: target["lastError"] for target in targets} == {
        "openmetrics": "",
        "text": "",
        "prometheus": "",
    }


def test_prometheus_logs_no_warnings(prometheus: Scraping) -> None:
    """
    Prometheus logs no errors, and no warnings about scrapes, such as duplicates or wrong order.
    """
    lines = prometheus.log.read_text().splitlines()
    assert any("level=info" in line for line in lines)
    assert [line for line in lines if "level=error" in line] == []
    assert [line for line in lines if "level=warn" in line and "scrape" in line] == []


def test_prometheus_counts_no_bad_samples(prometheus: Scraping) -> None:
    """
    The counters of duplicates, samples out of order or bounds, and exceeded limits stay at 0.
    """
    counters = prometheus.query('{__name__=~"prometheus_target_scrapes_.*_total"}')
    names = {
        labels["__name__"].removeprefix("prometheus_target_scrapes_") for labels, _ in counters
    }
    assert names >= {"sample_duplicate_timestamp_total", "sample_out_of_order_total"}
    assert [counter for counter in counters if counter[1] != 0] == []


@FORMATS
def test_the_number_of_series_is_constant(prometheus: Scraping, job: str) -> None:
    """
    There are at most 350 series, and connections do not add or remove any. Those of workloads
    and of observed idle times are added once.
    """
    of_job = f'{{job="{job}"}}[5m]'
    least = prometheus.value(f"min_over_time(scrape_samples_scraped{of_job})")
    most = prometheus.value(f"max_over_time(scrape_samples_scraped{of_job})")
    assert most <= 350
    assert most - least <= LATE_SERIES
    assert prometheus.value(f"sum_over_time(scrape_series_added{of_job})") == most
    assert prometheus.value(f"changes(tcp_keepalive_sampled_sockets{of_job})") > 5


def test_both_formats_have_the_same_series(prometheus: Scraping) -> None:
    """
    Names and labels are the same in both formats.
    """

    def series(job: str) -> set[frozenset[tuple[str, str]]]:
        found = prometheus.query(f'{{job="{job}", __name__!~"up|scrape_.*"}}')
        return {frozenset((labels | {"job": ""}).items()) for labels, _ in found}

    assert series("text")
    assert series("text") == series("openmetrics")


def test_openmetrics_has_the_gauge_histogram(prometheus: Scraping) -> None:
    """
    The two jobs have different formats: only OpenMetrics has the type gaugehistogram.
    """
    types = {
        entry["target"]["job"]: entry["type"]
        for entry in prometheus.api(
            "targets/metadata", metric="tcp_keepalive_connection_idle_seconds"
        )
    }
    assert types == {"openmetrics": "gaugehistogram", "text": "histogram"}


@FORMATS
@pytest.mark.parametrize("metric", documented())
def test_documented_metrics_can_be_queried(prometheus: Scraping, job: str, metric: str) -> None:
    """
    Every documented metric returns data by its documented name.
    """
    query = f'{{__name__=~"{metric}(_bucket|_g?count|_g?sum)?", job="{job}"}}'
    names = {labels["__name__"].removeprefix(metric) for labels, _ in prometheus.query(query)}
    assert names in ({""}, {"_bucket", "_count", "_sum"}, {"_bucket", "_gcount", "_gsum"})


@FORMATS
def test_quantiles_of_gauge_histograms(prometheus: Scraping, job: str) -> None:
    """
    histogram_quantile() returns the bucket bounds of the connections' keepalive times.
    """
    buckets = (
        "tcp_keepalive_connection_keepalive_time_seconds_bucket"
        f'{{job="{job}", path="azure-outbound"}}'
    )
    # One connection with 1 s, ten with 90 s, ten with 300 s.
    assert prometheus.value(f"histogram_quantile(11 / 21, {buckets})") == 120
    assert prometheus.value(f"histogram_quantile(1, {buckets})") == 600


@FORMATS
def test_idle_quantiles(prometheus: Scraping, job: str) -> None:
    """
    histogram_quantile() over all paths shows that no connection was idle for more than a minute.
    """
    buckets = f'sum by (le) (tcp_keepalive_connection_idle_seconds_bucket{{job="{job}"}})'
    assert 0 < prometheus.value(f"histogram_quantile(0.99, {buckets})") <= 60


@FORMATS
def test_counters_have_a_rate(prometheus: Scraping, job: str) -> None:
    """
    A connection with a keepalive time of 1 s sends about one probe per second.
    """
    rate = prometheus.value(f'rate(tcp_keepalive_probes_sent_total{{job="{job}"}}[20s])')
    assert 0.5 < rate < 1.5


def test_promtool_check_metrics(prometheus: Scraping) -> None:
    """
    `promtool check metrics` prints nothing for the live text.
    """
    finished = subprocess.run(
        ["promtool", "check", "metrics"],
        input=prometheus.exporter.get(accept=TEXT),
        text=True,
        capture_output=True,
        check=False,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_openmetrics_is_strictly_valid(prometheus: Scraping) -> None:
    """
    The live OpenMetrics text passes the reference parser, which is stricter than Prometheus.
    """
    text = prometheus.exporter.get(accept=OPENMETRICS)
    families = {family.name: family.type for family in parse(text)}  # type: ignore[no-untyped-call]
    assert families["tcp_keepalive_connection_idle_seconds"] == "gaugehistogram"
    assert families["tcp_keepalive_probes_sent"] == "counter"


def test_the_exporter_logs_no_warnings(prometheus: Scraping) -> None:
    """
    The exporter's log has only lines of level info.
    """
    lines = prometheus.exporter.log
    assert [line for line in lines if "level=info" not in line] == []
