"""
What the exporter does where there is no Linux, as far as that can be seen on Linux.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.exporter_process import ExporterProcess, exporter_process, run_exporter

TRAP = {"KeepAliveTime": 120, "KeepAliveInterval": 30}
"""Seconds, taken literally from instructions that name no unit."""
ON_LINUX_ALONE = (
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
    The exporter's command with these values in the registry.
    """
    return (sys.executable, "-m", "tests.e2e.as_windows", json.dumps(registry))


def run(*arguments: str, registry: dict[str, int]) -> "subprocess.CompletedProcess[str]":
    """
    What a command says there.
    """
    return run_exporter(*arguments, command=command(registry), within=30)


@pytest.fixture(scope="module")
def exporter() -> Iterator[ExporterProcess]:
    """
    An exporter that has taken a sample.
    """
    with exporter_process(command=command(TRAP)) as running:
        running.wait_for({'tcp_keepalive_collector_success{collector="sockets"}': 1})
        yield running


def test_settings(exporter: ExporterProcess) -> None:
    """
    The registry's milliseconds are published as seconds, and judged.
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
    Connections are counted by path; what only Linux knows of them is unknown, and no families are
    there that would need to know it.
    """
    metrics = exporter.metrics()
    counts = {each: metrics[each] for each in metrics if "_connections{" in each}
    assert set(counts) == {
        f'tcp_keepalive_connections{{idle_state="unknown",path="{path}",protection="unknown"}}'
        for path in ("azure-outbound", "azure-inbound", "none")
    }
    assert sum(counts.values()) == metrics["tcp_keepalive_sampled_sockets"]
    for name in ON_LINUX_ALONE:
        assert not any(each.startswith(f"tcp_keepalive_{name}") for each in metrics)


def test_said_once(exporter: ExporterProcess) -> None:
    """
    What is missing is said once in the log, which is otherwise quiet.
    """
    said, listening = exporter.log
    assert "only settings and the number of connections are told on this system" in said
    assert "level=info" in said
    assert "listening" in listening


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_end(number: int) -> None:
    """
    It ends in good order although the event loop takes no signals.
    """
    with exporter_process(command=command({})) as running:
        code, _ = running.end(number)
        assert code == 0
        assert "ending" in running.log[-1]


def test_no_flags_of_linux() -> None:
    """
    Collectors that there are not cannot be chosen.
    """
    ended = run("--no-collector.closures", registry={})
    assert ended.returncode == 2
    assert "No such option '--no-collector.closures'" in ended.stderr


def test_check_and_fix() -> None:
    """
    `check` tells seconds from milliseconds, `fix` prints the cure, and `check` is content with it.
    """
    trapped = run("check", registry=TRAP)
    assert (trapped.returncode, trapped.stderr) == (1, "")
    assert "KA006" in trapped.stdout
    assert "fix --for windows-reg" in trapped.stdout
    cure = run("fix", "--for", "windows-reg", registry=TRAP)
    assert '"KeepAliveTime"=dword:0001d4c0' in cure.stdout
    cured = run("check", registry={"KeepAliveTime": 0x1D4C0, "KeepAliveInterval": 0x7530})
    assert (cured.returncode, cured.stderr) == (0, "")


def test_not_told() -> None:
    """
    A value whose meaning is not documented fails the settings' collector, and no other.
    """
    with exporter_process(command=command({"KeepAliveTime": 0})) as running:
        metrics = running.wait_for({'tcp_keepalive_collector_success{collector="sockets"}': 1})
        assert metrics['tcp_keepalive_collector_success{collector="settings"}'] == 0
        assert 'tcp_keepalive_time_seconds{netns="host"}' not in metrics
        assert metrics['tcp_keepalive_interval_seconds{netns="host"}'] == 1
        assert any("KeepAliveTime is 0, but 1 is the least" in line for line in running.log)
