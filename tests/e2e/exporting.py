"""
The real exporter as a process inside a lab's host, and what it serves there.
"""

import re
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Host

_ROOT = Path(__file__).parents[2]
_URL = "http://127.0.0.1:10240"
_START_TIMEOUT = 20.0
_REQUEST_TIMEOUT = 10.0

_SAMPLE = re.compile(r"^tcp_keepalive_(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Scrape:
    """
    The exporter's own samples of one scrape, by name without the prefix `tcp_keepalive_`.
    """

    samples: dict[str, list[tuple[dict[str, str], float]]]

    @classmethod
    def of(cls, text: str) -> "Scrape":
        """
        Parse Prometheus' text format, as far as the exporter uses it.
        """
        samples: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for name, labels, value in _SAMPLE.findall(text):
            samples[name].append((dict(_LABEL.findall(labels)), float(value)))
        return cls(dict(samples))

    def total(self, name: str, **labels: str) -> float:
        """
        The sum of all samples of a name that have these labels; there must be one at least.
        """
        values = [value for has, value in self.samples[name] if labels.items() <= has.items()]
        if not values:
            raise KeyError(f"{name}{labels}")
        return sum(values)

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """
        The same sum for each value of a label, without those that are 0.
        """
        sums: dict[str, float] = defaultdict(float)
        for has, value in self.samples[name]:
            if value and labels.items() <= has.items():
                sums[has[label]] += value
        return dict(sums)


@dataclass(frozen=True, slots=True)
class Exporter:
    """
    A running exporter.
    """

    host: Host
    log_file: Path

    @property
    def log(self) -> list[str]:
        """
        The lines it has logged.
        """
        return self.log_file.read_text().splitlines()

    def get(self, path: str = "/metrics") -> str:
        """
        The body of what it answers to a request from inside its namespace.
        """

        def fetch() -> bytes:
            with urllib.request.urlopen(_URL + path, timeout=_REQUEST_TIMEOUT) as response:
                return bytes(response.read())

        return self.host.call(fetch).decode()

    def scrape(self) -> Scrape:
        """
        Its metrics at this moment.
        """
        return Scrape.of(self.get())


@contextmanager
def exporter_inside(host: Host, config: str) -> Iterator[Exporter]:
    """
    Run the exporter inside a host until the block is left; it has sampled when that is entered.
    """
    with tempfile.TemporaryDirectory() as directory:
        config_file, log_file = Path(directory, "config.yml"), Path(directory, "log")
        config_file.write_text(config)
        argv = [sys.executable, "-m", "exporter", f"--config.file={config_file}"]
        with log_file.open("w") as log:
            process = host.start(argv, cwd=_ROOT, stderr=log)
        exporter = Exporter(host, log_file)
        try:
            end = time.monotonic() + _START_TIMEOUT
            while not _is_ready(exporter):
                if process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"the exporter does not start; it says: {exporter.log}")
                time.sleep(0.05)
            yield exporter
        finally:
            process.terminate()
            process.wait()


def _is_ready(exporter: Exporter) -> bool:
    try:
        exporter.get("/-/ready")
    except urllib.error.HTTPError as error:  # 503: no sample yet
        error.close()
        return False
    except OSError:  # it does not listen yet
        return False
    return True


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """
    Rows under heads, in columns.
    """
    lines = [[str(cell) for cell in line] for line in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
