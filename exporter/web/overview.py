"""
What the landing page says of the host, worked out of the newest sample.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from exporter.analysis.report import Report, reports
from exporter.config.schema import Config
from exporter.model import (
    AT_RISK_IDLE_STATES,
    AT_RISK_PROTECTIONS,
    ClosureReading,
    ClosureSums,
    Finding,
    IdleState,
    Path,
    PathSums,
    Severity,
    Snapshot,
    SocketsReading,
)

_MOST = 10
"""How many findings and namespaces a page has; there may be hundreds."""


class State(StrEnum):
    """
    The whole in a word.
    """

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PathRow:
    """
    One path, and how the connections that cross it fare. None: not known.
    """

    path: Path
    connections: int | None
    at_risk: int | None
    stalled: int | None
    idle_drops: int | None


@dataclass(frozen=True, slots=True)
class Overview:
    """
    The landing page's content. None: not known.

    sentences say what is wrong beside the findings, and what is not known. more_findings and
    more_namespaces count those left out.
    """

    state: State
    sentences: tuple[str, ...]
    findings: tuple[Finding, ...]
    more_findings: int
    connections: int | None
    at_risk: int | None
    stalled: int | None
    idle_drops: int | None
    paths: tuple[PathRow, ...]
    namespaces: tuple[Report, ...]
    more_namespaces: int


def overview(
    snapshot: Snapshot | None, closures: ClosureReading | None, config: Config, now: float
) -> Overview:
    """
    How the host is; now is seconds on the monotonic clock.
    """
    sockets = snapshot.sockets if snapshot else None
    if sockets and now > sockets.fresh_until:
        sockets = None
    paths = tuple(_path_rows(sockets, closures, config))
    at_risk, stalled = _total(row.at_risk for row in paths), _total(row.stalled for row in paths)
    idle_drops = _total(row.idle_drops for row in paths)
    findings = [
        finding
        for finding in (snapshot.findings if snapshot else ())
        if finding.severity is not Severity.INFO
    ]
    unknown = tuple(_unknown(snapshot, closures, now))
    namespaces = sorted(
        reports(snapshot, config.paths) if snapshot else (), key=lambda each: not each.findings
    )
    return Overview(
        state=_state(bool(at_risk or stalled), findings, idle_drops, unknown),
        sentences=(*_wrong(at_risk, stalled, idle_drops), *unknown),
        findings=tuple(findings[:_MOST]),
        more_findings=max(len(findings) - _MOST, 0),
        connections=_connections(snapshot, sockets, now),
        at_risk=at_risk,
        stalled=stalled,
        idle_drops=idle_drops,
        paths=paths,
        namespaces=tuple(namespaces[:_MOST]),
        more_namespaces=max(len(namespaces) - _MOST, 0),
    )


def _state(
    in_danger: bool, findings: Iterable[Finding], idle_drops: int | None, unknown: tuple[str, ...]
) -> State:
    severities = {finding.severity for finding in findings}
    if in_danger or Severity.CRITICAL in severities:
        return State.BAD
    if severities or idle_drops:
        return State.DOUBTFUL
    return State.UNKNOWN if unknown else State.GOOD


def _connections(
    snapshot: Snapshot | None, sockets: SocketsReading | None, now: float
) -> int | None:
    if sockets:
        return sockets.connections.sampled
    counts = snapshot.counts if snapshot else None
    return sum(counts.connections.values()) if counts and now <= counts.fresh_until else None


def _path_rows(
    sockets: SocketsReading | None, closures: ClosureReading | None, config: Config
) -> Iterator[PathRow]:
    known: Mapping[str, PathSums] = sockets.connections.paths if sockets else {}
    for path in config.paths:
        sums = known.get(path.name)
        yield PathRow(
            path,
            int(sums.connections.sum()) if sums else None,
            _at_risk(sums) if sums else None,
            int(sums.connections[:, IdleState.STALLED].sum()) if sums else None,
            _idle_drops(closures.sums, path) if closures else None,
        )


def _at_risk(sums: PathSums) -> int:
    return int(sums.connections[np.ix_(AT_RISK_PROTECTIONS, AT_RISK_IDLE_STATES)].sum())


def _idle_drops(sums: ClosureSums, path: Path) -> int:
    return sum(number for (name, _), number in sums.idle_drops.items() if name == path.name)


def _wrong(at_risk: int | None, stalled: int | None, idle_drops: int | None) -> Iterator[str]:
    if stalled:
        yield f"{_count(stalled, 'connection hangs', 'connections hang')} right now."
    if at_risk:
        yield f"{_count(at_risk, 'connection is', 'connections are')} at risk."
    if idle_drops:
        yield (
            f"{_count(idle_drops, 'connection has', 'connections have')} died of idling since the"
            " exporter started."
        )


def _unknown(
    snapshot: Snapshot | None, closures: ClosureReading | None, now: float
) -> Iterator[str]:
    if snapshot is None:
        yield "The first sample is not there yet."
        return
    runs = dict(snapshot.runs)
    if closures:
        runs["closures"] = closures.run
    for name, run in runs.items():
        if not run.success:
            yield f"The collector {name} fails; the log says why."
    if now > snapshot.due:
        yield "The newest sample is overdue."


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _total(values: Iterable[int | None]) -> int | None:
    """
    The sum of what is known; of nothing at all, 0.
    """
    values = list(values)
    known = [value for value in values if value is not None]
    return sum(known) if known or not values else None
