"""
One connection's idle spell, from its opening to the answer to a probe.
"""

import asyncio
import time
from collections.abc import Callable

from exporter.probe.idle_period import Reading, Spell
from exporter.probe.outcome import Fate, Outcome
from exporter.probe.plan import SETTLE
from exporter.probe.tcp_connection import Wire

_LOOK_EVERY = 0.5
_BREATHE = 0.05
"""Seconds between two looks at an idle connection's counters, and between two when it is not."""

_PAUSES = (1.0, 1.5, 2.5, 5.0)
"""After each but the last probe, in units of what an answer may take."""
_LAST_PAUSE = 3.0
_QUICKEST, _SLOWEST = 0.2, 0.5
"""Seconds that an answer may take before another probe is sent, at least and at most."""
_LOOK_QUICKLY = 0.01
_LOST = 1
"""How many probes may be lost on their way to the path."""


async def stay_idle(wire: Wire, planned: float, tell: Callable[[Outcome], None]) -> None:
    """
    Leave a fresh connection idle for that many seconds, then probe it; tell its outcomes.

    If the server itself sends something the spell begins anew, but for a greeting only.
    """
    reading = wire.read()
    spell, latest, longest = Spell(reading), reading.at + planned + SETTLE, 0.0
    if not reading.is_open:  # a server that has too many clients closes the next ones at once
        fate = _fate_unasked(reading)
        tell(Outcome(fate, planned, 0.0, 0.0, ended_at=reading.at, known_at=reading.at))
        return
    while (left := min(spell.before + planned, latest) - time.monotonic()) > 0:
        await wire.wait(min(left, _LOOK_EVERY))
        reading = wire.read()
        if lasted := spell.note(reading):
            fate = _fate_unasked(reading)
            if fate is not Fate.SPOKE or lasted[0] > longest:
                tell(Outcome(fate, planned, *lasted, ended_at=reading.at, known_at=reading.at))
            if fate is not Fate.SPOKE:
                return
            longest = max(longest, lasted[0])
            await asyncio.sleep(_BREATHE)
    if outcome := await ask(wire, spell, planned):
        tell(outcome)


async def ask(wire: Wire, spell: Spell, planned: float) -> Outcome | None:
    """
    Probe the connection until it is answered or that is hopeless; None if no probe could be sent.

    Probes may be lost, so there are several. What is answered in the end was remembered when the
    first one went; what is not had been forgotten when the one after those went that may be lost.
    """
    asked_at = time.monotonic()
    before = spell.last
    sent: list[float] = []
    unit = min(max(2 * before.round_trip, _QUICKEST), _SLOWEST)
    for pause in (*(unit * each for each in _PAUSES), _LAST_PAUSE):
        wire.probe()
        until = time.monotonic() + pause
        number = len(sent)
        while (left := until - time.monotonic()) > 0:
            await wire.wait(min(left, _LOOK_QUICKLY if len(sent) == number else _BREATHE))
            reading = wire.read()
            if reading.segments_out > before.segments_out + len(sent):
                sent.append(reading.at)
            if fate := _fate_asked(reading, before):
                at_least, at_most = asked_at - spell.before, reading.at - spell.after
                return Outcome(fate, planned, at_least, at_most, asked_at, reading.at, len(sent))
    if len(sent) <= _LOST:
        return None
    at_least, at_most = asked_at - spell.before, sent[_LOST] - spell.after
    known_at = time.monotonic()
    return Outcome(Fate.SILENT, planned, at_least, at_most, asked_at, known_at, len(sent))


def _fate_unasked(reading: Reading) -> Fate:
    if reading.is_dead:
        return Fate.RESET_UNASKED
    return Fate.SPOKE if reading.is_open else Fate.CLOSED


def _fate_asked(reading: Reading, before: Reading) -> Fate | None:
    arrived = reading.segments_in - before.segments_in
    if reading.is_dead:
        # A reset may also come just before the probe, or just after its answer.
        if reading.segments_out == before.segments_out:
            return Fate.RESET_UNASKED
        return Fate.RESET if arrived == 1 else Fate.ANSWERED
    if not reading.is_open:
        return Fate.CLOSED
    return Fate.ANSWERED if arrived else None
