"""
The complete demo: its alerts, the cost of the rules, the runbooks' commands and queries, and the
cleanup.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.alerts.rules import ALERTS, RECORDINGS, RUNBOOKS, Rule, runbook_base
from tests.alerts.runbooks import COMMANDS, QUERIES, Command
from tests.cgroups import writable
from tests.demo.__main__ import identity
from tests.demo.monitoring import Monitoring
from tests.demo.scenario import EXPECTED, Identity
from tests.exporter_process import INTERRUPTIBLE, ROOT
from tests.lab import LAB_MARKS
from tests.lab.hosts import NAMESPACES

pytestmark = [
    *LAB_MARKS,
    pytest.mark.timeout(400),
    pytest.mark.skipif(writable() is None, reason="needs a writable cgroup2, for workloads"),
]

_TIMEOUT = 150.0
_EXTRA_TIME = 5.0
"""Seconds to wait for unexpected alerts, after all expected ones."""
_FAST = 0.1
_WRAPPER = """#!/bin/sh
command=$1
shift
case $command in check|connections|probe) set -- "$@" --config.file={config};; esac
exec {exporter} "$command" "$@"
"""
"""Adds the exporter's config file, which the runbooks omit."""
_PROBES = sorted({command.line for command in COMMANDS if " probe " in command.line})
Finished = subprocess.CompletedProcess[str]
_URL = re.compile(r"http://localhost:\d+(?=/classic/alerts|\n)")


@dataclass
class Demo:
    """
    The running demo process, and every alert that Alertmanager has had.
    """

    process: "subprocess.Popen[str]"
    printed: list[str] = field(default_factory=list)
    received: dict[Identity, Any] = field(default_factory=dict)
    probes: "dict[str, Future[Finished]]" = field(default_factory=dict)

    @property
    def text(self) -> str:
        """
        The output so far.
        """
        return "".join(self.printed)

    @property
    def monitoring(self) -> Monitoring:
        """
        Prometheus and Alertmanager, at the URLs in the output.
        """
        prometheus, alertmanager = dict.fromkeys(_URL.findall(self.text))
        return Monitoring(prometheus, alertmanager)

    def run(self, line: str, host: str = "web-1") -> Finished:
        """
        Run a shell command line on a host, with the exporter's command on the PATH.
        """
        (namespace,) = NAMESPACES.glob(f"lab-{self.process.pid}-*-{host}")
        config = re.findall(r"--config\.file=(\S+)", self.text)[0]
        wrapper = Path(config).with_name("tcp-keepalive-exporter")
        exporter = Path(sys.executable).with_name("tcp-keepalive-exporter")
        wrapper.write_text(_WRAPPER.format(config=config, exporter=exporter))
        wrapper.chmod(0o755)
        return subprocess.run(
            ["nsenter", f"--net={namespace}", "bash", "-c", line],
            env={**os.environ, "PATH": f"{wrapper.parent}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )

    def wait_for(self, text: str) -> None:
        """
        Wait until the output contains text.
        """
        end = time.monotonic() + _TIMEOUT
        while text not in self.text:
            assert time.monotonic() < end, self.text
            assert self.process.poll() is None, self.text
            time.sleep(0.1)

    def watch(self, until: float) -> None:
        """
        Collect alerts until the given time, or until all expected ones have come.
        """
        while time.monotonic() < until and not self.received.keys() >= EXPECTED:
            self.collect_alerts()
            time.sleep(0.5)

    def collect_alerts(self) -> None:
        """
        Collect the present alerts.
        """
        self.received |= {identity(alert): alert for alert in self.monitoring.alerts()}


@contextlib.contextmanager
def running() -> Iterator[Demo]:
    """
    Run the demo as `make demo` does.
    """
    with subprocess.Popen(
        [*INTERRUPTIBLE, sys.executable, "-m", "tests.demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        demo = Demo(process)
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        reader = threading.Thread(target=lambda: demo.printed.extend(lines))
        reader.start()
        try:
            yield demo
        finally:
            process.kill()
            reader.join()


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """
    The demo, shortly after the last expected alert.
    """
    with running() as demo, ThreadPoolExecutor() as pool:
        demo.wait_for("Ctrl-C removes everything.")
        # From the monitor, where no exporter counts the connections that die of probing.
        demo.probes = {line: pool.submit(demo.run, line, "monitor") for line in _PROBES}
        started = time.monotonic()
        demo.watch(started + _TIMEOUT)
        took = time.monotonic() - started
        end = time.monotonic() + _EXTRA_TIME
        while time.monotonic() < end:
            demo.collect_alerts()
            time.sleep(0.5)
        print(f"\n{len(demo.received)} alerts within {took:.0f} s")
        yield demo


def test_alertmanager_gets_the_expected_alerts_and_no_other(demo: Demo) -> None:
    """
    Alerts for the hosts with wrong settings or applications, none for the healthy host.
    """
    assert set(demo.received) == EXPECTED


@pytest.mark.parametrize("name", sorted({name for name, *_ in EXPECTED}))
def test_an_alert_is_complete(demo: Demo, name: str) -> None:
    """
    It has the instance, a complete description, an existing runbook, and a link to Prometheus.
    """
    alerts = [alert for key, alert in demo.received.items() if key[0] == name]
    assert alerts
    for alert in alerts:
        assert alert["labels"]["job"] == "tcp-keepalive"
        description = alert["annotations"]["description"]
        assert alert["labels"]["instance"] in description
        assert "<no value>" not in description
        runbook = alert["annotations"]["runbook_url"].removeprefix(runbook_base() + "/")
        assert (RUNBOOKS / runbook).is_file()
        assert alert["generatorURL"].startswith(demo.monitoring.prometheus + "/graph?")


def test_an_alert_about_hanging_connections_names_workloads(demo: Demo) -> None:
    """
    It has the workloads of its host, with the number of their connections.
    """
    named = {
        key[2]: alert["annotations"]["workloads"]
        for key, alert in demo.received.items()
        if key[0] == "TCPKeepaliveStalledConnections"
    }
    assert named.keys() == {"web-1", "web-2"}
    assert re.fullmatch(r"checkout\.service \([1-4]\)", named["web-1"])
    assert re.fullmatch(r"sync\.service \([1-4]\)", named["web-2"])


def test_prometheus_evaluates_every_rule_without_fault(demo: Demo) -> None:
    """
    Each is healthy, and takes less than 100 ms.
    """
    groups = demo.monitoring.api("rules")["groups"]
    found = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert found.keys() == {rule.name for rule in [*ALERTS, *RECORDINGS]}
    for rule in found.values():
        assert (rule["health"], rule.get("lastError")) == ("ok", None), rule["name"]
    slowest = max(found.values(), key=lambda rule: rule["evaluationTime"])
    print(f"\nthe slowest rule, {slowest['name']}, takes {1000 * slowest['evaluationTime']:.1f} ms")
    assert slowest["evaluationTime"] < _FAST


@pytest.mark.parametrize("rule", RECORDINGS, ids=lambda rule: rule.name)
def test_every_recording_has_data(demo: Demo, rule: Rule) -> None:
    """
    Recordings can be queried, for each of the three hosts or for the whole job.
    """
    found = demo.monitoring.query(rule.name)
    by_instance = {series["metric"].get("instance") for series in found}
    of_instances = rule.name.startswith(("instance_", "instance:"))
    assert by_instance == ({"web-1", "web-2", "web-3"} if of_instances else {None})


@pytest.mark.parametrize(("runbook", "query"), QUERIES)
def test_a_runbooks_query_runs(demo: Demo, runbook: str, query: str) -> None:
    """
    It succeeds, with a result if the demo causes the runbook's alert.
    """
    found = demo.monitoring.query(query)
    if runbook in {name for name, *_ in EXPECTED} and "==" not in query:
        assert found


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: f"{each.runbook}: {each.line}")
def test_a_runbooks_command_runs(demo: Demo, command: Command) -> None:
    """
    It succeeds (`check` may have findings), and its output begins as the runbook shows.
    """
    probe = demo.probes.get(command.line)
    finished = demo.run(command.line) if probe is None else probe.result(_TIMEOUT)
    expected = (0, 1) if " check" in command.line else (0,)
    assert finished.returncode in expected, finished.stdout
    assert finished.stdout
    shown = words(command.output)[:2]
    assert words(finished.stdout)[: len(shown)] == shown


def words(output: str) -> list[str]:
    """
    The words in the first line of a command's output, with 0 for all numbers, which vary.
    """
    first = next(iter(output.splitlines()), "")
    return re.sub(r"\d+", "0", first).split()


def test_ctrl_c_removes_everything(demo: Demo) -> None:
    """
    No namespace, process, cgroup or file is left.
    """
    pid = demo.process.pid
    mine = f"lab-{pid}-"
    assert any(place.name.startswith(mine) for place in NAMESPACES.iterdir())
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(30) == 0, demo.text
    assert [place for place in NAMESPACES.iterdir() if place.name.startswith(mine)] == []
    assert list(Path("/tmp").glob(f"{mine}*")) == []
    assert list(Path("/sys/fs/cgroup").rglob(f"lab-{pid}")) == []
    assert [each for each in psutil.process_iter(["cmdline"]) if mine in str(each.info)] == []
