"""
What real clients do when `reset --apply` ends their hanging connections.

    python -m tests.clients.reset_clients

prints a row for each client, for docs/reset.md.
"""

import shlex
import sys
import tempfile
import time
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.clients.client_site import ADDRESSES, Site, client_of, opened
from tests.clients.scaled import expect_ok, hanging_ports
from tests.e2e.exporting import with_paths
from tests.e2e.servers import PostgreSQL
from tests.exporter_process import NO_CLOUD, ROOT
from tests.lab import nat_lab

_IDLE_TIMEOUT, _IDLE = 12, 15.0
_HANG = 4.0
"""Seconds between the requests and the reset."""
_ANSWERS_WITHIN = 30.0
LOGGED_WITHIN = 0.1
"""Seconds from the end of a connection to its line in the log."""
STILL = "hangs"
"""The answer of a client that has none yet."""


@dataclass(frozen=True)
class Recovery:
    """
    A client's answers to the request that hung, and to the next one.

    ended is the number of its connections that were ended, after the seconds from the first of them
    to the answer, again_after those that the next request took.
    """

    client: str
    ended: int
    answer: str
    after: float
    again: str
    again_after: float


class TimedAnswer:
    """
    The answer to a request, and when it came, in seconds since 1970.
    """

    def __init__(self, answer: "Future[str]") -> None:
        self._answer = answer
        self.at = float("inf")
        answer.add_done_callback(self._note)

    def _note(self, _: "Future[str]") -> None:
        self.at = time.time()

    def wait(self) -> str:
        """
        The answer, or STILL.
        """
        try:
            return self._answer.result(_ANSWERS_WITHIN)
        except TimeoutError:
            return STILL


def recover(directory: Path, postgresql: PostgreSQL) -> tuple[list[Recovery], set[str]]:
    """
    The recoveries of all clients, and those of them whose connections hung before the reset.
    """
    config = directory / "exporter.yml"
    config.write_text(with_paths(ADDRESSES, _IDLE_TIMEOUT, 1))
    with (
        nat_lab(idle_timeout=_IDLE_TIMEOUT) as lab,
        opened(lab, directory, postgresql, 0) as site,
    ):
        expect_ok(site)
        time.sleep(_IDLE)
        first = {name: TimedAnswer(each) for name, each in site.use().items()}
        time.sleep(_HANG)
        hanging = {name for name, ports in hanging_ports(site).items() if any(ports.values())}
        ended = _reset(site, config)
        answers = {name: each.wait() for name, each in first.items()}
        asked_at = time.time()
        second = {name: TimedAnswer(each) for name, each in site.use().items()}
        again = {name: each.wait() for name, each in second.items()}
    recoveries = [
        Recovery(
            name,
            len(ended[name]),
            answers[name],
            first[name].at - min(ended[name], default=float("nan")),
            again[name],
            second[name].at - asked_at,
        )
        for name in ADDRESSES
    ]
    return recoveries, hanging


def _reset(site: Site, config: Path) -> dict[str, list[float]]:
    """
    When each client's connections were ended, in seconds since 1970, from the log.
    """
    argv = [sys.executable, "-m", "exporter", "reset", "--apply", NO_CLOUD]
    finished = site.lab.client.run([*argv, f"--config.file={config}"], cwd=ROOT, check=False)
    assert finished.returncode == 0, finished.stderr
    ended: dict[str, list[float]] = {name: [] for name in ADDRESSES}
    for line in finished.stderr.splitlines():
        fields = dict(word.split("=", 1) for word in shlex.split(line))
        client = client_of(fields["remote"].rpartition(":")[0])
        assert client is not None, line
        ended[client].append(datetime.fromisoformat(fields["ts"]).timestamp())
    return ended


def table(recoveries: list[Recovery]) -> str:
    """
    The recoveries as a Markdown table.
    """
    rows = [
        f"| {each.client} | {each.ended} | {_words(each)} |"
        f" {each.again} after {each.again_after:.2f} s |"
        for each in recoveries
    ]
    heading = "| client | connections ended | the request that hung | its next request |"
    return "\n".join([heading, "|---|---|---|---|", *rows])


def _words(each: Recovery) -> str:
    if not each.ended:
        return "did not hang"
    if each.after < -LOGGED_WITHIN:
        return f"{each.answer} before, on another connection"
    return f"{each.answer} after {abs(each.after):.2f} s"


if __name__ == "__main__":
    with PostgreSQL.installed() as installed, tempfile.TemporaryDirectory() as folder:
        found, _ = recover(Path(folder), installed)
    print(table(found))
