"""
One look: read the sockets, judge them, pick those asked for, and find out whose they are.
"""

import time
from collections import Counter
from dataclasses import dataclass, field

from exporter.config import Config
from exporter.connections.advice import Advice, sentences
from exporter.connections.query import Query, Sort
from exporter.connections.row import Connection
from exporter.connections.rows import make_rows
from exporter.connections.selection import Selection
from exporter.judge.history import History, Recorder
from exporter.judge.judged import judge_table
from exporter.model import CollectorError, InterruptedReadError, Risk
from exporter.settings import read_settings
from exporter.sockets import read_sockets
from exporter.sockets.cgroups import Workloads
from exporter.sockets.processes import Processes

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Owners:
    """
    Who owns connections; what has been found out is remembered for the next look.
    """

    workloads: Workloads = field(default_factory=Workloads)
    processes: Processes = field(default_factory=Processes)


@dataclass(frozen=True, slots=True)
class Look:
    """
    What one look found.

    by_risk counts all connections there are, matching those that the query asks for, of which
    connections are one page. first: nothing was known of them from before. history is what the next
    look may know. problem says why workloads could not be named. timestamp: seconds since 1970.
    """

    timestamp: float
    connections: tuple[Connection, ...]
    by_risk: Counter[Risk]
    matching: int
    first: bool
    history: History
    advice: dict[Advice, str]
    problem: str | None


def look(query: Query, config: Config, history: History, owners: Owners) -> Look:
    """
    Take a look at the connections of the calling thread's network namespace.

    history is what the last look or the sampler's last sample knew. Blocks for as long as a sample
    takes, or a few times longer. Raises CollectorError and UnknownPathError.
    """
    timestamp = time.time()
    selection, next_history = _read(query, config, history, owners)
    by_risk = selection.by_risk
    rows: list[Connection] = []
    problem = None
    page = selection.page()
    if page is not None:
        workloads: dict[int, str] = {}
        try:
            workloads = owners.workloads.names(set(page.known["cgroup"].tolist()))
        except CollectorError as error:  # no reason to show nothing
            problem = str(error)
        rows = make_rows(page, config.paths, read_settings().time, owners.processes, workloads)
        # Exact options may have told more than what was judged and counted.
        by_risk = by_risk - Counter(map(Risk, page.risk.tolist()))
        by_risk.update(row.risk for row in rows)
        if query.sort is Sort.RISK:
            rows.sort(key=lambda row: row.risk)
    return Look(
        timestamp=timestamp,
        connections=tuple(rows),
        by_risk=by_risk,
        matching=selection.matching,
        first=not len(history),
        history=next_history,
        advice=sentences((row.advice for row in rows if row.advice), config),
        problem=problem,
    )


def _read(
    query: Query, config: Config, history: History, owners: Owners
) -> tuple[Selection, History]:
    for attempt in range(1, _ATTEMPTS + 1):
        selection = Selection(query, config.paths, owners.workloads.names)
        recorder = Recorder(history)
        try:
            found = read_sockets()
            for table in found.tables:
                selection.add(
                    judge_table(
                        table, recorder, config.paths, found.surroundings, config.near_limit_ratio
                    )
                )
        except InterruptedReadError:
            if attempt == _ATTEMPTS:
                raise
        else:
            break
    return selection, recorder.finish(time.monotonic(), None)
