"""
The exporter as a separate process, started as a user starts it.
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
    # CAP_DAC_READ_SEARCH only lets the user "nobody" read a checkout below a home directory.
    *(f"--{kind}=-all,+dac_read_search" for kind in ("inh-caps", "ambient-caps", "bounding-set")),
    *COMMAND,
)
PATIENCE = 30.0
"""Seconds within which an exporter starts and answers, even beside ten busy processes."""
INTERRUPTIBLE = ("env", "--default-signal=INT")
"""
Prefix of a command to which a test sends SIGINT. Commands inherit an ignored SIGINT, for example
from `make test &`, and keep ignoring it unless they set a handler.
"""
ANY_PORT = "--web.listen-address=127.0.0.1:0"
NO_CLOUD = "--path.sysfs=/usr/bin"
"""A folder that identifies no cloud, so that tests get the same profile on every machine, and that
exists in every sandbox."""

_ADDRESS = re.compile(r"""\baddress[=": ]+([^" ]+)""")

Start = Callable[..., "subprocess.Popen[str]"]
"""subprocess.Popen, or a callable with the same arguments, such as tests.lab.Host.start."""


@dataclass(frozen=True)
class ExporterProcess:
    """
    A running exporter: its responses, its log and its exit.
    """

    process: "subprocess.Popen[str]"
    log_file: Path

    @property
    def log(self) -> list[str]:
        """
        The lines written to standard error so far.
        """
        return self.log_file.read_text().splitlines()

    @property
    def addresses(self) -> list[str]:
        """
        The listen addresses in its log.
        """
        matches = (_ADDRESS.search(line) for line in self.log if "listening" in line)
        return [match[1] for match in matches if match]

    def get(self, path: str) -> tuple[int, str]:
        """
        GET a path from its first address; returns status and body.
        """
        return fetch(f"http://{self.addresses[0]}{path}")

    def metrics(self) -> dict[str, float]:
        """
        GET /metrics; returns values by series.
        """
        return values(self.get("/metrics")[1])

    def wait_for(self, expected: Mapping[str, float], within: float = PATIENCE) -> dict[str, float]:
        """
        Wait until these series have these values; returns all metrics.

        Raises AssertionError after `within` seconds.
        """
        found: dict[str, float | None] = {}
        end = time.monotonic() + within
        while time.monotonic() < end:
            metrics = self.metrics()
            found = {series: metrics.get(series) for series in expected}
            if found == expected:
                return metrics
            time.sleep(0.05)
        raise AssertionError(f"expected {expected}, found {found}; log: {self.log}")

    def end(self, number: int = signal.SIGTERM, within: float = 10) -> tuple[int, float]:
        """
        Send the signal and wait for the exit; returns the exit code and the time taken in seconds.
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
    Run the exporter with these flags until the end of the block. The block starts when it listens.

    It listens on a free port of 127.0.0.1 unless a flag sets an address. addresses is the number of
    listen addresses to wait for; command is what precedes the flags.
    """
    if not any(flag.startswith("--web.listen-address") for flag in flags):
        flags = (ANY_PORT, *flags)
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        # A separate process group, so that killpg() also ends what the command starts.
        process = start(
            [*command, *without_cloud(flags)], cwd=ROOT, stderr=log, start_new_session=True
        )
        exporter = ExporterProcess(process, Path(log.name))
        try:
            _until(lambda: len(exporter.addresses) >= addresses, exporter)
            yield exporter
        finally:
            with contextlib.suppress(ProcessLookupError):  # all have ended
                if "COVERAGE_PROCESS_CONFIG" in os.environ:
                    _end_measured(process)
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run_exporter(
    *flags: str, command: Sequence[str] = COMMAND, within: float = PATIENCE
) -> "subprocess.CompletedProcess[str]":
    """
    Run an exporter that exits by itself, with a timeout of `within` seconds.
    """
    return subprocess.run(
        [*command, *without_cloud(flags)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )


def without_cloud(flags: Sequence[str]) -> list[str]:
    """
    The flags, with NO_CLOUD unless they set --path.sysfs.
    """
    is_set = any(flag.startswith("--path.sysfs") for flag in flags)
    return [*flags] if is_set else [*flags, NO_CLOUD]


def fetch(url: str) -> tuple[int, str]:
    """
    GET a URL; returns status and body, for error statuses too.
    """
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def values(text: str) -> dict[str, float]:
    """
    Parse Prometheus' text format: values by series, each series written as in the text.
    """
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in lines}


def _end_measured(process: "subprocess.Popen[str]", within: float = 5) -> None:
    """
    Send SIGTERM, so that the process writes its coverage data at its exit. Wait `within` seconds.
    """
    os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(within)


def _until(condition: Callable[[], bool], exporter: ExporterProcess) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if exporter.process.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"the exporter does not listen; log: {exporter.log}")
        time.sleep(0.02)
