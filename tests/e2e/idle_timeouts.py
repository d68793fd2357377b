"""
What `probe` finds, against the truth: `python -m tests.e2e.idle_timeouts` prints the whole table.

It takes a minute and a half: all paths are measured at once, since nearly all of it is waiting. The
tests measure some of them.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from tests.e2e import known_paths as paths
from tests.e2e import known_servers as servers
from tests.e2e.exporter_inside import table
from tests.e2e.probing import Measured, Probed
from tests.lab import OnTimeout

LATE = 2.0
"""Seconds in which the command says what it has found."""
JIFFIES = 0.02
"""Seconds by which the NAT's clock and ours may differ about an idle time."""
_WORDS: dict[OnTimeout, str] = {"drop": "silently", "reset": "answers with a reset"}
_REASONS = ("not known: ", "asked for: ", "Nothing is known of this path: ", "side by side")
"""One of these comes where bounds are wide."""


@dataclass(frozen=True)
class Scenario:
    """
    A path that forgets after timeout seconds (None: never), and how it is measured.

    It may forget late by so many seconds. is_narrow: whether the bounds are to be as narrow as was
    asked for, None: they may be. words are among those that are said; error is why the server
    cannot be connected to.
    """

    name: str
    timeout: float | None
    measure: Callable[[], Probed]
    is_narrow: bool | None = True
    words: str = ""
    error: str | None = None
    late: float = 0.0

    def __str__(self) -> str:
        """
        Name the test.
        """
        return f"{self.truth}, {self.name}"

    @property
    def truth(self) -> str:
        """
        The timeout, for people.
        """
        return "never" if self.timeout is None else f"{self.timeout:g} s"

    def faults(self, run: Probed) -> Iterator[str]:
        """
        What is wrong with what was found.
        """
        for found in run.servers:
            yield from (f"{found.server}: {fault}" for fault in self.faults_of(found))
        if run.code != self._code(run):
            yield f"exit code {run.code}"
        if run.seconds > run.announced + LATE:
            yield f"took {run.seconds:.0f} s, announced were {run.announced:.0f} s"

    def faults_of(self, found: Measured) -> Iterator[str]:
        """
        What is wrong with what was found of the path to one server.
        """
        if found.error or self.error:
            if found.error != self.error:
                yield f"cannot be connected to: {found.error}"
            return
        truth = float("inf") if self.timeout is None else self.timeout
        if found.survived > truth + self.late + JIFFIES or found.fatal < truth - JIFFIES:
            yield "misses the truth"
        if self.words not in found.words:
            yield f"does not say: {self.words}"
        if self.is_narrow not in (None, found.is_narrow):
            yield "narrow" if found.is_narrow else "wide"
        if not (found.is_narrow or any(reason in found.words for reason in _REASONS)):
            yield "wide, and does not say why"

    def _code(self, run: Probed) -> int:
        if self.error:
            return 2
        return 0 if all(found.is_narrow for found in run.servers) else 1


def _nat(timeout: int, on_timeout: OnTimeout, loss: int) -> Scenario:
    measure = partial(paths.through_nat, timeout, on_timeout, loss)
    if loss:  # may leave too little to say what the path does, or widen the bounds
        return Scenario(f"{on_timeout}, {loss} % loss", timeout, measure, is_narrow=None)
    return Scenario(on_timeout, timeout, measure, words=_WORDS[on_timeout])


def _ending(name: str, after: float, timeout: int, words: str, *, reset: bool = False) -> Scenario:
    measure = partial(servers.ending_server, after, timeout, reset=reset)
    return Scenario(f"server {name}", timeout, measure, is_narrow=False, words=words)


_BY_ITSELF = "the server closes idle clients by itself, after"
_LOST = "the path lost even"
SOME_NATS = [_nat(5, "drop", 0), _nat(5, "reset", 1), _nat(13, "reset", 0), _nat(13, "drop", 1)]
OTHER_NATS = [
    *(_nat(5, *each) for each in (("reset", 0), ("drop", 1))),
    *(_nat(13, *each) for each in (("drop", 0), ("reset", 1))),
    *(_nat(timeout, kind, loss) for timeout in (8, 30) for kind in _WORDS for loss in (0, 1)),
]
IN_A_ROW = [
    Scenario("NAT of 20 s behind one of 8 s", 8, partial(paths.through_two_nats, 8, 20)),
    Scenario("NAT of 8 s behind one of 20 s", 8, partial(paths.through_two_nats, 20, 8)),
]
RESETTING = _ending("resets after 10 s", 10, 20, _BY_ITSELF, reset=True)
ENDING = [
    _ending("closes at once", 0, 20, f"Nothing is known of this path: {_BY_ITSELF} 0"),
    _ending("closes after 10 s", 10, 20, _BY_ITSELF),
    RESETTING,
    Scenario("server closes after 10 s", 5, partial(servers.ending_server, 10, 5)),
]
UNASKED = Scenario(
    "load balancer resets unasked",
    6,
    partial(servers.resetting_path, 6),
    words="without having been asked",
    late=0.5,
)
INCIDENTS = [
    Scenario("no NAT", None, paths.without_nat, words="the most tried"),
    Scenario("NAT restarted, drop", 8, partial(paths.flushed_nat, "drop"), None, _LOST),
    Scenario("NAT restarted, reset", 8, partial(paths.flushed_nat, "reset"), None, _LOST),
    Scenario("NAT restarted later", 8, paths.flushed_nat_later, None, _LOST),
    Scenario("outage of 2 s", 13, paths.outage, is_narrow=None),
]
INTERRUPTED = Scenario("interrupted", None, paths.interrupted, False, "was interrupted")
REAL = [
    Scenario("real servers", 8, partial(servers.real_servers, 8, by_themselves=False)),
    Scenario(
        "real servers that close, or probe",
        30,
        partial(servers.real_servers, 30, by_themselves=True),
        is_narrow=False,
        words="the server",
    ),
]
UNREACHABLE = [
    Scenario("closed port", None, paths.closed_port, error="connection refused"),
    Scenario("host that never answers", None, paths.silent_host, error="no answer within 5 s"),
]
TESTED = [*INCIDENTS, *IN_A_ROW, *REAL, *SOME_NATS, *ENDING, UNASKED, INTERRUPTED, *UNREACHABLE]
"""What takes longest is begun first."""
ALL = [*OTHER_NATS, *TESTED]


def show(runs: Sequence[tuple[Scenario, Probed]]) -> str:
    """
    Truth against result, as a table; what is wrong comes in capitals.
    """
    heads = ("truth", "path", "server", "found", "", "took", "in words")
    return table(heads, [row for scenario, run in runs for row in _rows(scenario, run)])


def _rows(scenario: Scenario, run: Probed) -> Iterator[tuple[str, ...]]:
    for found in run.servers:
        wrong = [fault.upper() for fault in scenario.faults_of(found)]
        yield (
            scenario.truth,
            scenario.name,
            found.server,
            str(found),
            "narrow" if not found.error and found.is_narrow else "",
            f"{run.seconds:.0f} s",
            " ".join([*wrong, found.error or found.words]),
        )


def main() -> None:
    """
    Measure everything, print the table and then what is wrong.
    """
    scenarios = sorted(ALL, key=lambda each: (each.timeout or float("inf"), each.name))
    with ThreadPoolExecutor(len(scenarios)) as pool:
        measured = [pool.submit(scenario.measure) for scenario in scenarios]
        runs = [
            (scenario, each.result()) for scenario, each in zip(scenarios, measured, strict=True)
        ]
    print(show(runs))
    wrong = [f"{scenario}: {fault}" for scenario, run in runs for fault in scenario.faults(run)]
    results = sum(len(run.servers) for _, run in runs)
    print(f"\n{results} results, {len(wrong)} faults", *wrong, sep="\n  ")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
