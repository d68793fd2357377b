"""
A real Prometheus with the rules of deploy/, and a real Alertmanager, inside a lab's host.
"""

import json
import shutil
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.alerts.rules import DIRECTORY, FILES
from tests.lab import Host, LabError, forward

_PROMETHEUS, _ALERTMANAGER = 9090, 9093
_READY_TIMEOUT = 30.0
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
Targets = Mapping[str, str]
"""Addresses by instance name."""


@dataclass(frozen=True, slots=True)
class Monitoring:
    """
    URLs of Prometheus and Alertmanager, reachable from outside the lab.
    """

    prometheus: str
    alertmanager: str

    def query(self, expression: str) -> list[Any]:
        """
        The present result of a PromQL expression.
        """
        return list(self.api("query", query=expression)["result"])

    def api(self, path: str, **parameters: str) -> Any:
        """
        The data of a response from Prometheus' HTTP API.
        """
        query = urllib.parse.urlencode(parameters)
        return json.loads(get(f"{self.prometheus}/api/v1/{path}?{query}"))["data"]

    def alerts(self) -> list[Any]:
        """
        The present alerts in Alertmanager.
        """
        return list(json.loads(get(f"{self.alertmanager}/api/v2/alerts")))


@contextmanager
def monitoring(
    host: Host, directory: Path, targets: Targets, *, every: str = "1s", speedup: int = 1
) -> Iterator[Monitoring]:
    """
    Run Prometheus and Alertmanager. every is the interval of scrapes and evaluations.

    The `for` of alerts is divided by speedup. Prometheus' database is prometheus/ in the directory.
    """
    for command in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(command) is None:
            raise LabError(f"the demo needs Debian's package {command}")
    (directory / "rules").mkdir()
    for file in FILES:
        (directory / "rules" / file.name).write_text(accelerated(file.read_text(), speedup))
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump(scraping(targets, every)))
    with ExitStack() as stack:
        ports = [stack.enter_context(forward(host, port)) for port in (_PROMETHEUS, _ALERTMANAGER)]
        found = Monitoring(*(f"http://localhost:{port}" for port in ports))
        for name, flags in (
            (
                "prometheus",
                (
                    f"--config.file={config}",
                    f"--storage.tsdb.path={directory / 'prometheus'}",
                    f"--web.listen-address=127.0.0.1:{_PROMETHEUS}",
                    f"--web.external-url={found.prometheus}",
                ),
            ),
            (
                "prometheus-alertmanager",
                (
                    f"--config.file={DIRECTORY / 'alertmanager.yml'}",
                    f"--storage.path={directory / 'alertmanager'}",
                    f"--web.listen-address=127.0.0.1:{_ALERTMANAGER}",
                    f"--web.external-url={found.alertmanager}",
                    "--cluster.listen-address=",  # no peers
                ),
            ),
        ):
            log = stack.enter_context((directory / f"{name}.log").open("w"))
            host.start([name, *flags], stderr=log)
        for url in (found.prometheus, found.alertmanager):
            wait_until_ready(url)
        yield found


def accelerated(rules: str, times: int) -> str:
    """
    The rules with the durations of their alerts divided by times, and no other change.
    """
    content = yaml.safe_load(rules)
    for group in content["groups"]:
        for rule in group["rules"]:
            for key in {"for", "keep_firing_for"} & rule.keys():
                seconds = 60 * int(rule[key].removesuffix("m"))
                rule[key] = f"{seconds // times}s"
    return yaml.safe_dump(content)


def scraping(targets: Targets, every: str) -> dict[str, Any]:
    """
    The configuration of Prometheus.
    """
    often = ("scrape_interval", "scrape_timeout", "evaluation_interval")
    return {
        "global": dict.fromkeys(often, every),
        "rule_files": ["rules/*.yml"],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{_ALERTMANAGER}"]}]}]
        },
        "scrape_configs": [
            {
                "job_name": "tcp-keepalive",
                "static_configs": [
                    {"targets": [address], "labels": {"instance": name}}
                    for name, address in targets.items()
                ],
            }
        ],
    }


def get(url: str) -> str:
    """
    The body of the response to a GET.
    """
    with _WITHOUT_PROXY.open(url, timeout=10) as response:
        return str(response.read().decode())


def wait_until_ready(url: str) -> None:
    """
    Wait until /-/ready succeeds. Raises OSError after 30 s.
    """
    end = time.monotonic() + _READY_TIMEOUT
    while True:
        try:
            get(f"{url}/-/ready")
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return
