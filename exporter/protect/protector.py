"""
Finds the connections that their path will drop while they are idle, and enables keepalive on their
sockets.
"""

import time
from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np
import structlog

from exporter.collectors.operating_system import namespace_finder
from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.connections.collect import CollectedConnections, collect
from exporter.connections.listing import keep_histories
from exporter.connections.query import Query
from exporter.connections.rows import Connection, Owners, make_rows
from exporter.connections.selection import Page
from exporter.linux.borrowed_sockets import (
    Borrowed,
    Change,
    Failure,
    KnownSocket,
    change_options,
    find_sockets,
    read_options,
)
from exporter.linux.procfs.cgroups import WorkloadNames
from exporter.linux.procfs.processes import ChosenProcesses, ProcessFinder
from exporter.model import CollectorError, KeepaliveValues, Protection, SocketOptions
from exporter.protect.attempts import Attempt, Problem, ProtectOutcome, ProtectReport
from exporter.protect.candidates import Candidates, LeftAlone
from exporter.protect.handled import Handled
from exporter.protect.protective_values import protective_values

_LIMIT = 60.0
"""Seconds for reading all options, and again for changing them; enough for 200,000 sockets."""
_AGAIN = (ProtectOutcome.GONE, Problem.OPTIONS_CHANGED)
"""Reasons to try once more: the descriptor has moved, or the application has set other values."""
_TEMPORARY = (Problem.BLOCKED, Problem.OUT_OF_TIME, Problem.OPTIONS_CHANGED)
_NEVER_AGAIN = float("inf")

_log = structlog.get_logger()


class Protector:
    """
    Protects the connections that match a query, which selects everything, and with pids only those
    of these processes. Raises CollectorError if one of them does not exist or is not readable.
    """

    def __init__(self, query: Query, config: Config, pids: Collection[int] = ()) -> None:
        self._query = query
        self._config = config
        self._chosen = ChosenProcesses(pids) if pids else None
        self._processes = self._chosen or ProcessFinder()
        self._workloads = WorkloadNames()
        self._find = namespace_finder(config.namespaces)
        self._handled = Handled()

    def run(self, state: State, *, apply: bool) -> ProtectReport:
        """
        Read all connections; without apply, decide what to change, otherwise change it.

        state, of earlier runs, is updated. Connections that earlier runs have handled are only
        examined again if they have changed. Raises CollectorError, UnknownPathError and, if the
        calling thread must not read again, StrandedError.
        """
        timestamp = time.time()
        inodes = None if self._chosen is None else self._chosen.inodes()
        candidates = Candidates(
            self._query,
            self._config.paths,
            self._workloads.names,
            self._handled.are_settled,
            inodes,
        )
        found = collect(candidates, self._config, state, self._find)
        keep_histories(found, state)
        attempts, unnamed = self._attempts(found, apply=apply)
        own = sum(attempt.row.protection is Protection.OWN for attempt in attempts)
        left_alone = found.matches.left_alone.copy()
        left_alone[LeftAlone.OWN] += own
        self._handled.update(found.matches.cookies)
        return ProtectReport(
            timestamp=timestamp,
            applied=apply,
            attempts=tuple(each for each in attempts if each.row.protection is not Protection.OWN),
            left_alone=left_alone,
            settled=found.matches.settled,
            unnamed=unnamed,
            unread=found.problems,
        )

    def _attempts(
        self, found: CollectedConnections[Candidates], *, apply: bool
    ) -> tuple[list[Attempt], str | None]:
        """
        All candidates, including those that turn out to be protected by their options.
        """
        page = found.matches.page()
        if page is None:
            return [], None
        workloads, unnamed = self._name_workloads(set(page.judged.known["cgroup"].tolist()))
        attempts = self._once(page, found, workloads, apply=apply)
        again = [
            index
            for index, each in enumerate(attempts)
            if each.outcome in _AGAIN or each.problem in _AGAIN
        ]
        if again:
            rest = Page(page.judged.rows(np.array(again)), [page.netns[each] for each in again])
            for index, attempt in zip(
                again, self._once(rest, found, workloads, apply=apply), strict=True
            ):
                # Without a process now, the socket was closed after the first time.
                closed = attempt.problem is Problem.NO_PROCESS
                attempts[index] = (
                    replace(attempts[index], outcome=ProtectOutcome.GONE, problem=None)
                    if closed
                    else attempt
                )
        for attempt in attempts:
            self._note(attempt)
        return attempts, unnamed

    def _once(
        self,
        page: Page,
        found: CollectedConnections[Candidates],
        workloads: dict[int, str],
        *,
        apply: bool,
    ) -> list[Attempt]:
        sockets = self._sockets(page, found)
        borrowed = read_options(sockets.values(), _LIMIT)
        options = {
            inode: each.options for inode, each in borrowed.items() if each.options is not None
        }
        processes = {inode: each.holder for inode, each in sockets.items()}
        rows = make_rows(page, self._config, found.times, Owners(processes, options, workloads))
        attempts = [
            self._plan(row, options.get(row.inode), borrowed.get(row.inode)) for row in rows
        ]
        return self._change(attempts, sockets) if apply else attempts

    def _sockets(
        self, page: Page, found: CollectedConnections[Candidates]
    ) -> dict[int, KnownSocket]:
        """
        The sockets with a visible holder, by inode.
        """
        inodes = {namespace.name: namespace.inode for namespace in found.histories}
        table = page.judged.table
        netns = dict(zip(table.inode.tolist(), page.netns, strict=True))
        return {
            inode: replace(each, netns=inodes[netns[inode]])
            for inode, each in find_sockets([table], self._processes).items()
        }

    def _plan(
        self, row: Connection, options: SocketOptions | None, borrowed: Borrowed | None
    ) -> Attempt:
        """
        What to do for a candidate, given its options; borrowed is None if no process holds it.
        """
        if options is None:
            failure = borrowed.failure if borrowed else None
            if failure is Failure.GONE:
                return Attempt(row, None, None, ProtectOutcome.GONE)
            problem = Problem(failure) if failure else Problem.NO_PROCESS
            return Attempt(row, None, None, ProtectOutcome.FAILED, problem)
        if row.path is None or row.protection is Protection.OWN:
            return Attempt(row, options, None, ProtectOutcome.PROTECTED)
        values = protective_values(options, row.path.idle_timeout, self._config.recommended)
        if values is None:
            return Attempt(row, options, None, ProtectOutcome.FAILED, Problem.TIMEOUT_TOO_SHORT)
        return Attempt(row, options, values, ProtectOutcome.PLANNED)

    def _change(self, attempts: list[Attempt], sockets: dict[int, KnownSocket]) -> list[Attempt]:
        """
        The attempts after their values were set.
        """
        changes = {
            index: Change(sockets[each.row.inode], each.options, each.values)
            for index, each in enumerate(attempts)
            if each.options is not None and each.values is not None
        }
        outcomes = change_options(list(changes.values()), _LIMIT)
        for (index, change), outcome in zip(changes.items(), outcomes, strict=True):
            attempt = attempts[index]
            if outcome.failure is None:
                attempts[index] = replace(attempt, outcome=ProtectOutcome.PROTECTED)
                _log_change(attempt.row, change)
            elif outcome.failure is Failure.GONE:
                attempts[index] = replace(attempt, outcome=ProtectOutcome.GONE)
            else:
                problem = Problem(outcome.failure)
                attempts[index] = replace(attempt, outcome=ProtectOutcome.FAILED, problem=problem)
        return attempts

    def _note(self, attempt: Attempt) -> None:
        if attempt.outcome is ProtectOutcome.PROTECTED:
            values = attempt.values or attempt.options
            seconds = max(values.time, values.interval) if values else _NEVER_AGAIN
            self._handled.note(attempt.row.cookie, seconds)
        elif attempt.outcome is ProtectOutcome.FAILED and attempt.problem not in _TEMPORARY:
            self._handled.note(attempt.row.cookie, _NEVER_AGAIN)

    def _name_workloads(self, cgroups: Iterable[int]) -> tuple[dict[int, str], str | None]:
        try:
            return self._workloads.names(set(cgroups)), None
        except CollectorError as error:
            return {}, str(error)


def _log_change(row: Connection, change: Change) -> None:
    """
    Log the previous options and those set, as time/interval/probes. cookie is written as by
    ss -e.
    """
    before, values = change.before, change.values
    holder = change.socket.holder
    _log.info(
        "keepalive changed",
        netns=row.netns,
        workload=row.workload,
        pid=holder.pid,
        process=holder.name,
        inode=row.inode,
        cookie=f"{row.cookie:x}",
        path=row.path.name if row.path else None,
        before=f"{'on' if before.keepalive else 'off'} {_in_numbers(before)}",
        after=f"on {_in_numbers(values)}",
    )


def _in_numbers(values: SocketOptions | KeepaliveValues) -> str:
    return f"{values.time}/{values.interval}/{values.probes}"
