"""
The exporter on platforms other than Linux, simulated on Linux.
"""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.exporter_process import ExporterProcess, exporter_process, run_exporter

pytestmark = pytest.mark.system

TRAP = {"KeepAliveTime": 120, "KeepAliveInterval": 30}
"""Values in seconds, as from instructions that name no unit. The registry has milliseconds."""
LINUX_ONLY = (
    "at_risk_connections",
    "closure_idle_seconds",
    "connection_idle_seconds",
    "connection_timers",
    "idle_drops_total",
    "probes_sent_total",
    "timeout_aborts_total",
    "workload_connections",
)


def command(registry: dict[str, int]) -> tuple[str, ...]:
    """
    The exporter's command line, with these values in the registry.
    """
    return (sys.executable, "-m", "tests.e2e.as_windows", json.dumps(registry))


def run(*arguments: str, registry: dict[str, int]) -> "subprocess.CompletedProcess[str]":
    """
    Run a command of the exporter, with these values in the registry.
    """
    return run_exporter(*arguments, command=command(registry), within=30)


@pytest.fixture(scope="module")
def exporter() -> Iterator[ExporterProcess]:
    """
    An exporter after its first sample.
    """
    with exporter_process(command=command(TRAP)) as running:
        running.wait_for({'tcp_keepalive_collector_success{collector="sockets"}': 1})
        yield running


def test_settings(exporter: ExporterProcess) -> None:
    """
    The registry's milliseconds are exported as seconds and checked for findings.
    """
    host = 'netns="host"'
    expected = {
        f"time_seconds{{{host}}}": 0.12,
        f"interval_seconds{{{host}}}": 0.03,
        f"probes{{{host}}}": 10,
        f"data_retransmissions{{{host}}}": 5,
        f'setting_configured{{{host},setting="time"}}': 1,
        f'setting_configured{{{host},setting="probes"}}': 0,
        f'finding{{id="KA006",{host},severity="critical"}}': 1,
    }
    metrics = exporter.metrics()
    assert {each: metrics[f"tcp_keepalive_{each}"] for each in expected} == expected
    assert not any('matches_recommended{netns="host",setting="probes"}' in each for each in metrics)


def test_connections(exporter: ExporterProcess) -> None:
    """
    Connections are counted by path, with unknown state and protection. Families that need Linux are
    absent.
    """
    metrics = exporter.metrics()
    counts = {each: metrics[each] for each in metrics if "_connections{" in each}
    assert set(counts) == {
        f'tcp_keepalive_connections{{idle_state="unknown",path="{path}",protection="unknown"}}'
        for path in ("azure-outbound", "azure-inbound", "none")
    }
    assert sum(counts.values()) == metrics["tcp_keepalive_sampled_sockets"]
    for name in LINUX_ONLY:
        assert not any(each.startswith(f"tcp_keepalive_{name}") for each in metrics)


def test_logged_once(exporter: ExporterProcess) -> None:
    """
    The limitation is logged once, at level info. The only other lines have the profile and the
    listen address.
    """
    profile, limitation, listening = exporter.log
    assert "profile in force" in profile
    assert "level=info" in limitation
    assert "address=" not in limitation
    assert "address=" in listening


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_end(number: int) -> None:
    """
    The exporter shuts down cleanly, although the event loop supports no signal handlers.
    """
    with exporter_process(command=command({})) as running:
        code, _ = running.end(number)
        assert code == 0
        assert "level=info" in running.log[-1]
        assert "address=" not in running.log[-1]


def test_no_flags_of_linux() -> None:
    """
    There are no flags for collectors of Linux.
    """
    ended = run("--no-collector.closures", registry={})
    assert ended.returncode == 2
    assert "'--no-collector.closures'" in ended.stderr


def test_check_and_fix() -> None:
    """
    `check` detects seconds instead of milliseconds. With the values of `fix` it has no findings.
    """
    before = run("check", registry=TRAP)
    assert (before.returncode, before.stderr) == (1, "")
    assert "KA006" in before.stdout
    assert "fix --for windows-reg" in before.stdout
    fix = run("fix", "--for", "windows-reg", registry=TRAP)
    assert '"KeepAliveTime"=dword:0001d4c0' in fix.stdout
    after = run("check", registry={"KeepAliveTime": 0x1D4C0, "KeepAliveInterval": 0x7530})
    assert (after.returncode, after.stderr) == (0, "")


def test_undocumented_value() -> None:
    """
    A value without a documented meaning fails the settings collector, but no other.
    """
    with exporter_process(command=command({"KeepAliveTime": 0})) as running:
        metrics = running.wait_for({'tcp_keepalive_collector_success{collector="sockets"}': 1})
        assert metrics['tcp_keepalive_collector_success{collector="settings"}'] == 0
        assert 'tcp_keepalive_time_seconds{netns="host"}' not in metrics
        assert metrics['tcp_keepalive_interval_seconds{netns="host"}'] == 1
        failure = re.compile(r"level=error .*collector=settings .*KeepAliveTime\b.*\b0\b")
        assert any(failure.search(line) for line in running.log)
