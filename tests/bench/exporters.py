"""
The exporter as its users run it, and what can be seen of it from outside.
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
"""The crowd may have taken every port of 127.0.0.1."""
_KILLED_WITH_US = ("setpriv", "--pdeathsig", "KILL", *COMMAND)
_PATIENCE = 60.0
_POLL = 0.002


class Exporters:
    """
    Starts exporters that keep their bytecode in a cache of theirs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._popen = functools.partial(subprocess.Popen, env=environment)

    def compile(self) -> None:
        """
        Have the bytecode there, as it is where the exporter is installed: to compile it needs more
        memory than to run it.
        """
        with self.start() as exporter:
            wait_for_samples(exporter, 1)

    @contextlib.contextmanager
    def start(self, config: str = "") -> Iterator[ExporterProcess]:
        """
        An exporter with the configuration (YAML; the default one if empty), from when it listens.
        """
        file = self._folder / "config.yml"
        file.write_text(config, encoding="utf-8")
        flags = [_ADDRESS, f"--config.file={file}"] if config else [_ADDRESS]
        with exporter_process(*flags, command=_KILLED_WITH_US, start=self._popen) as exporter:
            yield exporter


@contextlib.contextmanager
def exporters() -> Iterator[Exporters]:
    """
    Exporters, with a folder that lasts as long as they may be started.
    """
    with tempfile.TemporaryDirectory() as folder:
        yield Exporters(Path(folder))


def wait_until_ready(exporter: ExporterProcess) -> None:
    """
    Wait until the first sample is there.
    """
    deadline = time.monotonic() + _PATIENCE
    while exporter.get("/-/ready")[0] != 200:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the exporter is not ready; it says: {exporter.log}")
        time.sleep(_POLL)


def wait_for_samples(exporter: ExporterProcess, number: int) -> None:
    """
    Wait until so many different samples have been seen, scraping once a second.
    """
    wait_until_ready(exporter)
    deadline = time.monotonic() + number * _PATIENCE
    seen = {value(exporter, "sample_timestamp_seconds")}
    while len(seen) < number:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the exporter took {len(seen)} samples; it says: {exporter.log}")
        time.sleep(1)
        seen.add(value(exporter, "sample_timestamp_seconds"))


def value(exporter: ExporterProcess, metric: str) -> float:
    """
    The present value of a metric without labels.
    """
    return exporter.metrics()[f"tcp_keepalive_{metric}"]


def peak_memory(exporter: ExporterProcess) -> int:
    """
    The most bytes it has had in memory (VmHWM).
    """
    status = Path(f"/proc/{exporter.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024
