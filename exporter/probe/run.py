"""
Runs rounds of idle connections until the bounds are narrow enough or the time is up.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from exporter.probe.connection import stay_idle
from exporter.probe.control_connection import ControlConnection
from exporter.probe.inference import DEAD, Outcome, OutcomeKind, is_settled
from exporter.probe.measurement import Measurement
from exporter.probe.plan import ANSWER, PACE
from exporter.probe.tcp_connection import Source, TcpConnection, UnreachableError

Report = Callable[[Outcome], None]
"""Called with each outcome when it is known."""

_MAX_ROUNDS = 4
_POLL = 0.5
_CONTROL_INTERVAL = 2.0
"""Maximum seconds between probes of the control connection; at most half the shortest idle time."""


async def measure(
    found: Measurement,
    connection: TcpConnection,
    source: Source,
    stop: asyncio.Event,
    report: Report,
) -> None:
    """
    Measure the path until found.deadline or stop, and update found. connection is the first one.
    """
    try:
        await _measure(found, connection, source, stop, report)
    finally:
        found.is_over = True


async def _measure(
    found: Measurement,
    connection: TcpConnection,
    source: Source,
    stop: asyncio.Event,
    report: Report,
) -> None:
    while True:
        any_dropped = await _Round(found, source, report).run(connection, stop)
        times = found.plan.refine(found.bounds)
        found.interrupted = stop.is_set() and bool(times)
        if not times or not any_dropped or stop.is_set() or found.round == _MAX_ROUNDS:
            return
        found.late = time.monotonic() + found.plan.seconds_of(times) > found.deadline
        if found.late:
            return
        found.round, found.times = found.round + 1, times
        try:
            connection = await TcpConnection.open(found.address, source)
        except UnreachableError:
            found.refused += 1
            return


class _Round:
    """
    Connections that are idle for found.times, and a control connection.
    """

    def __init__(self, found: Measurement, source: Source, report: Report) -> None:
        self._found = found
        self._source = source
        self._report = report
        self._earlier = found.outcomes, found.not_counted
        self._outcomes: list[Outcome] = []

    async def run(self, connection: TcpConnection, stop: asyncio.Event) -> bool:
        """
        Update found. Returns whether any connection was dropped, including the control connection.
        """
        found, planned = self._found, self._found.times
        interval = min(_CONTROL_INTERVAL, min(planned) / 2)
        control = ControlConnection(connection, found.address, self._source, interval)
        watching = asyncio.create_task(control.watch())
        trying = {
            asyncio.create_task(self._try(seconds, number * PACE)): seconds
            for number, seconds in enumerate(planned)
        }
        until = time.monotonic() + found.plan.seconds_of(planned)
        try:
            while not (stop.is_set() or control.lost.is_set() or time.monotonic() > until):
                await asyncio.sleep(_POLL)
                undecided = self._update(control)
                pending = [seconds for task, seconds in trying.items() if not task.done()]
                if is_settled(found.outcomes, pending) or not (pending or undecided):
                    break
        finally:
            await _end(watching, *trying)
            control.close()
            self._update(control)
            found.lost += control.lost.is_set()
        return control.lost.is_set() or any(each.kind in DEAD for each in self._attributed(control))

    async def _try(self, planned: float, delay: float) -> None:
        await asyncio.sleep(delay)
        try:
            connection = await TcpConnection.open(self._found.address, self._source)
        except UnreachableError:
            self._found.refused += 1
            return
        try:
            await stay_idle(connection, planned, self._note)
        finally:
            connection.close()

    def _note(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._report(outcome)

    def _update(self, control: ControlConnection) -> bool:
        """
        Update found.outcomes. Returns whether some drops may still be confirmed.
        """
        found, now = self._found, time.monotonic()
        reliable: list[Outcome] = []
        doubtful: list[Outcome] = []
        for each in self._attributed(control):
            counts = each.kind not in DEAD or control.confirms(each)
            (reliable if counts else doubtful).append(each)
        earlier, not_counted = self._earlier
        found.outcomes, found.not_counted = earlier + reliable, not_counted + len(doubtful)
        return any(
            each.kind is not OutcomeKind.SILENT and now < each.known_at + ANSWER
            for each in doubtful
        )

    def _attributed(self, control: ControlConnection) -> list[Outcome]:
        """
        The outcomes so far. If the server resets even the control connection, resets are its own.
        """
        if not control.server_resets:
            return self._outcomes
        return [
            replace(each, kind=OutcomeKind.CLOSED)
            if each.kind is OutcomeKind.RESET_UNASKED
            else each
            for each in self._outcomes
        ]


async def _end(*tasks: asyncio.Task[None]) -> None:
    """
    Cancel the tasks. Raises the first exception that any of them raised.
    """
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
