"""
A real Prometheus scrapes the exporter over TLS, with a client certificate and a password.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.prometheus import Prometheus, prometheus_inside
from tests.exporter_process import ExporterProcess, exporter_process
from tests.lab import LAB_MARKS, Host
from tests.web.secured import Secured, replace, secured
from tests.web.test_passwords import hashed

pytestmark = LAB_MARKS

JOB = """
  - job_name: {name}
    scheme: https
    static_configs: [{{targets: ["{address}"]}}]
    basic_auth: {{username: prometheus, password: {password}}}
    tls_config: {{ca_file: {ca}, cert_file: {cert}, key_file: {key}}}
"""
PLAIN_JOB = """
  - job_name: plain
    static_configs: [{{targets: ["{address}"]}}]
"""
CONFIG = "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\nscrape_configs:"


@dataclass(frozen=True)
class Scene:
    """
    What is running.
    """

    exporter: ExporterProcess
    prometheus: Prometheus
    pki: Secured

    def scrapes(self, job: str, function: str = "count_over_time") -> float:
        """
        How many scrapes of a job there have been, or what else of them.
        """
        return self.prometheus.value(f'{function}(up{{job="{job}"}}[5m])')

    def wait_for_scrapes(self, more: int) -> None:
        """
        Return when the job that is right has been scraped so many times more.
        """
        wanted = self.scrapes("right") + more
        end = time.monotonic() + 30
        while self.scrapes("right") < wanted:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """
    An exporter that wants a certificate and a password, and a Prometheus that has scraped it with
    both, with either, and over plain HTTP.
    """
    folder = tmp_path_factory.mktemp("secured")
    pki = secured(folder)
    named = pki.authority.sign("named", "DNS:prometheus.example")
    unnamed = pki.authority.sign("unnamed", "DNS:other.example")
    tls = pki.verified(client_allowed_sans=["prometheus.example"])
    file = pki.write(tls, basic_auth_users={"prometheus": hashed("secret", cost=10)})
    with (
        Host() as host,
        exporter_process(f"--web.config.file={file}", start=host.start) as exporter,
    ):
        common = {"address": exporter.addresses[0], "ca": pki.authority.cert}
        jobs = [
            JOB.format(name=name, password=password, cert=shown.cert, key=shown.key, **common)
            for name, password, shown in (
                ("right", "secret", named),
                ("password", "wrong", named),
                ("certificate", "secret", unnamed),
            )
        ]
        jobs.append(PLAIN_JOB.format(**common))
        with prometheus_inside(host, folder, CONFIG + "".join(jobs)) as prometheus:
            prometheus.wait_for_scrapes(len(jobs))
            scene = Scene(exporter, prometheus, pki)
            scene.wait_for_scrapes(3)
            yield scene


def test_with_both(scene: Scene) -> None:
    """
    With certificate and password, each scrape works.
    """
    assert scene.scrapes("right", "min_over_time") == 1
    assert scene.prometheus.value('tcp_keepalive_recommended_probes{job="right"}') == 8


@pytest.mark.parametrize(
    ("job", "error"),
    [
        ("password", "server returned HTTP status 401 Unauthorized"),
        ("certificate", "EOF|connection reset"),
        ("plain", "EOF|connection reset|malformed"),
    ],
)
def test_with_less(scene: Scene, job: str, error: str) -> None:
    """
    With the password or the certificate wrong, and over plain HTTP, none does.
    """
    assert scene.scrapes(job, "max_over_time") == 0
    targets = scene.prometheus.api("targets")["activeTargets"]
    (last_error,) = (each["lastError"] for each in targets if each["labels"]["job"] == job)
    assert any(part in last_error for part in error.split("|")), last_error


def test_rotation(scene: Scene) -> None:
    """
    A new server certificate, which another authority has signed, interrupts nothing: Prometheus
    trusts both, as it should before a rotation.
    """
    other = secured(_folder(scene.pki.folder / "other"))
    old = scene.pki.authority.cert.read_text()
    replace(scene.pki.authority.cert, old + other.authority.cert.read_text())
    scene.wait_for_scrapes(3)  # Prometheus reads its CA file anew by itself
    replace(scene.pki.server.cert, other.server.cert.read_text())
    replace(scene.pki.server.key, other.server.key.read_text())
    scene.wait_for_scrapes(3)
    assert scene.scrapes("right", "min_over_time") == 1
    assert sum("web config read again" in line for line in scene.exporter.log) >= 2


def test_log(scene: Scene) -> None:
    """
    None of it fills the log, for anybody can do it.
    """
    quiet = ("listening", "web config")
    assert [line for line in scene.exporter.log if not any(word in line for word in quiet)] == []


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
