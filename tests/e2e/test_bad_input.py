"""
The exporter with system calls or files denied: it continues, and logs each failure once.
"""

import errno
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.exporter_process import AS_NOBODY, COMMAND, ExporterProcess, exporter_process
from tests.lab import requires_lab

pytestmark = pytest.mark.system

SETTINGS = 'tcp_keepalive_collector_success{collector="settings"}'
SOCKETS = 'tcp_keepalive_collector_success{collector="sockets"}'
TIME = 'tcp_keepalive_time_seconds{netns="host"}'
SYSCTLS = "/proc/sys/net/ipv4"
SOME_SAMPLES = 0.8
PATIENCE = 10.0
"""Seconds until a failure must be logged, even on a busy machine."""


@pytest.fixture
def flag(tmp_path: Path) -> str:
    """
    The flag with a config file that makes the exporter sample often.
    """
    file = tmp_path / "config.yml"
    file.write_text("sampling: {interval: 200ms, max_duty_cycle: 1}\n")
    return f"--config.file={file}"


def refused_netlink(number: int) -> tuple[str, ...]:
    """
    The command line of an exporter for which netlink sockets fail with this error.
    """
    return (sys.executable, "-m", "tests.e2e.refuse_netlink", str(number), *COMMAND)


def after_mounting(script: str) -> tuple[str, ...]:
    """
    The command line of an exporter in its own mount namespace, after a shell script there.
    """
    return ("unshare", "--mount", "sh", "-euc", f'{script}; exec "$@"', "sh", *COMMAND)


def failures(exporter: ExporterProcess, *collectors: str) -> list[str]:
    """
    The logged errors of these failed collectors, which are in alphabetical order.

    Some samples later there must still be exactly one line per collector.
    """

    def logged() -> list[str]:
        return [line for line in exporter.log if "level=error" in line and "collector=" in line]

    end = time.monotonic() + PATIENCE
    while len(logged()) < len(collectors) and time.monotonic() < end:
        time.sleep(SOME_SAMPLES)
    time.sleep(SOME_SAMPLES)
    lines = logged()
    lines.sort(key=lambda line: line.partition("collector=")[2])
    assert len(lines) == len(collectors)
    for collector, line in zip(collectors, lines, strict=True):
        assert f" collector={collector} " in line
    return [line.partition("error=")[2].strip('"') for line in lines]


def names(metrics: dict[str, float]) -> set[str]:
    """
    The metric names of the series, without the prefix.
    """
    return {series.partition("{")[0].removeprefix("tcp_keepalive_") for series in metrics}


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        pytest.param(errno.EPERM, "not permitted", id="seccomp"),
        pytest.param(errno.EAFNOSUPPORT, "not supported", id="RestrictAddressFamilies"),
    ],
)
def test_netlink_refused(flag: str, number: int, reason: str) -> None:
    """
    If seccomp or systemd denies netlink, settings are exported, and one line per collector has the
    reason why connections are not.
    """
    with exporter_process(flag, command=refused_netlink(number)) as exporter:
        metrics = exporter.wait_for({SETTINGS: 1, SOCKETS: 0})
        of_closures, of_sockets = failures(exporter, "closures", "sockets")
        assert exporter.get("/-/ready")[0] == 200
    assert metrics['tcp_keepalive_namespaces{readable="false"}'] == 1
    assert TIME in metrics
    assert not names(metrics) & {"connections", "sampled_sockets", "sample_timestamp_seconds"}
    assert reason in of_sockets
    assert reason in of_closures


@requires_lab
def test_sysctl_missing(flag: str) -> None:
    """
    A missing sysctl fails the settings collector, and only its own metrics are absent. The recovery
    is logged.
    """
    script = (
        f"mount -t tmpfs none {SYSCTLS}; cd {SYSCTLS};"
        " echo 120 >tcp_keepalive_time; echo 30 >tcp_keepalive_intvl; echo 8 >tcp_keepalive_probes;"
        " cd $OLDPWD"
    )
    with exporter_process(flag, command=after_mounting(script)) as exporter:
        metrics = exporter.wait_for({SETTINGS: 0, SOCKETS: 1, TIME: 120})
        (of_settings,) = failures(exporter, "settings")

        inside = ("nsenter", "--mount", f"--target={exporter.process.pid}")
        subprocess.run([*inside, "umount", SYSCTLS], check=True)
        recovered = exporter.wait_for({SETTINGS: 1, SOCKETS: 1})
        assert "level=info" in exporter.log[-1]
        assert exporter.log[-1].endswith(" collector=settings")

    assert of_settings.endswith(f" {SYSCTLS}/tcp_retries2: No such file or directory")
    assert metrics['tcp_keepalive_path_protected{netns="host",path="azure-outbound"}'] == 1
    assert "data_retransmissions" not in names(metrics)
    assert "data_retransmissions" in names(recovered)


@requires_lab
def test_sysctls_hidden(flag: str) -> None:
    """
    If /proc/sys is hidden, connections are still counted, and one line names the files.
    """
    command = after_mounting("mount -t tmpfs none /proc/sys")
    with exporter_process(flag, command=command) as exporter:
        exporter.wait_for({SETTINGS: 0, SOCKETS: 1})
        (of_settings,) = failures(exporter, "settings")
        metrics = exporter.metrics()
    for name in ("tcp_keepalive_time", "tcp_keepalive_intvl", "tcp_keepalive_probes"):
        assert f"{SYSCTLS}/{name}: No such file or directory" in of_settings
    assert "connections" in names(metrics)
    assert not names(metrics) & {"time_seconds", "interval_seconds", "probes", "path_protected"}


@requires_lab
def test_proc_not_mounted(flag: str) -> None:
    """
    Without /proc nothing can be read. The exporter keeps running, and each collector logs the
    reason once.
    """
    command = after_mounting("mount -t tmpfs none /proc")
    with exporter_process(flag, command=command) as exporter:
        metrics = exporter.wait_for({SETTINGS: 0, SOCKETS: 0})
        of_settings, of_sockets = failures(exporter, "settings", "sockets")
        assert exporter.get("/-/healthy")[0] == 200
    assert metrics['tcp_keepalive_namespaces{readable="false"}'] == 1
    assert f"{SYSCTLS}/tcp_keepalive_time: No such file or directory" in of_settings
    assert of_sockets.endswith(" /proc/thread-self/net/netstat: No such file or directory")
    assert not names(metrics) & {"time_seconds", "connections"}


@pytest.fixture(scope="module")
def series_of_root() -> set[str]:
    """
    The series that the exporter exports as root.
    """
    with exporter_process() as exporter:
        return steady(exporter.wait_for({SETTINGS: 1, SOCKETS: 1}))


def steady(metrics: dict[str, float]) -> set[str]:
    """
    The series without those of workloads, which depend on the current connections.
    """
    return {series for series in metrics if "workload=" not in series}


@requires_lab
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(AS_NOBODY, id="nobody"),
        pytest.param(("unshare", "--user", "--map-root-user", *COMMAND), id="user namespace"),
    ],
)
def test_without_privilege(flag: str, command: tuple[str, ...], series_of_root: set[str]) -> None:
    """
    Without privileges, the exporter exports the same series as root and logs no warnings.
    """
    with exporter_process(flag, command=command) as exporter:
        exporter.wait_for({SETTINGS: 1, SOCKETS: 1})
        time.sleep(SOME_SAMPLES)
        assert steady(exporter.metrics()) == series_of_root
        exporter.end()
        _, _, last = exporter.log  # profile, address, end
        assert "level=info" in last
