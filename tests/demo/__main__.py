"""
Demo of dying connections and the resulting alerts: `python -m tests.demo --help`.
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.demo.environment import Environment, environment
from tests.demo.scenario import IDLE_TIMEOUT, MACHINES, SPEEDUP, Identity
from tests.lab import LabError

_INTERVAL = 1.0
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[m"
_COLOURS = {"critical": "\x1b[31m", "warning": "\x1b[33m", "info": "\x1b[36m"}

HINTS = """
Three hosts behind a NAT that silently drops connections idle for {idle_timeout} s:

{applications}

In a browser:
  alerts in Prometheus             {prometheus}/classic/alerts
  metrics in Prometheus            {prometheus}/classic/graph?g0.expr=tcp_keepalive_at_risk_connections
In another terminal:
  alerts in Alertmanager           amtool alert --alertmanager.url={alertmanager}
  check of a host's settings       nsenter --net=/run/netns/{netns} {exporter} check --config.file={config}
  connections of a host            nsenter --net=/run/netns/{netns} {exporter} connections --config.file={config}
Fix the causes to resolve the alerts:
  correct the settings of web-1    nsenter --net=/run/netns/{netns} sysctl net.ipv4.tcp_keepalive_time=10 \\
                                     net.ipv4.tcp_keepalive_intvl=5 net.ipv4.tcp_keepalive_probes=3
  raise the timeout of the NAT     nsenter --net=/run/netns/{nat} \\
                                     sysctl net.netfilter.nf_conntrack_tcp_timeout_established=600

The demo is accelerated: Prometheus scrapes every second, and the `for` of each alert is {speedup} times
shorter than in deploy/prometheus, {shortened} s instead of 15 minutes. Nothing else differs.
The first alerts fire within a minute, the last within two. Ctrl-C removes everything.
"""  # noqa: E501 - commands are for copying


def hints(environment: Environment, directory: Path) -> str:
    """
    Description of the hosts, with URLs and commands.
    """
    applications = "\n".join(
        f"  {machine.name}  {'sysctls correct' if machine.configured else 'sysctls not set':16}"
        f" {app.name:15} {app.description}"
        for machine in MACHINES
        for app in machine.applications
    )
    return HINTS.format(
        applications=applications,
        prometheus=environment.monitoring.prometheus,
        alertmanager=environment.monitoring.alertmanager,
        netns=environment.hosts["web-1"].name,
        nat=environment.nat.name,
        exporter=Path(sys.executable).with_name("tcp-keepalive-exporter"),
        config=directory / "exporter.yml",
        idle_timeout=IDLE_TIMEOUT,
        speedup=SPEEDUP,
        shortened=15 * 60 // SPEEDUP,
    )


def identity(alert: Any) -> Identity:
    """
    The values that identify an alert.
    """
    labels = alert["labels"]
    what = labels.get("path") or labels.get("workload", "")
    return labels["alertname"], labels["severity"], labels.get("instance", ""), what


def print_with_time(text: str) -> None:
    """
    Print a line with the time of day.
    """
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def format_alert(alert: Any) -> str:
    """
    An alert in two lines of text.
    """
    name, severity, instance, what = identity(alert)
    summary = alert["annotations"]["summary"]
    colour, plain = (_COLOURS[severity], _PLAIN) if sys.stdout.isatty() else ("", "")
    return f"{colour}{severity:9}{name:31}{plain}{instance} {what}\n{'':10}{summary}"


def print_changes(environment: Environment) -> None:
    """
    Print each alert that begins or ends in Alertmanager, without end.
    """
    known: dict[Identity, Any] = {}
    while True:
        now = {identity(alert): alert for alert in environment.monitoring.alerts()}
        for name in now.keys() - known.keys():
            print_with_time(format_alert(now[name]))
        for name in known.keys() - now.keys():
            print_with_time(f"resolved {' '.join(part for part in name if part != name[1])}")
        known = now
        time.sleep(_INTERVAL)


def main() -> None:
    """
    Start a NAT that drops idle connections, hosts, Prometheus and Alertmanager; print alerts.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=main.__doc__)
    parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    # The name lets the lab's guard find the directory if this process is killed.
    with tempfile.TemporaryDirectory(prefix=f"lab-{os.getpid()}-") as name:
        tempfile.tempdir = name
        directory = Path(name)
        with contextlib.suppress(KeyboardInterrupt):
            print("Starting ...", flush=True)
            with environment(directory) as running:
                print(hints(running, directory), flush=True)
                try:
                    print_changes(running)
                finally:
                    print_with_time("shutting down ...")


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(str(error))
