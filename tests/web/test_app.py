"""
Responses of the application.
"""

import gzip
import re

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from exporter.web.app import WebOptions
from tests.exporter_process import values
from tests.web.conftest import Client, Latest, client_of

pytestmark = pytest.mark.system

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
PROMETHEUS_ACCEPTS = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;"
    "q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROBES = 'tcp_keepalive_probes{netns="host"}'


def parse_openmetrics(text: str) -> list[Metric]:
    """
    The families of a response in OpenMetrics format. The parser enforces the format.
    """
    return [*openmetrics.text_string_to_metric_families(text)]  # type: ignore[no-untyped-call]


async def test_text_format(client: Client) -> None:
    """
    The default format is Prometheus' text format.
    """
    async with client.get("/metrics", skip_auto_headers=["Accept-Encoding"]) as response:
        text = await response.text()
    assert (response.status, response.headers["Content-Type"]) == (200, TEXT)
    assert "Content-Encoding" not in response.headers
    families = {family.name for family in text_string_to_metric_families(text)}
    assert {"tcp_keepalive_probes", "process_start_time_seconds", "python_info"} <= families
    assert values(text)[PROBES] == 9


async def test_openmetrics(client: Client) -> None:
    """
    With the Accept header of Prometheus, the format is OpenMetrics, with gauge histograms.
    """
    async with client.get("/metrics", headers={"Accept": PROMETHEUS_ACCEPTS}) as response:
        text = await response.text()
    assert (response.status, response.headers["Content-Type"]) == (200, OPENMETRICS)
    assert text.endswith("# EOF\n")
    families = {family.name: family for family in parse_openmetrics(text)}
    assert families["tcp_keepalive_connection_idle_seconds"].type == "gaugehistogram"
    assert families["tcp_keepalive_probes_sent"].type == "counter"
    assert [sample.value for sample in families["tcp_keepalive_probes"].samples] == [9, 9]


@pytest.mark.parametrize("version", ["x", "1.x", "1" * 5000, "", "-1"])
async def test_odd_version(client: Client, version: str) -> None:
    """
    An invalid version in the Accept header still gets a response.
    """
    for kind in ("application/openmetrics-text", "text/plain"):
        async with client.get(
            "/metrics", headers={"Accept": f"{kind};version={version}"}
        ) as response:
            assert response.status == 200
            assert "tcp_keepalive_probes" in await response.text()


async def test_both_formats_agree(client: Client) -> None:
    """
    The text format and OpenMetrics have the same series.
    """
    async with client.get("/metrics") as response:
        plain = await response.text()
    async with client.get("/metrics", headers={"Accept": PROMETHEUS_ACCEPTS}) as response:
        modern = await response.text()
    assert values(plain).keys() == values(modern).keys()


async def test_gzip(client: Client) -> None:
    """
    Metrics are compressed if the client accepts gzip.
    """
    headers = {"Accept-Encoding": "gzip"}
    async with client.get("/metrics", headers=headers, auto_decompress=False) as response:
        body = await response.read()
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(body) < 5000
    assert values(gzip.decompress(body).decode())[PROBES] == 9


@pytest.mark.parametrize(
    "selected",
    [
        {"tcp_keepalive_probes"},
        {"tcp_keepalive_probes", "process_open_fds"},
        {"tcp_keepalive_connections", "tcp_keepalive_probes_sent_total"},
        {"tcp_keepalive_connection_idle_seconds_bucket"},
        {"nothing"},
    ],
)
async def test_name_filter(client: Client, selected: set[str]) -> None:
    """
    `name[]` selects series by name, and may be repeated.
    """
    async with client.get("/metrics", params=[("name[]", name) for name in selected]) as response:
        text = await response.text()
    names = {series.partition("{")[0] for series in values(text)}
    assert names == selected - {"nothing"}


async def test_newest_snapshot(client: Client, latest: Latest) -> None:
    """
    Every scrape shows the latest snapshot.
    """
    snapshot, latest.snapshot = latest.snapshot, None
    async with client.get("/metrics") as response:
        assert PROBES not in await response.text()
    latest.snapshot = snapshot
    async with client.get("/metrics") as response:
        assert PROBES in await response.text()


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready"])
async def test_head(client: Client, path: str) -> None:
    """
    HEAD responds like GET, without a body.
    """
    async with client.head(path) as response:
        body = await response.read()
    assert (response.status, body) == (200, b"")
    assert int(response.headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_wrong_method(client: Client, path: str, method: str) -> None:
    """
    Only GET and HEAD are allowed.
    """
    async with client.request(method, path) as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")


@pytest.mark.parametrize(
    "path", ["/metric", "/metrics/", "/-/", "/connections", "/-/static/base.html"]
)
async def test_unknown_path(client: Client, path: str) -> None:
    """
    Unknown paths return 404.
    """
    async with client.get(path) as response:
        assert response.status == 404


async def test_health(client: Client, latest: Latest) -> None:
    """
    The exporter is healthy from the start, and ready after its first sample.
    """
    snapshot, latest.snapshot = latest.snapshot, None
    async with client.get("/-/healthy") as response:
        assert response.status == 200
        assert await response.text() == "tcp-keepalive-exporter is healthy.\n"
    async with client.get("/-/ready") as response:
        assert response.status == 503
        assert "first sample" in await response.text()
    latest.snapshot = snapshot
    async with client.get("/-/ready") as response:
        assert response.status == 200
        assert await response.text() == "tcp-keepalive-exporter is ready.\n"


async def test_landing_page(client: Client) -> None:
    """
    All links of the landing page work.
    """
    async with client.get("/") as response:
        page = await response.text()
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    links = re.findall(r'href="(.*?)"', page)
    static = ["/-/static/style.css", "/-/static/icon.svg"]
    assert links == [*static, "/metrics", "/-/healthy", "/-/ready"]
    for link in links:
        async with client.get(link) as response:
            assert response.status == 200


async def test_other_telemetry_path(latest: Latest) -> None:
    """
    The link on the landing page follows the telemetry path, with escaping.
    """
    app = latest.app(WebOptions(telemetry_path='/m"<&>'))
    async with client_of(app) as client:
        async with client.get("/") as response:
            assert 'href="/m&#34;&lt;&amp;&gt;"' in await response.text()
        async with client.get('/m"<&>') as response:
            assert PROBES in await response.text()
        async with client.get("/metrics") as response:
            assert response.status == 404


async def test_metrics_at_the_root(latest: Latest) -> None:
    """
    With the metrics at /, there is no landing page.
    """
    app = latest.app(WebOptions(telemetry_path="/"))
    async with client_of(app) as client, client.get("/") as response:
        assert PROBES in await response.text()
