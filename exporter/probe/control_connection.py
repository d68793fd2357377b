"""
A connection that is kept busy: as long as it is answered, others do not die of the path's failing.
"""

import asyncio
import time

from exporter.probe.connection import ask
from exporter.probe.idle_period import Spell
from exporter.probe.outcome import DEAD, Fate, Outcome
from exporter.probe.target import Address
from exporter.probe.tcp_connection import Source, UnreachableError, Wire

_MISSED = 2
"""How many probes may be lost by chance; if more are, nothing came through for a while."""


class Witness:
    """
    Probed every few seconds until lost is set: then the path has forgotten even this connection.

    A server that closes it gets another one. server_resets tells that it was not even closed in
    order, though it was not idle: then the server resets the idle ones too, not the path.
    """

    def __init__(self, wire: Wire, address: Address, source: Source, interval: float) -> None:
        self._wire: Wire | None = wire
        self._address = address
        self._source = source
        self._interval = interval
        self._heard: list[float] = []
        self._missed: list[tuple[float, float]] = []
        self.lost = asyncio.Event()
        self.server_resets = False

    def vouches_for(self, outcome: Outcome) -> bool:
        """
        Whether the path worked all the while that it did not answer the connection, or after it had
        reset it.
        """
        if outcome.fate is not Fate.SILENT:
            return any(heard >= outcome.ended_at for heard in self._heard)
        began, ended = outcome.ended_at, outcome.known_at
        if any(since <= ended and until >= began for since, until in self._missed):
            return False
        return any(began <= heard <= ended for heard in self._heard)

    async def watch(self) -> None:
        """
        Keep the connection busy until it is lost.
        """
        while not self.lost.is_set():
            await asyncio.sleep(self._interval)
            await self._look()

    def close(self) -> None:
        """
        Let go of the connection.
        """
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def _look(self) -> None:
        if self._wire is None:
            await self._open()
            return
        reading = self._wire.read()
        if not reading.is_open:
            await self._replace(reading.at, is_reset=reading.is_dead)
            return
        outcome = await ask(self._wire, Spell(reading), self._interval)
        if outcome is not None and outcome.fate is Fate.RESET_UNASKED:
            await self._replace(outcome.known_at, is_reset=True)
        elif outcome is not None and outcome.fate in DEAD:
            self.lost.set()
        elif outcome is not None:
            self._heard.append(outcome.ended_at)
            if outcome.probes > _MISSED:
                self._missed.append((outcome.ended_at, outcome.known_at))

    async def _replace(self, ended_at: float, *, is_reset: bool) -> None:
        self._heard.append(ended_at)
        self.server_resets |= is_reset
        self.close()
        await self._open()

    async def _open(self) -> None:
        try:
            self._wire = await Wire.open(self._address, self._source)
        except UnreachableError:
            return  # a server may be busy; without a witness nothing is counted as dead
        self._heard.append(time.monotonic())
