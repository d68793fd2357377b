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
"""Addresses by the names that the hosts shall have."""


@dataclass(frozen=True, slots=True)
class Monitoring:
    """
    Where Prometheus and Alertmanager are reached from outside of the lab.
    """

    prometheus: str
    alertmanager: str

    def query(self, expression: str) -> list[Any]:
        """
        The series that a PromQL expression gives now.
        """
        return list(self.api("query", query=expression)["result"])

    def api(self, path: str, **parameters: str) -> Any:
        """
        The data that Prometheus answers to a request to its HTTP API.
        """
        query = urllib.parse.urlencode(parameters)
        return json.loads(get(f"{self.prometheus}/api/v1/{path}?{query}"))["data"]

    def alerts(self) -> list[Any]:
        """
        The alerts that Alertmanager has now.
        """
        return list(json.loads(get(f"{self.alertmanager}/api/v2/alerts")))


@contextmanager
def monitoring(
    host: Host, directory: Path, targets: Targets, *, every: str = "1s", hurry: int = 1
) -> Iterator[Monitoring]:
    """
    Scrape the targets and evaluate the rules so often; alert so many times sooner than in earnest.

    Prometheus' database is prometheus/ in the directory.
    """
    for command in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(command) is None:
            raise LabError(f"the demo needs Debian's package {command}")
    (directory / "rules").mkdir()
    for file in FILES:
        (directory / "rules" / file.name).write_text(hurried(file.read_text(), hurry))
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
                    "--cluster.listen-address=",  # it has no peers
                ),
            ),
        ):
            log = stack.enter_context((directory / f"{name}.log").open("w"))
            host.start([name, *flags], stderr=log)
        for url in (found.prometheus, found.alertmanager):
            wait_until_ready(url)
        yield found


def hurried(rules: str, times: int) -> str:
    """
    The same rules, whose alerts fire so many times sooner: their `for` is shorter, and no more.
    """
    content = yaml.safe_load(rules)
    for group in content["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                seconds = 60 * int(rule["for"].removesuffix("m"))
                rule["for"] = f"{seconds // times}s"
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
    The body of what is answered to a GET.
    """
    with _WITHOUT_PROXY.open(url, timeout=10) as response:
        return str(response.read().decode())


def wait_until_ready(url: str) -> None:
    """
    Return when what is at the URL says so.
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
