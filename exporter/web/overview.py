"""
What the landing page says of the host, worked out of the newest sample.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from exporter.config import Config
from exporter.judge.settings import probes_before_timeout
from exporter.model import (
    AT_RISK_IDLE_STATES,
    AT_RISK_PROTECTIONS,
    ClosureReading,
    ClosureSums,
    IdleState,
    Path,
    PathSums,
    Settings,
    Snapshot,
)

_MOST_NAMESPACES = 10


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
class SettingsRow:
    """
    One namespace's settings, and the paths on which they send no probe in time.
    """

    netns: str
    settings: Settings
    unprotected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """
    The landing page's content.

    problems and unknown are sentences, the worst first; where there are none, all is well.
    """

    ready: bool
    problems: tuple[str, ...]
    unknown: tuple[str, ...]
    connections: int | None
    at_risk: int | None
    stalled: int | None
    idle_drops: int | None
    paths: tuple[PathRow, ...]
    settings: tuple[SettingsRow, ...]
    more_namespaces: int


def overview(
    snapshot: Snapshot | None, closures: ClosureReading | None, config: Config, now: float
) -> Overview:
    """
    How the host is; now is seconds on the monotonic clock.
    """
    paths = tuple(_path_rows(snapshot, closures, config, now))
    settings = sorted(
        (
            _settings_row(netns, each, config)
            for netns, each in (snapshot.settings if snapshot else {}).items()
        ),
        key=lambda row: not row.unprotected,
    )
    at_risk = _total(row.at_risk for row in paths)
    stalled = _total(row.stalled for row in paths)
    idle_drops = _total(row.idle_drops for row in paths)
    sockets = snapshot.sockets if snapshot and _is_fresh(snapshot, now) else None
    return Overview(
        ready=snapshot is not None,
        problems=tuple(_problems(at_risk, stalled, idle_drops, settings)),
        unknown=tuple(_unknown(snapshot, closures, now)),
        connections=sockets.connections.sampled if sockets else None,
        at_risk=at_risk,
        stalled=stalled,
        idle_drops=idle_drops,
        paths=paths,
        settings=tuple(settings[:_MOST_NAMESPACES]),
        more_namespaces=max(len(settings) - _MOST_NAMESPACES, 0),
    )


def _is_fresh(snapshot: Snapshot, now: float) -> bool:
    return snapshot.sockets is not None and now <= snapshot.sockets.fresh_until


def _path_rows(
    snapshot: Snapshot | None, closures: ClosureReading | None, config: Config, now: float
) -> Iterator[PathRow]:
    fresh = snapshot.sockets if snapshot and _is_fresh(snapshot, now) else None
    for path in config.paths:
        sums = fresh.connections.paths.get(path.name) if fresh else None
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


def _settings_row(netns: str, settings: Settings, config: Config) -> SettingsRow:
    unprotected = tuple(
        path.name
        for path in config.paths
        if probes_before_timeout(settings, path.idle_timeout) == 0
    )
    return SettingsRow(netns, settings, unprotected)


def _problems(
    at_risk: int | None,
    stalled: int | None,
    idle_drops: int | None,
    settings: Iterable[SettingsRow],
) -> Iterator[str]:
    if stalled:
        yield f"{_count(stalled, 'connection hangs', 'connections hang')} right now."
    if at_risk:
        yield f"{_count(at_risk, 'connection is', 'connections are')} at risk."
    for row in settings:
        if row.unprotected:
            yield (
                f"The settings of {row.netns} send no keepalive probe in time on"
                f" {', '.join(row.unprotected)}."
            )
    if idle_drops:
        yield (
            f"{_count(idle_drops, 'connection has', 'connections have')} died of idling since the"
            " exporter started."
        )


def _unknown(
    snapshot: Snapshot | None, closures: ClosureReading | None, now: float
) -> Iterator[str]:
    runs = dict(snapshot.runs) if snapshot else {}
    if closures:
        runs["closures"] = closures.run
    for name, run in runs.items():
        if not run.success:
            yield f"The collector {name} fails; the log says why."
    if snapshot and now > snapshot.due:
        yield "The newest sample is overdue."


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _total(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
