"""
A small world in which connections die, and the alerts about it: `python -m tests.demo --help`.
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

from tests.demo.environment import Stage, stage
from tests.demo.scenario import (
    HURRY,
    IDLE_TIMEOUT,
    MACHINES,
    Identity,
)
from tests.lab import LabError

_LOOK_EVERY = 1.0
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[m"
_COLOURS = {"critical": "\x1b[31m", "warning": "\x1b[33m", "info": "\x1b[36m"}

HINTS = """
Three hosts behind a NAT that forgets, without a word, what has been idle for {idle_timeout} s:

{cast}

Look, in a browser:
  alerts, as Prometheus has them   {prometheus}/classic/alerts
  what it knows                    {prometheus}/classic/graph?g0.expr=tcp_keepalive_at_risk_connections
and in another terminal:
  alerts, as Alertmanager has them amtool alert --alertmanager.url={alertmanager}
  a host's settings, judged        nsenter --net=/run/netns/{netns} {exporter} check --config.file={config}
  its connections                  nsenter --net=/run/netns/{netns} {exporter} connections --config.file={config}
Repair it, and see alerts go:
  correct the settings of web-1    nsenter --net=/run/netns/{netns} sysctl net.ipv4.tcp_keepalive_time=10 \\
                                     net.ipv4.tcp_keepalive_intvl=5 net.ipv4.tcp_keepalive_probes=3
  make the NAT remember for longer nsenter --net=/run/netns/{nat} \\
                                     sysctl net.netfilter.nf_conntrack_tcp_timeout_established=600

Everything goes faster here: Prometheus scrapes every second, and what an alert waits for (its `for`)
is {hurry} times shorter than in deploy/prometheus, {patience} s instead of 15 minutes. Nothing else differs.
Watch the first alerts within a minute, the last within two. Ctrl-C takes it all down.
"""  # noqa: E501 - commands are for copying


def hints(stage: Stage, directory: Path) -> str:
    """
    What is played, and where to look.
    """
    cast = "\n".join(
        f"  {machine.name}  {'sysctls set right' if machine.configured else 'sysctls never set':18}"
        f" {app.name:9} {app.story}"
        for machine in MACHINES
        for app in machine.applications
    )
    return HINTS.format(
        cast=cast,
        prometheus=stage.monitoring.prometheus,
        alertmanager=stage.monitoring.alertmanager,
        netns=stage.hosts["web-1"].name,
        nat=stage.nat.name,
        exporter=Path(sys.executable).with_name("tcp-keepalive-exporter"),
        config=directory / "exporter.yml",
        idle_timeout=IDLE_TIMEOUT,
        hurry=HURRY,
        patience=15 * 60 // HURRY,
    )


def identity(alert: Any) -> Identity:
    """
    What tells an alert from the others.
    """
    labels = alert["labels"]
    what = labels.get("path") or labels.get("workload", "")
    return labels["alertname"], labels["severity"], labels.get("instance", ""), what


def say(text: str) -> None:
    """
    Print with the time of day.
    """
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def told(alert: Any) -> str:
    """
    An alert as people read it, in two lines.
    """
    name, severity, instance, what = identity(alert)
    summary = alert["annotations"]["summary"]
    colour, plain = (_COLOURS[severity], _PLAIN) if sys.stdout.isatty() else ("", "")
    return f"{colour}{severity:9}{name:31}{plain}{instance} {what}\n{'':10}{summary}"


def narrate(stage: Stage) -> None:
    """
    Say for ever which alerts Alertmanager has got, and which are over.
    """
    known: dict[Identity, Any] = {}
    while True:
        now = {identity(alert): alert for alert in stage.monitoring.alerts()}
        for name in now.keys() - known.keys():
            say(told(now[name]))
        for name in known.keys() - now.keys():
            say(f"resolved {' '.join(part for part in name if part != name[1])}")
        known = now
        time.sleep(_LOOK_EVERY)


def main() -> None:
    """
    Open a NAT that forgets, hosts behind it, Prometheus and Alertmanager; say what they find.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=main.__doc__)
    parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    # Named so that the lab's guard finds it, should this process be killed.
    with tempfile.TemporaryDirectory(prefix=f"lab-{os.getpid()}-") as name:
        tempfile.tempdir = name
        directory = Path(name)
        with contextlib.suppress(KeyboardInterrupt):
            print("Building it ...", flush=True)
            with stage(directory) as everything:
                print(hints(everything, directory), flush=True)
                try:
                    narrate(everything)
                finally:
                    say("taking it down ...")


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(str(error))
