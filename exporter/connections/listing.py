"""
One look: read the sockets, judge them, pick those asked for, and find out whose they are.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from exporter.collectors.namespace_visits import Problem
from exporter.collectors.state import Memory
from exporter.config.schema import Config, Namespaces
from exporter.connections.advice import Advice, sentences
from exporter.connections.collect import Histories, survey
from exporter.connections.query import Query, Sort
from exporter.connections.row import Connection
from exporter.connections.rows import make_rows
from exporter.connections.selection import Page, Selection
from exporter.linux import namespace_finder
from exporter.linux.procfs.cgroups import Workloads
from exporter.linux.procfs.processes import Processes
from exporter.model import CollectorError, Found, Risk


@dataclass(frozen=True, slots=True)
class Look:
    """
    What one look found.

    by_risk counts all connections there are, matching those that the query asks for, of which
    connections are one page. first: nothing was known of them from before. histories are what the
    next look may know. unnamed says why workloads could not be named, unread why some network
    namespaces could not be read. timestamp is in seconds since 1970.
    """

    timestamp: float
    connections: tuple[Connection, ...]
    by_risk: Counter[Risk]
    matching: int
    first: bool
    histories: Histories
    advice: dict[Advice, str]
    unnamed: str | None
    unread: dict[str, Problem]


class Looker:
    """
    Takes looks, and remembers from one to the next whose connections they are.
    """

    def __init__(self) -> None:
        self._workloads = Workloads()
        self._processes = Processes()
        self._finders: dict[Namespaces, Callable[[], Found]] = {}

    def look(self, query: Query, config: Config, memory: Memory) -> Look:
        """
        Take a look at the connections of the configuration's network namespaces.

        memory is of the looks before or of the sampler, and is not changed. Blocks for as long as a
        sample takes, or a few times longer. Raises CollectorError, UnknownPathError and, if the
        calling thread must not take another one, StrandedError.
        """
        timestamp = time.time()
        which = config.namespaces
        find = self._finders.setdefault(which, namespace_finder(which))
        empty = Selection(query, config.paths, self._workloads.names)
        found = survey(empty, config, memory, find)
        by_risk, rows, unnamed = found.selection.by_risk, list[Connection](), None
        page = found.selection.page()
        if page is not None:
            workloads, unnamed = self._name_workloads(page)
            rows = make_rows(page, config.paths, found.times, self._processes, workloads)
            # Exact options may have told more than what was judged and counted.
            by_risk = by_risk - Counter(map(Risk, page.judged.risk.tolist()))
            by_risk.update(row.risk for row in rows)
            if query.sort is Sort.RISK:
                rows.sort(key=lambda row: row.risk)
        return Look(
            timestamp=timestamp,
            connections=tuple(rows),
            by_risk=by_risk,
            matching=found.selection.matching,
            first=not any(len(memory.history_of(namespace)) for namespace in found.histories),
            histories=found.histories,
            advice=sentences((row.advice for row in rows if row.advice), config),
            unnamed=unnamed,
            unread=found.problems,
        )

    def _name_workloads(self, page: Page) -> tuple[dict[int, str], str | None]:
        """
        The names of the cgroups' workloads; none, and why, where they cannot be named.
        """
        try:
            return self._workloads.names(set(page.judged.known["cgroup"].tolist())), None
        except CollectorError as error:  # no reason to show nothing
            return {}, str(error)


def remember(look: Look, memory: Memory) -> None:
    """
    Have the next look know what this one has seen.
    """
    memory.keep(look.histories)
    for namespace, history in look.histories.items():
        memory.of(namespace).history = history
