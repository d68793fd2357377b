"""
The exporter as a process of its own, started as a user starts it.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-m", "exporter")
AS_NOBODY = (
    "setpriv",
    *("--reuid=65534", "--regid=65534", "--clear-groups"),
    # The one privilege left lets nobody read a checkout below a home directory, and no more.
    *(f"--{kind}=-all,+dac_read_search" for kind in ("inh-caps", "ambient-caps", "bounding-set")),
    *COMMAND,
)
ANY_PORT = "--web.listen-address=127.0.0.1:0"

_ADDRESS = re.compile(r"""\baddress[=": ]+([^" ]+)""")

Start = Callable[..., "subprocess.Popen[str]"]
"""subprocess.Popen, or what takes its arguments, such as tests.lab.Host.start."""


@dataclass(frozen=True)
class ExporterProcess:
    """
    A running exporter: what it serves, what it logs, how it ends.
    """

    process: "subprocess.Popen[str]"
    log_file: Path

    @property
    def log(self) -> list[str]:
        """
        The lines on standard error so far.
        """
        return self.log_file.read_text().splitlines()

    @property
    def addresses(self) -> list[str]:
        """
        The addresses it says it listens on.
        """
        matches = (_ADDRESS.search(line) for line in self.log if "listening" in line)
        return [match[1] for match in matches if match]

    def get(self, path: str) -> tuple[int, str]:
        """
        Status and body that its first address answers.
        """
        return fetch(f"http://{self.addresses[0]}{path}")

    def metrics(self) -> dict[str, float]:
        """
        What it serves at /metrics: values by series.
        """
        return values(self.get("/metrics")[1])

    def wait_for(self, expected: Mapping[str, float], within: float = 10) -> dict[str, float]:
        """
        All metrics, as soon as these series have these values.
        """
        found: dict[str, float | None] = {}
        end = time.monotonic() + within
        while time.monotonic() < end:
            metrics = self.metrics()
            found = {series: metrics.get(series) for series in expected}
            if found == expected:
                return metrics
            time.sleep(0.05)
        raise AssertionError(f"waited for {expected}, but there is {found}; log: {self.log}")

    def end(self, number: int = signal.SIGTERM, within: float = 10) -> tuple[int, float]:
        """
        Send the signal; its exit code, and how many seconds that took.
        """
        started = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(within), time.monotonic() - started


@contextlib.contextmanager
def exporter_process(
    *flags: str,
    command: Sequence[str] = COMMAND,
    start: Start = subprocess.Popen,
    addresses: int = 1,
) -> Iterator[ExporterProcess]:
    """
    Run the exporter with these flags until the block is left; it listens when the block is entered.

    It listens on a free port of 127.0.0.1 unless a flag says otherwise; addresses says on how many
    it will. command is what comes before the flags.
    """
    if not any(flag.startswith("--web.listen-address") for flag in flags):
        flags = (ANY_PORT, *flags)
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        # In a group of its own, with whatever the command starts.
        process = start([*command, *flags], cwd=ROOT, stderr=log, start_new_session=True)
        exporter = ExporterProcess(process, Path(log.name))
        try:
            _until(lambda: len(exporter.addresses) >= addresses, exporter)
            yield exporter
        finally:
            with contextlib.suppress(ProcessLookupError):  # all have ended
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run_exporter(
    *flags: str, command: Sequence[str] = COMMAND, within: float = 10
) -> "subprocess.CompletedProcess[str]":
    """
    Run an exporter that ends by itself.
    """
    return subprocess.run(
        [*command, *flags], cwd=ROOT, capture_output=True, text=True, timeout=within, check=False
    )


def fetch(url: str) -> tuple[int, str]:
    """
    Status and body of a GET.
    """
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def values(text: str) -> dict[str, float]:
    """
    The values in Prometheus' text format by series, written as there.
    """
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in lines}


def _until(condition: Callable[[], bool], exporter: ExporterProcess, within: float = 10) -> None:
    end = time.monotonic() + within
    while not condition():
        if exporter.process.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"the exporter does not listen; it says: {exporter.log}")
        time.sleep(0.02)
