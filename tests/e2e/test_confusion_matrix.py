"""
Protection and idle state against the sockets' actual options, after one, two and three timeouts,
with an exporter that was started before the connections and one that was started after them.
"""

import math
import socket
import time
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.e2e.exporting import Exporter, Scrape, exporter_inside, table, with_paths
from tests.lab import LAB_MARKS, Keepalive, nat_lab

pytestmark = [*LAB_MARKS, pytest.mark.timing]

TIMEOUT = 8
_NEAR = 0.75 * TIMEOUT
"""The default near_limit_ratio."""
SAMPLE = 0.5
LATE_START = 10.0
"""Seconds after which the second exporter is started: longer than the timeout."""
AFTER = (1, 2, 3)
"""Timeouts after which the matrix is shown; for the second exporter, since its start."""
LATENESS = 8 / 63
"""The kernel's timer may fire later by this fraction (net/ipv4/tcp_timer.c)."""


@dataclass(frozen=True)
class Case:
    """
    A connection: its options at the client and at the server, or None without keepalive.
    """

    client: Keepalive | None
    server: Keepalive | None = None

    @property
    def protection(self) -> str:
        """
        What refreshes the mapping in time, by the options.
        """
        if _in_time(self.client):
            return "own"
        if _in_time(self.server):
            return "peer"
        return "none" if self.client is None else "late"

    @property
    def may_be_shown(self) -> set[str]:
        """
        The protections that may be shown. Until the first probe of either end, nothing shows the
        client's interval, or that the server probes.
        """
        before = {"late": "own", "peer": "none" if self.client is None else "late"}
        return {self.protection, "unknown", before.get(self.protection, "unknown")}

    @property
    def idle_states(self) -> set[str]:
        """
        What it is in once it was idle for the timeout. Between probes it may be near the limit, if
        they are that seldom. A late probe is not answered any more; a
        single one is not yet a hang. If the first one was sent before the exporter was started, the
        connection seems active until it was unanswered for 30 s.
        """
        if self.protection in ("own", "peer"):
            probing = self.client if self.protection == "own" else self.server
            return {"active", "near_limit"} if _latest(probing) >= _NEAR else {"active"}
        if self.client is None:
            return {"over_limit"}
        return {"over_limit", "stalled", "active"} if self.is_probed_late else {"over_limit"}

    @property
    def is_probed_late(self) -> bool:
        """
        Whether the client's first probe is sent after the timeout, but before the second exporter
        is started.
        """
        return self.client is not None and TIMEOUT <= (self.client.time or 0) < LATE_START


def _in_time(keepalive: Keepalive | None) -> bool:
    return _latest(keepalive) < TIMEOUT


def _latest(keepalive: Keepalive | None) -> float:
    """
    The longest time in seconds for which the connection is idle between probes.
    """
    if keepalive is None:
        return math.inf
    return max(keepalive.time or 0, keepalive.interval or 0) * (1 + LATENESS)


CASES = {
    "no-keepalive": Case(None),
    "time-2-1": Case(Keepalive(2, 1, 9)),
    "time-6-2": Case(Keepalive(6, 2, 9)),
    "time-2-6": Case(Keepalive(2, 6, 9)),
    "time-9-1": Case(Keepalive(9, 1, 99)),
    "time-9-99": Case(Keepalive(9, 99, 9)),
    "time-2-99": Case(Keepalive(2, 99, 9)),
    "time-99-1": Case(Keepalive(99, 1, 9)),
    "peer-2-1": Case(None, Keepalive(2, 1, 9)),
    "peer-9-1": Case(None, Keepalive(9, 1, 99)),
    "time-99-3-2": Case(Keepalive(99, 1, 9), Keepalive(3, 2, 9)),
}
"""By the name of its path: time and interval at the client, then those at the server."""
ADDRESSES = {name: f"203.0.113.{number}" for number, name in enumerate(CASES, 21)}
CONFIG = with_paths(ADDRESSES, TIMEOUT, SAMPLE)


@dataclass
class Seen:
    """
    What one exporter showed of one connection: seconds since the beginning, protection, idle state.
    """

    shown: list[tuple[float, str, str]] = field(default_factory=list)
    drops: dict[str, int] = field(default_factory=dict)
    closures: dict[str, int] = field(default_factory=dict)

    def note(self, scrape: Scrape, path: str, at: float) -> None:
        """
        Add what a scrape shows.
        """
        (protection,) = scrape.by("protection", "connections", path=path)
        (state,) = scrape.by("idle_state", "connections", path=path)
        self.shown.append((at, protection, state))

    def at(self, seconds: float) -> tuple[str, str]:
        """
        What was shown at that time.
        """
        _, protection, state = next(each for each in self.shown if each[0] >= seconds)
        return protection, state

    def correct_after(self, case: Case) -> float:
        """
        Seconds until the protection was right for good; inf if it never was.
        """
        wrong = [at for at, protection, _ in self.shown if protection != case.protection]
        later = [at for at, *_ in self.shown if not wrong or at > wrong[-1]]
        return later[0] if later else float("inf")


@dataclass
class Matrix:
    """
    What both exporters showed of each connection, and whether it had died when it was used.
    """

    early: dict[str, Seen] = field(default_factory=lambda: {name: Seen() for name in CASES})
    late: dict[str, Seen] = field(default_factory=lambda: {name: Seen() for name in CASES})
    died: dict[str, bool] = field(default_factory=dict)


def watch(seen: dict[str, Seen], exporter: Exporter, at: float) -> None:
    """
    Note what an exporter shows.
    """
    scrape = exporter.scrape()
    for name, each in seen.items():
        each.note(scrape, name, at)


def note_ends(seen: dict[str, Seen], exporter: Exporter) -> None:
    """
    Note how the connections ended.
    """
    scrape = exporter.scrape()
    for name, each in seen.items():
        each.drops = scrape.by("reason", "idle_drops_total", path=name)
        each.closures = scrape.by("reason", "closure_idle_seconds_count", path=name)


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    """
    Watch for three timeouts with each exporter, then use and close all connections.
    """
    matrix = Matrix()
    with nat_lab(idle_timeout=TIMEOUT) as lab:
        lab.client.sysctl("net.ipv4.tcp_retries2", 3)
        lab.client.sysctl("net.ipv4.tcp_orphan_retries", 1)
        for address in ADDRESSES.values():
            lab.server.ip(f"addr add {address}/24 dev eth0")
        listener = lab.server.adopt(lab.server.call(socket.create_server, ("0.0.0.0", 0)))
        port = listener.getsockname()[1]
        with exporter_inside(lab.client, CONFIG) as early:
            ends = {}
            for name, case in CASES.items():
                client = lab.client.connect(ADDRESSES[name], port, keepalive=case.client)
                server = lab.server.adopt(listener.accept()[0])
                if case.server is not None:
                    case.server.apply(server)
                ends[name] = client, server
            began = time.monotonic()
            time.sleep(2 * SAMPLE)
            while (now := time.monotonic() - began) < LATE_START:
                watch(matrix.early, early, now)
                time.sleep(SAMPLE / 2)
            with exporter_inside(lab.client, CONFIG) as late:
                started = time.monotonic()
                while (now := time.monotonic() - started) < (AFTER[-1] + 0.2) * TIMEOUT:
                    watch(matrix.early, early, time.monotonic() - began)
                    watch(matrix.late, late, now)
                    time.sleep(SAMPLE / 2)
                for name, (client, server) in ends.items():
                    client.setblocking(False)
                    server.setblocking(False)
                    try:
                        client.send(b"x")
                    except OSError:
                        matrix.died[name] = True
                time.sleep(4)
                for name, (client, server) in ends.items():
                    if name not in matrix.died:
                        matrix.died[name] = not arrived(server)
                    client.close()
                    server.close()
                time.sleep(4)
                note_ends(matrix.early, early)
                note_ends(matrix.late, late)
    print(report(matrix))
    return matrix


def arrived(server: socket.socket) -> bool:
    """
    Whether the server has received what the client sent.
    """
    try:
        return server.recv(1) == b"x"
    except OSError:
        return False


def report(matrix: Matrix) -> str:
    """
    The matrices, and one row for each connection.
    """
    lines = []
    for label, seen in (("before", matrix.early), ("after", matrix.late)):
        for number in AFTER:
            counts = Counter(
                (CASES[name].protection, *each.at(number * TIMEOUT)) for name, each in seen.items()
            )
            heads = ["by the options", "protection", "idle state", "connections"]
            cells = [(*key, counts[key]) for key in sorted(counts)]
            lines += [f"\nstarted {label}, {number} timeouts:", table(heads, cells)]
    rows: list[tuple[object, ...]] = [
        (
            name,
            case.protection,
            *(f"{seen[name].correct_after(case):.1f}" for seen in (matrix.early, matrix.late)),
            "died" if matrix.died[name] else "alive",
            *(seen[name].closures | seen[name].drops for seen in (matrix.early, matrix.late)),
        )
        for name, case in CASES.items()
    ]
    heads = ["path", "protection", "correct after", "late start", "", "ended", "late start"]
    return "\n".join([*lines, "", table(heads, rows)])


@pytest.mark.parametrize("name", CASES)
def test_never_wrong(matrix: Matrix, name: str) -> None:
    """
    At no time is a wrong protection shown, and within a timeout the actual one, unless unanswered
    probes hide it from an exporter that was started after them.
    """
    case, early, late = CASES[name], matrix.early[name], matrix.late[name]
    assert {protection for _, protection, _ in early.shown} <= case.may_be_shown
    assert {protection for _, protection, _ in late.shown} <= {case.protection, "unknown"}
    assert early.correct_after(case) < 0.75 * TIMEOUT
    if not case.is_probed_late:
        assert late.correct_after(case) <= 0.75 * TIMEOUT + 2 * SAMPLE


@pytest.mark.parametrize("name", CASES)
def test_idle_state(matrix: Matrix, name: str) -> None:
    """
    From the second timeout on, the idle state is the actual one.
    """
    for seen in (matrix.early[name], matrix.late[name]):
        states = {seen.at(number * TIMEOUT)[1] for number in AFTER[1:]}
        assert states <= CASES[name].idle_states


@pytest.mark.parametrize("name", CASES)
def test_deaths(matrix: Matrix, name: str) -> None:
    """
    The connections without protection die. Both exporters count each as an idle drop; only where
    unanswered probes hide how long it had been idle, the one that was started later does not.
    """
    case = CASES[name]
    assert matrix.died[name] == (case.protection in ("none", "late"))
    early, late = matrix.early[name], matrix.late[name]
    assert sum(early.drops.values()) == matrix.died[name]
    assert sum(late.drops.values()) == (matrix.died[name] and not case.is_probed_late)
