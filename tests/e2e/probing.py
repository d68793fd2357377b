"""
`probe`, run without privileges at the client of a lab, and its results.
"""

import json
import math
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.exporter_process import AS_NOBODY, ROOT
from tests.lab import Host

_PATIENCE = 280.0
_STARTING = threading.Semaphore(2)
"""Number of concurrent starts, because all at once would delay each other."""
_ANNOUNCED = re.compile(r" (\d+):(\d\d) minutes at most")


@dataclass(frozen=True)
class Measured:
    """
    The result for one server, from the JSON output.
    """

    document: dict[str, Any]

    @property
    def server(self) -> str:
        """
        Its address and port.
        """
        return str(self.document["server"])

    @property
    def error(self) -> str | None:
        """
        Why the connection failed, None if it did not.
        """
        return self.document.get("error")

    @property
    def survived(self) -> float:
        """
        The lower bound in seconds.
        """
        return float(self.document["longest_idle_survived_seconds"])

    @property
    def fatal(self) -> float:
        """
        The upper bound in seconds; inf if there is none.
        """
        value = self.document["shortest_idle_fatal_seconds"]
        return math.inf if value is None else float(value)

    @property
    def words(self) -> str:
        """
        Summary and remarks.
        """
        return " ".join([self.document["summary"], *self.document["remarks"]])

    @property
    def outcomes(self) -> set[str]:
        """
        The outcomes of its connections.
        """
        return {each["outcome"] for each in self.document["connections"]}

    @property
    def is_narrow(self) -> bool:
        """
        Whether the bounds are as narrow as requested.
        """
        return bool(self.document["as_narrow_as_asked"])

    def __str__(self) -> str:
        """
        The bounds, for the table.
        """
        return self.error or f"{self.survived:.2f} to {self.fatal:.2f}"


@dataclass(frozen=True)
class Probed:
    """
    One run: its exit code, its results, and its actual and announced duration in seconds.
    """

    code: int
    servers: list[Measured]
    seconds: float
    announced: float


@dataclass(frozen=True)
class Running:
    """
    A run in progress.
    """

    process: "subprocess.Popen[str]"
    log: Path

    @property
    def lines(self) -> list[str]:
        """
        The lines printed to standard error so far.
        """
        return self.log.read_text().splitlines()

    def wait_for_begin(self) -> None:
        """
        Wait until it has connected, or ended.
        """
        while self.process.poll() is None and not self.lines:
            time.sleep(0.05)

    def wait_for(self, words: str, times: int = 1) -> None:
        """
        Wait until this many lines contain these words.
        """
        end = time.monotonic() + _PATIENCE
        while sum(words in line for line in self.lines) < times:
            assert self.process.poll() is None, self.lines
            assert time.monotonic() < end, self.lines
            time.sleep(0.1)


def probe(
    host: Host, *arguments: str, incident: Callable[[Running], None] = lambda _: None
) -> Probed:
    """
    Run the command to its end. incident is called while it runs.
    """
    argv = [*AS_NOBODY, "probe", *arguments, "--format=json"]
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        with _STARTING:
            process = host.start(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
            running = Running(process, Path(log.name))
            running.wait_for_begin()
        started = time.monotonic()
        incident(running)
        output, _ = process.communicate(timeout=_PATIENCE)
        seconds = time.monotonic() - started
        lines = running.lines
    assert output, lines
    servers = [Measured(server) for server in json.loads(output)["servers"]]
    announced = [_ANNOUNCED.search(line) for line in lines]
    times = [60 * int(each[1]) + int(each[2]) for each in announced if each]
    return Probed(process.returncode, servers, seconds, announced=max(times, default=0))
