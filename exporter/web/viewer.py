"""
Looks at connections for the web: one at a time, in a thread, with what the samples know.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.config import Config
from exporter.connections.query import Query
from exporter.judge.history import History
from exporter.memory import Memory

if TYPE_CHECKING:  # what it imports exists on Linux only
    from exporter.connections.look import Look

_LASTS = 1.0
"""Seconds for which a look is good for whoever else asks for the same."""
_MOST_WAITING = 8


class BusyError(Exception):
    """
    So many looks are waited for that another one is not taken.
    """


class Viewer:
    """
    Takes looks; what is shown at the same time to several people is one look.
    """

    def __init__(self, memory: Memory) -> None:
        from exporter.connections.look import Owners  # noqa: PLC0415  on Linux only

        self._memory = memory
        self._own_history = History()
        self._owners = Owners()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="viewer")
        self._waiting = 0
        self._last: tuple[Query, Config, float, Look] | None = None

    async def look(self, query: Query, config: Config) -> "Look":
        """
        What the query asks for. Raises BusyError, CollectorError and UnknownPathError.
        """
        if self._waiting >= _MOST_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._worker, self._look, query, config)
        finally:
            self._waiting -= 1

    def _look(self, query: Query, config: Config) -> "Look":
        from exporter.connections.look import look  # noqa: PLC0415  on Linux only

        if self._last is not None:
            last_query, last_config, taken, found = self._last
            if (last_query, last_config) == (query, config) and time.monotonic() < taken + _LASTS:
                return found
        history = self._memory.own.history
        if len(history):
            self._own_history = History()  # samples know more
        else:
            history = self._own_history
        found = look(query, config, history, self._owners)
        if not len(self._memory.own.history):
            self._own_history = found.history
        found = replace(found, history=History())  # which is large
        self._last = query, config, time.monotonic(), found
        return found
