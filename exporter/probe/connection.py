"""
The idle period of one connection, from opening to the answer to a probe.
"""

import asyncio
import time
from collections.abc import Callable

from exporter.linux.own_sockets import TcpInfo
from exporter.probe.idle_period import IdlePeriod
from exporter.probe.inference import Outcome, OutcomeKind
from exporter.probe.plan import SETTLE
from exporter.probe.tcp_connection import TcpConnection

_IDLE_POLL = 0.5
_BUSY_POLL = 0.05
"""Seconds between reads of the counters of an idle connection, and of a busy one."""

_PAUSES = (1.0, 1.5, 2.5, 5.0)
"""After each probe but the last, in units of the expected time to answer."""
_LAST_PAUSE = 3.0
_MIN_UNIT, _MAX_UNIT = 0.2, 0.5
"""Minimum and maximum of that unit, in seconds."""
_SENDING_POLL = 0.01
_TOLERATED_LOSS = 1
"""Number of probes that may be lost before the path."""


async def stay_idle(
    connection: TcpConnection, planned: float, report: Callable[[Outcome], None]
) -> None:
    """
    Leave a new connection idle for planned seconds, then probe it. Reports its outcomes.

    Segments from the server restart the idle period, but the total wait is at most planned + SETTLE
    seconds, which allows for a greeting.
    """
    reading = connection.read()
    period, latest, longest = IdlePeriod(reading), reading.at + planned + SETTLE, 0.0
    if not reading.is_open:  # a server with too many clients closes new ones immediately
        kind = _kind_unprobed(reading)
        report(Outcome(kind, planned, 0.0, 0.0, ended_at=reading.at, known_at=reading.at))
        return
    while (left := min(period.before + planned, latest) - time.monotonic()) > 0:
        await connection.wait(min(left, _IDLE_POLL))
        reading = connection.read()
        if lasted := period.note(reading):
            kind = _kind_unprobed(reading)
            if kind is not OutcomeKind.SPOKE or lasted[0] > longest:
                report(Outcome(kind, planned, *lasted, ended_at=reading.at, known_at=reading.at))
            if kind is not OutcomeKind.SPOKE:
                return
            longest = max(longest, lasted[0])
            await asyncio.sleep(_BUSY_POLL)
    if outcome := await send_probes(connection, period, planned):
        report(outcome)


async def send_probes(
    connection: TcpConnection, period: IdlePeriod, planned: float
) -> Outcome | None:
    """
    Probe the connection until an answer or a timeout. None if too few probes could be sent.

    Probes may be lost, so several are sent. With an answer, the path still had the connection when
    the first probe was sent. Without any, the path had dropped it when the second one was sent,
    because only one is assumed to be lost.
    """
    probed_at = time.monotonic()
    before = period.last
    sent: list[float] = []
    unit = min(max(2 * before.round_trip, _MIN_UNIT), _MAX_UNIT)
    for pause in (*(unit * each for each in _PAUSES), _LAST_PAUSE):
        connection.probe()
        until = time.monotonic() + pause
        number = len(sent)
        while (left := until - time.monotonic()) > 0:
            await connection.wait(min(left, _SENDING_POLL if len(sent) == number else _BUSY_POLL))
            reading = connection.read()
            if reading.segments_out > before.segments_out + len(sent):
                sent.append(reading.at)
                connection.note_probed()
            if kind := _kind_probed(reading, before):
                at_least, at_most = probed_at - period.before, reading.at - period.after
                return Outcome(kind, planned, at_least, at_most, probed_at, reading.at, len(sent))
    if len(sent) <= _TOLERATED_LOSS:
        return None
    at_least, at_most = probed_at - period.before, sent[_TOLERATED_LOSS] - period.after
    known_at = time.monotonic()
    return Outcome(OutcomeKind.SILENT, planned, at_least, at_most, probed_at, known_at, len(sent))


def _kind_unprobed(reading: TcpInfo) -> OutcomeKind:
    if reading.is_dead:
        return OutcomeKind.RESET_UNASKED
    return OutcomeKind.SPOKE if reading.is_open else OutcomeKind.CLOSED


def _kind_probed(reading: TcpInfo, before: TcpInfo) -> OutcomeKind | None:
    arrived = reading.segments_in - before.segments_in
    if reading.is_dead:
        # The reset may also have arrived just before the probe, or just after its answer.
        if reading.segments_out == before.segments_out:
            return OutcomeKind.RESET_UNASKED
        return OutcomeKind.RESET if arrived == 1 else OutcomeKind.ANSWERED
    if not reading.is_open:
        return OutcomeKind.CLOSED
    return OutcomeKind.ANSWERED if arrived else None
