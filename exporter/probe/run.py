"""
Leaves connections idle side by side, round by round, until the bounds are narrow or time is up.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from exporter.probe.connection import stay_idle
from exporter.probe.control_connection import Witness
from exporter.probe.infer import is_settled
from exporter.probe.measurement import Measurement
from exporter.probe.outcome import DEAD, Fate, Outcome
from exporter.probe.plan import ANSWER, PACE
from exporter.probe.tcp_connection import Source, UnreachableError, Wire

Tell = Callable[[Outcome], None]
"""Is called with each outcome when it is known."""

_MOST_ROUNDS = 4
_LOOK_EVERY = 0.5
_BUSY_EVERY = 2.0
"""Seconds between two probes of the witness, or less: half the shortest idle time."""


async def measure(
    found: Measurement, wire: Wire, source: Source, stop: asyncio.Event, tell: Tell
) -> None:
    """
    Measure the path until found's deadline at most, or stop is set; wire is a first connection.
    """
    try:
        await _measure(found, wire, source, stop, tell)
    finally:
        found.is_over = True


async def _measure(
    found: Measurement, wire: Wire, source: Source, stop: asyncio.Event, tell: Tell
) -> None:
    while True:
        something_died = await _Round(found, source, tell).run(wire, stop)
        times = found.plan.refine(found.bounds)
        found.interrupted = stop.is_set() and bool(times)
        if not times or not something_died or stop.is_set() or found.round == _MOST_ROUNDS:
            return
        found.late = time.monotonic() + found.plan.seconds_of(times) > found.deadline
        if found.late:
            return
        found.round, found.times = found.round + 1, times
        try:
            wire = await Wire.open(found.address, source)
        except UnreachableError:
            found.refused += 1
            return


class _Round:
    """
    Connections that are idle for found.times, and a witness.
    """

    def __init__(self, found: Measurement, source: Source, tell: Tell) -> None:
        self._found = found
        self._source = source
        self._tell = tell
        self._earlier = found.outcomes, found.not_counted
        self._outcomes: list[Outcome] = []

    async def run(self, wire: Wire, stop: asyncio.Event) -> bool:
        """
        Fill in found; whether any connection has died, be it the witness.
        """
        found, planned = self._found, self._found.times
        interval = min(_BUSY_EVERY, min(planned) / 2)
        witness = Witness(wire, found.address, self._source, interval)
        watching = asyncio.create_task(witness.watch())
        trying = {
            asyncio.create_task(self._try(seconds, number * PACE)): seconds
            for number, seconds in enumerate(planned)
        }
        until = time.monotonic() + found.plan.seconds_of(planned)
        try:
            while not (stop.is_set() or witness.lost.is_set() or time.monotonic() > until):
                await asyncio.sleep(_LOOK_EVERY)
                undecided = self._sort_out(witness)
                pending = [seconds for task, seconds in trying.items() if not task.done()]
                if is_settled(found.outcomes, pending) or not (pending or undecided):
                    break
        finally:
            await _end(watching, *trying)
            witness.close()
            self._sort_out(witness)
            found.lost += witness.lost.is_set()
        return witness.lost.is_set() or any(each.fate in DEAD for each in self._judged(witness))

    async def _try(self, planned: float, delay: float) -> None:
        await asyncio.sleep(delay)
        try:
            wire = await Wire.open(self._found.address, self._source)
        except UnreachableError:
            self._found.refused += 1
            return
        try:
            await stay_idle(wire, planned, self._note)
        finally:
            wire.close()

    def _note(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._tell(outcome)

    def _sort_out(self, witness: Witness) -> bool:
        """
        Bring found.outcomes up to date; whether it may still turn out what some deaths mean.
        """
        found, now = self._found, time.monotonic()
        reliable: list[Outcome] = []
        doubtful: list[Outcome] = []
        for each in self._judged(witness):
            counts = each.fate not in DEAD or witness.vouches_for(each)
            (reliable if counts else doubtful).append(each)
        earlier, not_counted = self._earlier
        found.outcomes, found.not_counted = earlier + reliable, not_counted + len(doubtful)
        return any(
            each.fate is not Fate.SILENT and now < each.known_at + ANSWER for each in doubtful
        )

    def _judged(self, witness: Witness) -> list[Outcome]:
        """
        The outcomes so far: where the server resets even the witness, a reset is its own doing.
        """
        if not witness.server_resets:
            return self._outcomes
        return [
            replace(each, fate=Fate.CLOSED) if each.fate is Fate.RESET_UNASKED else each
            for each in self._outcomes
        ]


async def _end(*tasks: asyncio.Task[None]) -> None:
    """
    Cancel the tasks. Raises what any of them has raised.
    """
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
