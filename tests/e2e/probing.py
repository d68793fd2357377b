"""
`probe`, run inside a lab's client by a user without privileges, and what it finds there.
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
"""So many may start at a time: all at once would take each other's time away."""
_ANNOUNCED = re.compile(r"connections at once and (\d+):(\d+) minutes at most")


@dataclass(frozen=True)
class Measured:
    """
    What was found of the path to one server, as the JSON has it.
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
        Why it could not be connected to.
        """
        return self.document.get("error")

    @property
    def survived(self) -> float:
        """
        Seconds, the lower bound.
        """
        return float(self.document["longest_idle_survived_seconds"])

    @property
    def fatal(self) -> float:
        """
        Seconds, the upper bound; inf where there is none.
        """
        value = self.document["shortest_idle_fatal_seconds"]
        return math.inf if value is None else float(value)

    @property
    def words(self) -> str:
        """
        All that people are told.
        """
        return " ".join([self.document["summary"], *self.document["remarks"]])

    @property
    def is_narrow(self) -> bool:
        """
        Whether the bounds are as narrow as was asked for.
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
    One run: its exit code, what it found of each server, how long it took and said it would take.
    """

    code: int
    servers: list[Measured]
    seconds: float
    announced: float


@dataclass(frozen=True)
class Running:
    """
    A run under way.
    """

    process: "subprocess.Popen[str]"
    log: Path

    @property
    def lines(self) -> list[str]:
        """
        What it has said so far.
        """
        return self.log.read_text().splitlines()

    def wait_for_begin(self) -> None:
        """
        Return when it has connected, or ended.
        """
        while self.process.poll() is None and not self.lines:
            time.sleep(0.05)

    def wait_for(self, words: str, times: int = 1) -> None:
        """
        Return when it has said these words so often.
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
    Run the command to its end; the incident happens meanwhile.
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
