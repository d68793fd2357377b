"""
The exporter as users run it, observed from outside.
"""

import contextlib
import functools
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.exporter_process import COMMAND, ExporterProcess, exporter_process

_ADDRESS = "--web.listen-address=127.0.0.9:0"
"""The benchmark's connections may use every port of 127.0.0.1."""
_KILLED_WITH_US = ("setpriv", "--pdeathsig", "KILL", *COMMAND)
_PATIENCE = 60.0
_POLL = 0.002


class Exporters:
    """
    Starts exporters with a separate bytecode cache.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._popen = functools.partial(subprocess.Popen, env=environment)

    def compile(self) -> None:
        """
        Compile the bytecode, as an installed exporter has it. Compilation needs more memory than
        the exporter itself.
        """
        with self.start() as exporter:
            wait_for_samples(exporter, 1)

    @contextlib.contextmanager
    def start(self, config: str = "") -> Iterator[ExporterProcess]:
        """
        Start an exporter with this configuration (YAML; default if empty) and wait until it
        listens.
        """
        file = self._folder / "config.yml"
        file.write_text(config, encoding="utf-8")
        flags = [_ADDRESS, f"--config.file={file}"] if config else [_ADDRESS]
        with exporter_process(*flags, command=_KILLED_WITH_US, start=self._popen) as exporter:
            yield exporter


@contextlib.contextmanager
def exporters() -> Iterator[Exporters]:
    """
    Exporters with a temporary folder, which is removed at the end of the block.
    """
    with tempfile.TemporaryDirectory() as folder:
        yield Exporters(Path(folder))


def wait_until_ready(exporter: ExporterProcess) -> None:
    """
    Wait for the first sample.
    """
    deadline = time.monotonic() + _PATIENCE
    while exporter.get("/-/ready")[0] != 200:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the exporter is not ready; log: {exporter.log}")
        time.sleep(_POLL)


def wait_for_samples(exporter: ExporterProcess, number: int) -> None:
    """
    Scrape once per second until this many different samples have been seen.
    """
    wait_until_ready(exporter)
    deadline = time.monotonic() + number * _PATIENCE
    seen = {value(exporter, "sample_timestamp_seconds")}
    while len(seen) < number:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the exporter took {len(seen)} samples; log: {exporter.log}")
        time.sleep(1)
        seen.add(value(exporter, "sample_timestamp_seconds"))


def value(exporter: ExporterProcess, metric: str) -> float:
    """
    The current value of a metric, scraped from the exporter.
    """
    return exporter.metrics()[f"tcp_keepalive_{metric}"]


def peak_memory(exporter: ExporterProcess) -> int:
    """
    Its peak memory in bytes (VmHWM).
    """
    status = Path(f"/proc/{exporter.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
