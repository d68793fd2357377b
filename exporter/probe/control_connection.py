"""
A connection that is kept busy. While it is answered, the path itself works.
"""

import asyncio
import time

from exporter.probe.connection import send_probes
from exporter.probe.idle_period import IdlePeriod
from exporter.probe.inference import DEAD, Outcome, OutcomeKind
from exporter.probe.target import Address
from exporter.probe.tcp_connection import Source, TcpConnection, UnreachableError

_MISSED = 2
"""Number of probes that random loss explains. More mean that the path was interrupted."""


class ControlConnection:
    """
    Probed every interval seconds until lost is set: the path dropped even this connection.

    It is replaced if the server closes it. server_resets: the server reset it although it was not
    idle, so resets of idle connections are also attributed to the server, not to the path.
    """

    def __init__(
        self, connection: TcpConnection, address: Address, source: Source, interval: float
    ) -> None:
        self._connection: TcpConnection | None = connection
        self._address = address
        self._source = source
        self._interval = interval
        self._alive_at: list[float] = []
        self._missed: list[tuple[float, float]] = []
        self.lost = asyncio.Event()
        self.server_resets = False

    def confirms(self, outcome: Outcome) -> bool:
        """
        Whether the path worked for the whole time without answers, or after the reset.
        """
        if outcome.kind is not OutcomeKind.SILENT:
            return any(alive >= outcome.ended_at for alive in self._alive_at)
        began, ended = outcome.ended_at, outcome.known_at
        if any(since <= ended and until >= began for since, until in self._missed):
            return False
        return any(began <= alive <= ended for alive in self._alive_at)

    async def watch(self) -> None:
        """
        Probe the connection until it is lost.
        """
        while not self.lost.is_set():
            await asyncio.sleep(self._interval)
            await self._check()

    def close(self) -> None:
        """
        Close the connection.
        """
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _check(self) -> None:
        if self._connection is None:
            await self._open()
            return
        reading = self._connection.read()
        if not reading.is_open:
            await self._replace(reading.at, is_reset=reading.is_dead)
            return
        outcome = await send_probes(self._connection, IdlePeriod(reading), self._interval)
        if outcome is not None and outcome.kind is OutcomeKind.RESET_UNASKED:
            await self._replace(outcome.known_at, is_reset=True)
        elif outcome is not None and outcome.kind in DEAD:
            self.lost.set()
        elif outcome is not None:
            self._alive_at.append(outcome.ended_at)
            if outcome.probes > _MISSED:
                self._missed.append((outcome.ended_at, outcome.known_at))

    async def _replace(self, ended_at: float, *, is_reset: bool) -> None:
        self._alive_at.append(ended_at)
        self.server_resets |= is_reset
        self.close()
        await self._open()

    async def _open(self) -> None:
        try:
            self._connection = await TcpConnection.open(self._address, self._source)
        except UnreachableError:
            return  # the server may be busy; without this connection no drop is counted
        self._alive_at.append(time.monotonic())
