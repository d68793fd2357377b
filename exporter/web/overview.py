"""
The landing page: the state of the host, from the latest sample.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from aiohttp import web

from exporter.analysis.groups import (
    FindingGroup,
    SettingsGroup,
    group_findings,
    group_settings,
)
from exporter.analysis.report import Verdict, reports
from exporter.config.schema import Config
from exporter.model import (
    AT_RISK_IDLE_STATES,
    AT_RISK_PROTECTIONS,
    HANGING_IDLE_STATES,
    ClosureReading,
    ClosureSums,
    Finding,
    Path,
    PathSums,
    Severity,
    Snapshot,
    SocketsReading,
    since_boot,
)
from exporter.paths.matching import deciding_paths
from exporter.web.exposition import DataSources
from exporter.web.templating import render

_MAX_SHOWN = 10
"""Maximum number of different findings and settings on the page; there may be hundreds."""


@dataclass(frozen=True, slots=True)
class PathRow:
    """
    One path, and counts of the connections that cross it. None: unknown.
    """

    path: Path
    connections: int | None
    at_risk: int | None
    hanging: int | None
    idle_drops: int | None


@dataclass(frozen=True, slots=True)
class Overview:
    """
    The landing page's content. None: unknown.

    sentences are about problems besides the findings, and about missing data. more_findings and
    more_settings count those that are not shown.
    """

    verdict: Verdict
    sentences: tuple[str, ...]
    findings: tuple[FindingGroup, ...]
    more_findings: int
    connections: int | None
    at_risk: int | None
    hanging: int | None
    idle_drops: int | None
    paths: tuple[PathRow, ...]
    settings: tuple[SettingsGroup, ...]
    more_settings: int


def overview(
    snapshot: Snapshot | None, closures: ClosureReading | None, config: Config, now: float
) -> Overview:
    """
    The state of the host; now is in seconds on the clock since_boot().
    """
    sockets = snapshot.sockets if snapshot else None
    if sockets and now > sockets.fresh_until:
        sockets = None
    paths = tuple(_path_rows(sockets, closures, config))
    at_risk = _total(row.at_risk for row in paths)
    hanging = sum(map(_hanging, sockets.connections.paths.values())) if sockets else None
    idle_drops = _total(row.idle_drops for row in paths)
    findings = [
        finding
        for finding in (snapshot.findings if snapshot else ())
        if finding.severity is not Severity.INFO
    ]
    unknown = tuple(_unknown(snapshot, closures, now))
    groups = group_findings(findings)
    settings = group_settings(
        sorted(
            reports(snapshot, config.paths) if snapshot else (),
            key=lambda report: list(Verdict).index(report.verdict),
        )
    )
    return Overview(
        verdict=_verdict(bool(at_risk or hanging), findings, idle_drops, unknown),
        sentences=(*_wrong(at_risk, hanging, idle_drops), *unknown),
        findings=groups[:_MAX_SHOWN],
        more_findings=max(len(groups) - _MAX_SHOWN, 0),
        connections=_connections(snapshot, sockets, now),
        at_risk=at_risk,
        hanging=hanging,
        idle_drops=idle_drops,
        paths=paths,
        settings=settings[:_MAX_SHOWN],
        more_settings=max(len(settings) - _MAX_SHOWN, 0),
    )


def _verdict(
    is_at_risk: bool, findings: Iterable[Finding], idle_drops: int | None, unknown: tuple[str, ...]
) -> Verdict:
    severities = {finding.severity for finding in findings}
    if is_at_risk or Severity.CRITICAL in severities:
        return Verdict.AT_RISK
    if severities or idle_drops:
        return Verdict.DOUBTFUL
    return Verdict.UNKNOWN if unknown else Verdict.ALL_RIGHT


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
    for path in deciding_paths(config.paths):
        sums = known.get(path.name)
        yield PathRow(
            path,
            int(sums.connections.sum()) if sums else None,
            _at_risk(sums) if sums else None,
            _hanging(sums) if sums else None,
            _idle_drops(closures.sums, path) if closures else None,
        )


def _at_risk(sums: PathSums) -> int:
    return int(sums.connections[np.ix_(AT_RISK_PROTECTIONS, AT_RISK_IDLE_STATES)].sum())


def _hanging(sums: PathSums) -> int:
    return int(sums.connections[:, HANGING_IDLE_STATES].sum())


def _idle_drops(sums: ClosureSums, path: Path) -> int:
    return sum(number for (name, _), number in sums.idle_drops.items() if name == path.name)


def _wrong(at_risk: int | None, hanging: int | None, idle_drops: int | None) -> Iterator[str]:
    if hanging:
        yield f"{_count(hanging, 'connection hangs', 'connections hang')}: nothing is answered."
    if at_risk:
        yield f"{_count(at_risk, 'connection is', 'connections are')} at risk."
    if idle_drops:
        yield (f"{_count(idle_drops, 'idle drop', 'idle drops')} since the exporter started.")


def _unknown(
    snapshot: Snapshot | None, closures: ClosureReading | None, now: float
) -> Iterator[str]:
    if snapshot is None:
        yield "The first sample is not available yet."
        return
    runs = dict(snapshot.runs)
    if closures:
        runs["closures"] = closures.run
    for name, run in runs.items():
        if not run.success:
            yield f"The {name} collector failed; see the log."
    if now > snapshot.due:
        yield "The latest sample is overdue."


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _total(values: Iterable[int | None]) -> int | None:
    """
    The sum of the known values, 0 without any values, None if all are unknown.
    """
    values = list(values)
    known = [value for value in values if value is not None]
    return sum(known) if known or not values else None


_HEADLINES = {
    Verdict.ALL_RIGHT: "No problems found",
    Verdict.DOUBTFUL: "Warnings found",
    Verdict.AT_RISK: "Problems found",
    Verdict.UNKNOWN: "State unknown",
}


def make_landing(
    sources: DataSources, telemetry_path: str, *, connections: bool
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """
    A handler; connections: whether to link to /connections.
    """

    async def landing(_: web.Request) -> web.Response:
        config = sources.config()
        return render(
            "index.html",
            headlines=_HEADLINES,
            telemetry_path=telemetry_path,
            connections=connections,
            recommended=config.recommended,
            profile=config.chosen_profile.explanation,
            host=overview(sources.snapshot(), sources.closures(), config, since_boot()),
        )

    return landing
