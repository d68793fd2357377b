"""
Shutdown of the exporter, and scrapes while a sample hangs.
"""

import signal
import socket
import sys
import time

import pytest

from tests.exporter_process import ExporterProcess, exporter_process

pytestmark = pytest.mark.system

SOON = 2.0
"""Maximum seconds until it has exited."""

HANGS = """
import time
from exporter.collectors import namespace_connections as reader
reader.read_sockets = lambda: time.sleep(60)
from exporter.cli import main
main()
"""
HANGING = (sys.executable, "-c", HANGS)
READY = 'tcp_keepalive_collector_success{collector="settings"}'


def keep_connection(exporter: ExporterProcess) -> socket.socket:
    """
    A connection that was answered and stays open, as those of Prometheus do.
    """
    host, _, port = exporter.addresses[0].rpartition(":")
    scraper = socket.create_connection((host, int(port)))
    scraper.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: exporter\r\n\r\n")
    assert scraper.recv(1000).startswith(b"HTTP/1.1 200")
    return scraper


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_signal(number: signal.Signals) -> None:
    """
    SIGTERM and SIGINT end the exporter quickly with exit code 0, despite open connections.
    """
    with exporter_process() as exporter, keep_connection(exporter):
        exporter.wait_for({READY: 1})
        code, seconds = exporter.end(number)
        assert exporter.log[-1].endswith('level=info msg="shutting down"')
        assert len(exporter.log) == 3  # profile, address, end
    assert code == 0
    assert seconds < SOON


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_signal_during_a_sample(number: signal.Signals) -> None:
    """
    While a sample hangs, the exporter answers requests, and ends on a signal.
    """
    with exporter_process(command=HANGING) as exporter:
        asked = time.monotonic()
        assert exporter.get("/-/ready")[0] == 503
        assert exporter.get("/-/healthy")[0] == 200
        assert "tcp_keepalive_recommended_probes" in exporter.metrics()
        assert time.monotonic() - asked < SOON
        code, seconds = exporter.end(number)
    assert code == 0
    assert seconds < SOON


def test_without_sockets_collector() -> None:
    """
    With --no-collector.sockets, settings are exported, but no connections.
    """
    with exporter_process("--no-collector.sockets") as exporter:
        metrics = exporter.wait_for({READY: 1})
    names = {series.partition("{")[0] for series in metrics}
    assert "tcp_keepalive_time_seconds" in names
    assert not names & {"tcp_keepalive_connections", "tcp_keepalive_sampled_sockets"}
    assert 'tcp_keepalive_collector_success{collector="sockets"}' not in metrics


def test_without_settings_collector() -> None:
    """
    With --no-collector.settings, connections are exported, but no settings.
    """
    with exporter_process("--no-collector.settings") as exporter:
        metrics = exporter.wait_for({'tcp_keepalive_collector_success{collector="sockets"}': 1})
    names = {series.partition("{")[0] for series in metrics}
    assert "tcp_keepalive_connections" in names
    assert "tcp_keepalive_time_seconds" not in names
    assert READY not in metrics
