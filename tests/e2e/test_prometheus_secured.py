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
CONFIG = "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:"


@dataclass(frozen=True)
class SecuredScraping:
    """
    A running exporter, a Prometheus that scrapes it, and their certificates.
    """

    exporter: ExporterProcess
    prometheus: Prometheus
    pki: Secured

    def scrapes(self, job: str, function: str = "count_over_time") -> float:
        """
        The number of scrapes of a job, or another function over its `up` values.
        """
        return self.prometheus.value(f'{function}(up{{job="{job}"}}[5m])')

    def wait_for_scrapes(self, more: int) -> None:
        """
        Wait for this many more scrapes of the job with the right credentials.
        """
        expected = self.scrapes("right") + more
        end = time.monotonic() + 30
        while self.scrapes("right") < expected:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.fixture(scope="module")
def scraping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredScraping]:
    """
    An exporter that requires a certificate and a password, and a Prometheus that has scraped it
    with both, with only one of them right, and over plain HTTP.
    """
    folder = tmp_path_factory.mktemp("secured")
    pki = secured(folder)
    named = pki.authority.sign("named", "DNS:prometheus.example")
    unnamed = pki.authority.sign("unnamed", "DNS:other.example")
    tls = pki.verified(client_allowed_sans=["prometheus.example"])
    file = pki.write(tls, basic_auth_users={"prometheus": hashed("secret")})
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
            scraping = SecuredScraping(exporter, prometheus, pki)
            scraping.wait_for_scrapes(3)
            yield scraping


def test_with_certificate_and_password(scraping: SecuredScraping) -> None:
    """
    With certificate and password, every scrape succeeds.
    """
    assert scraping.scrapes("right", "min_over_time") == 1
    assert scraping.prometheus.value('tcp_keepalive_recommended_probes{job="right"}') == 8


@pytest.mark.parametrize(
    ("job", "error"),
    [
        ("password", "server returned HTTP status 401 Unauthorized"),
        ("certificate", "EOF|connection reset"),
        ("plain", "EOF|connection reset|malformed"),
    ],
)
def test_with_wrong_credentials(scraping: SecuredScraping, job: str, error: str) -> None:
    """
    With a wrong password or certificate, or over plain HTTP, every scrape fails.
    """
    assert scraping.scrapes(job, "max_over_time") == 0
    targets = scraping.prometheus.api("targets")["activeTargets"]
    (last_error,) = (each["lastError"] for each in targets if each["labels"]["job"] == job)
    assert any(part in last_error for part in error.split("|")), last_error


def test_rotation(scraping: SecuredScraping) -> None:
    """
    A new server certificate from another authority does not interrupt scraping. Prometheus trusts
    both authorities, as required before a rotation.
    """
    other = secured(_folder(scraping.pki.folder / "other"))
    old = scraping.pki.authority.cert.read_text()
    replace(scraping.pki.authority.cert, old + other.authority.cert.read_text())
    scraping.wait_for_scrapes(3)  # Prometheus reloads its CA file by itself
    replace(scraping.pki.server.cert, other.server.cert.read_text())
    replace(scraping.pki.server.key, other.server.key.read_text())
    scraping.wait_for_scrapes(3)
    assert scraping.scrapes("right", "min_over_time") == 1
    assert sum("level=info" in line for line in scraping.exporter.log if "web config" in line) >= 2


def test_log(scraping: SecuredScraping) -> None:
    """
    Rejected clients are not logged, because any client could fill the log.
    """
    expected = ("profile in force", "listening", "web config")
    assert [
        line for line in scraping.exporter.log if not any(word in line for word in expected)
    ] == []


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
