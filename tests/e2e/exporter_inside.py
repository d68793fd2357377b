"""
The exporter as a process inside a host of the lab, and its responses.
"""

import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.exporter_process import COMMAND, ExporterProcess, exporter_process
from tests.lab import Host

TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"

_READY_TIMEOUT = 10.0
_REQUEST_TIMEOUT = 10.0
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy set in the environment is not reachable from inside a lab."""

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Scrape:
    """
    The samples of one scrape.

    Names are given without the prefix `tcp_keepalive_`.
    """

    samples: dict[str, list[tuple[Labels, float]]]

    @classmethod
    def of(cls, text: str) -> "Scrape":
        """
        Parse Prometheus' text format.
        """
        samples: dict[str, list[tuple[Labels, float]]] = defaultdict(list)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.name.removeprefix("tcp_keepalive_")
                samples[name].append((sample.labels, sample.value))
        return cls(dict(samples))

    def total(self, name: str, **labels: str) -> float:
        """
        The sum of all samples of a name with these labels. Raises KeyError if there is none.
        """
        values = [value for has, value in self.samples[name] if labels.items() <= has.items()]
        if not values:
            raise KeyError(f"{name}{labels}")
        return sum(values)

    def by(self, label: str, name: str, **labels: str) -> dict[str, int]:
        """
        The sums by the value of one label, without those that are 0.
        """
        values = {has[label] for has, _ in self.samples[name] if labels.items() <= has.items()}
        sums = {
            value: int(self.total(name, **(labels | {label: value}))) for value in sorted(values)
        }
        return {value: number for value, number in sums.items() if number}


@dataclass(frozen=True, slots=True)
class Exporter:
    """
    A running exporter.
    """

    host: Host
    _process: ExporterProcess

    @property
    def log(self) -> list[str]:
        """
        The lines of its log.
        """
        return self._process.log

    @property
    def address(self) -> str:
        """
        Its first listen address.
        """
        return self._process.addresses[0]

    def signal(self, number: int) -> None:
        """
        Send a signal to the process.
        """
        self._process.process.send_signal(number)

    def get(self, path: str = "/metrics", accept: str = TEXT) -> str:
        """
        The response body of a request from inside its namespace.
        """
        return fetch(self.host, f"http://{self.address}{path}", accept)[0]

    def scrape(self) -> Scrape:
        """
        Scrape its metrics.
        """
        return Scrape.of(self.get())


def fetch(host: Host, url: str, accept: str = "*/*") -> tuple[str, str]:
    """
    GET a URL from inside a host's namespace; returns body and content type.
    """
    request = urllib.request.Request(url, headers={"Accept": accept})

    def inside() -> tuple[str, str]:
        with _WITHOUT_PROXY.open(request, timeout=_REQUEST_TIMEOUT) as response:
            return response.read().decode(), response.headers["Content-Type"]

    return host.call(inside)


@contextmanager
def exporter_inside(
    host: Host, config_file: Path | None = None, command: Sequence[str] = COMMAND
) -> Iterator[Exporter]:
    """
    Run the exporter inside a host until the end of the block. The block starts after its first
    sample.

    command is what precedes its flags.
    """
    flags = [] if config_file is None else [f"--config.file={config_file}"]
    with exporter_process(*flags, command=command, start=host.start) as process:
        exporter = Exporter(host, process)
        end = time.monotonic() + _READY_TIMEOUT
        while not _is_ready(exporter):
            assert time.monotonic() < end, exporter.log
            time.sleep(0.05)
        yield exporter


def _is_ready(exporter: Exporter) -> bool:
    try:
        exporter.get("/-/ready")
    except urllib.error.HTTPError as error:
        error.close()
        return False
    return True


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """
    Format rows as a table with aligned columns.
    """
    lines = [[str(cell) for cell in line] for line in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
