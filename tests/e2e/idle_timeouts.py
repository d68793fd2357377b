"""
Results of `probe` compared with known timeouts.

`python -m tests.e2e.idle_timeouts` prints the table of all scenarios. It takes a minute and a half:
all paths are measured at once, because nearly all of the time is waiting. The tests measure some of
the scenarios.
"""

import math
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
"""Seconds after the announced duration within which the command must end."""
JIFFIES = 0.02
"""Seconds by which the NAT's and the test's measurements of an idle time may differ."""
Check = Callable[[Measured], bool]


def _anything(_: Measured) -> bool:
    return True


def _drop(found: Measured) -> bool:
    return bool(found.document["on_timeout"] == "drop")


def _reset(found: Measured) -> bool:
    return bool(found.document["on_timeout"] == "reset")


def _reset_unprobed(found: Measured) -> bool:
    return "reset_unasked" in found.outcomes


def _no_timeout(found: Measured) -> bool:
    return math.isinf(found.fatal)


def _closed_by_server(found: Measured) -> bool:
    return "closed" in found.outcomes


def _closed_at_once(found: Measured) -> bool:
    return _closed_by_server(found) and found.survived < 1


def _server_acts(found: Measured) -> bool:
    return not found.outcomes.isdisjoint({"closed", "spoke"})


def _control_lost(found: Measured) -> bool:
    return "kept busy" in found.words


def _interrupted(found: Measured) -> bool:
    return bool(found.document["interrupted"])


def _explained(found: Measured) -> bool:
    """
    Whether wide bounds are explained: by a remark, or in the summary after a colon.
    """
    if _no_timeout(found):
        return ": " in found.document["summary"]
    return bool(found.document["remarks"]) or "several devices" in found.document["summary"]


_ON_TIMEOUT: dict[OnTimeout, Check] = {"drop": _drop, "reset": _reset}


@dataclass(frozen=True)
class Scenario:
    """
    A path with an idle timeout in seconds (None: no timeout), and its measurement.

    late is the time in seconds by which the path may exceed the timeout. is_narrow: whether the
    bounds must be as narrow as requested, None for either. shows checks the result. error is part
    of the expected reason if the server is unreachable.
    """

    name: str
    timeout: float | None
    measure: Callable[[], Probed]
    is_narrow: bool | None = True
    shows: Check = _anything
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
        The timeout as text.
        """
        return "never" if self.timeout is None else f"{self.timeout:g} s"

    def faults(self, run: Probed) -> Iterator[str]:
        """
        Errors in the results of a run.
        """
        for found in run.servers:
            yield from (f"{found.server}: {fault}" for fault in self.faults_of(found))
        if run.code != self._code(run):
            yield f"exit code {run.code}"
        if run.seconds > run.announced + LATE:
            yield f"took {run.seconds:.0f} s, announced {run.announced:.0f} s"

    def faults_of(self, found: Measured) -> Iterator[str]:
        """
        Errors in the result for one server.
        """
        if found.error or self.error:
            if self.error is None or self.error not in (found.error or ""):
                yield f"connection failed: {found.error}"
            return
        truth = float("inf") if self.timeout is None else self.timeout
        if found.survived > truth + self.late + JIFFIES or found.fatal < truth - JIFFIES:
            yield "wrong bounds"
        if not self.shows(found):
            yield f"does not show {self.shows.__name__.strip('_')}"
        if self.is_narrow not in (None, found.is_narrow):
            yield "narrow" if found.is_narrow else "wide"
        if not (found.is_narrow or _explained(found)):
            yield "wide without a reason"

    def _code(self, run: Probed) -> int:
        if self.error:
            return 2
        return 0 if all(found.is_narrow for found in run.servers) else 1


def _nat(timeout: int, on_timeout: OnTimeout, loss: int) -> Scenario:
    measure = partial(paths.through_nat, timeout, on_timeout, loss)
    if loss:  # too few answers may remain for on_timeout or narrow bounds
        return Scenario(f"{on_timeout}, {loss} % loss", timeout, measure, is_narrow=None)
    return Scenario(on_timeout, timeout, measure, shows=_ON_TIMEOUT[on_timeout])


def _ending(
    name: str, after: float, timeout: int, shows: Check, *, reset: bool = False
) -> Scenario:
    measure = partial(servers.ending_server, after, timeout, reset=reset)
    return Scenario(f"server {name}", timeout, measure, is_narrow=False, shows=shows)


SOME_NATS = [_nat(5, "drop", 0), _nat(5, "reset", 1), _nat(13, "reset", 0), _nat(13, "drop", 1)]
OTHER_NATS = [
    *(_nat(5, *each) for each in (("reset", 0), ("drop", 1))),
    *(_nat(13, *each) for each in (("drop", 0), ("reset", 1))),
    *(_nat(timeout, kind, loss) for timeout in (8, 30) for kind in _ON_TIMEOUT for loss in (0, 1)),
]
IN_A_ROW = [
    Scenario("NAT of 20 s behind one of 8 s", 8, partial(paths.through_two_nats, 8, 20)),
    Scenario("NAT of 8 s behind one of 20 s", 8, partial(paths.through_two_nats, 20, 8)),
]
RESETTING = _ending("resets after 10 s", 10, 20, _closed_by_server, reset=True)
ENDING = [
    _ending("closes at once", 0, 20, _closed_at_once),
    _ending("closes after 10 s", 10, 20, _closed_by_server),
    RESETTING,
    Scenario("server closes after 10 s", 5, partial(servers.ending_server, 10, 5)),
]
UNASKED = Scenario(
    "load balancer resets without a probe",
    6,
    partial(servers.resetting_path, 6),
    shows=_reset_unprobed,
    late=0.5,
)
INCIDENTS = [
    Scenario("no NAT", None, paths.without_nat, shows=_no_timeout),
    Scenario("NAT restarted, drop", 8, partial(paths.flushed_nat, "drop"), None, _control_lost),
    Scenario("NAT restarted, reset", 8, partial(paths.flushed_nat, "reset"), None, _control_lost),
    Scenario("NAT restarted later", 8, paths.flushed_nat_later, None, _control_lost),
    Scenario("outage of 2 s", 13, paths.outage, is_narrow=None),
]
INTERRUPTED = Scenario("interrupted", None, paths.interrupted, False, _interrupted)
REAL = [
    Scenario("real servers", 8, partial(servers.real_servers, 8, by_themselves=False)),
    Scenario(
        "real servers that close or probe",
        30,
        partial(servers.real_servers, 30, by_themselves=True),
        is_narrow=False,
        shows=_server_acts,
    ),
]
UNREACHABLE = [
    Scenario("closed port", None, paths.closed_port, error="connection refused"),
    Scenario("host that never answers", None, paths.silent_host, error="5 s"),
]
TESTED = [*INCIDENTS, *IN_A_ROW, *REAL, *SOME_NATS, *ENDING, UNASKED, INTERRUPTED, *UNREACHABLE]
"""The longest scenarios come first, so that they start first."""
ALL = [*OTHER_NATS, *TESTED]


def show(runs: Sequence[tuple[Scenario, Probed]]) -> str:
    """
    A table of known timeouts and results. Errors are in capitals.
    """
    heads = ("timeout", "path", "server", "bounds", "", "duration", "result")
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
    Measure all scenarios, and print the table and the errors.
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
    print(f"\n{results} results, {len(wrong)} errors", *wrong, sep="\n  ")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
