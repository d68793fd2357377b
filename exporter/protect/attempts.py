"""
What was done, or would be done, for each connection.
"""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from exporter.collectors.namespace_visits import NamespaceProblem
from exporter.connections.rows import Connection
from exporter.model import IdleState, KeepaliveValues, SocketOptions
from exporter.protect.candidates import LeftAlone


class ProtectOutcome(StrEnum):
    """
    planned: would be protected. gone: closed, or moved to another process, meanwhile.
    """

    PLANNED = "planned"
    PROTECTED = "protected"
    FAILED = "failed"
    GONE = "gone"


class Problem(StrEnum):
    """
    Why a connection cannot be protected. Those of borrowed sockets have the same names there.
    """

    NO_PROCESS = "no_process"
    NOT_PERMITTED = "not_permitted"
    TIMEOUT_TOO_SHORT = "timeout_too_short"
    UNSUPPORTED = "unsupported"
    BLOCKED = "blocked"
    OUT_OF_TIME = "out_of_time"
    OPTIONS_CHANGED = "options_changed"
    ERROR = "error"


LACKS_PERMISSION = (Problem.NO_PROCESS, Problem.NOT_PERMITTED, Problem.UNSUPPORTED)
"""Problems that last as long as the command runs."""

WORDS = {
    Problem.NO_PROCESS: (
        "process not visible: processes of other users require root, or CAP_SYS_PTRACE and"
        " CAP_DAC_READ_SEARCH; those of a container, the host's PID namespace"
    ),
    Problem.NOT_PERMITTED: (
        "not permitted: its process may not be traced; requires root or CAP_SYS_PTRACE, and that"
        " Yama, seccomp and AppArmor allow it"
    ),
    Problem.TIMEOUT_TOO_SHORT: "its path's timeout is too short for keepalive (1 s)",
    Problem.UNSUPPORTED: "requires Linux 5.6 or newer, and seccomp filters that allow pidfd_getfd",
    Problem.BLOCKED: "its process does not release the socket",
    Problem.OUT_OF_TIME: "not reached in time; run the command again",
    Problem.OPTIONS_CHANGED: "its application sets other values at the same time",
    Problem.ERROR: "its options could not be changed",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One connection that is not protected. row has its state and options before; options are the same
    as far as they were read, values those to set.
    """

    row: Connection
    options: SocketOptions | None
    values: KeepaliveValues | None
    outcome: ProtectOutcome
    problem: Problem | None = None

    @property
    def is_past_timeout(self) -> bool:
        """
        Whether the path may have dropped the connection already.
        """
        return self.row.idle_state in (IdleState.OVER_LIMIT, IdleState.STALLED)


@dataclass(frozen=True, slots=True)
class ProtectReport:
    """
    What one run did. attempts has the connections that were not protected, those idle for longest
    first; left_alone and settled the numbers of others that match the filters. settled were handled
    by earlier runs of --watch.

    timestamp is in seconds since 1970. unnamed and unread are as in a listing.
    """

    timestamp: float
    applied: bool
    attempts: tuple[Attempt, ...]
    left_alone: Counter[LeftAlone]
    settled: int
    unnamed: str | None
    unread: dict[str, NamespaceProblem]

    @property
    def by_outcome(self) -> Counter[ProtectOutcome]:
        """
        The number of attempts by outcome.
        """
        return Counter(attempt.outcome for attempt in self.attempts)

    @property
    def lacks_all_permission(self) -> bool:
        """
        Whether permission is the reason why the options of not a single connection were read.
        """
        lacking = [each for each in self.attempts if each.problem in LACKS_PERMISSION]
        return (
            bool(lacking)
            and all(each.options is None for each in self.attempts)
            and not self.left_alone[LeftAlone.OWN]
        )


@dataclass(frozen=True, slots=True)
class WorkloadSummary:
    """
    The numbers of one workload's connections; name is None if workloads have no names.
    """

    name: str | None
    outcomes: Counter[ProtectOutcome]
    problems: Counter[Problem]


def by_workload(report: ProtectReport) -> list[WorkloadSummary]:
    """
    The workloads, the one with the most connections first.
    """
    found: dict[str | None, WorkloadSummary] = {}
    for attempt in report.attempts:
        name = attempt.row.workload
        summary = found.setdefault(name, WorkloadSummary(name, Counter(), Counter()))
        summary.outcomes[attempt.outcome] += 1
        if attempt.problem is not None:
            summary.problems[attempt.problem] += 1
    return sorted(found.values(), key=lambda each: (-each.outcomes.total(), each.name or ""))
