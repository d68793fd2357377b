"""
Looks at connections for the web: one at a time, in a thread, with what the samples know.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.collectors.state import Memory
from exporter.config.schema import Config
from exporter.connections.query import Query
from exporter.model import CollectorError, StrandedError

if TYPE_CHECKING:  # what it imports exists on Linux only
    from exporter.connections.listing import Look

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
        from exporter.connections.listing import Looker  # noqa: PLC0415  on Linux only

        self._memory = memory
        self._own_memory = Memory()
        self._looker = Looker()
        self._worker = _worker()
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
        except StrandedError as error:
            self._worker.shutdown(wait=False)
            self._worker = _worker()
            raise CollectorError(str(error)) from error
        finally:
            self._waiting -= 1

    def _look(self, query: Query, config: Config) -> "Look":
        from exporter.connections.listing import remember  # noqa: PLC0415  on Linux only

        if self._last is not None:
            last_query, last_config, taken, found = self._last
            if (last_query, last_config) == (query, config) and time.monotonic() < taken + _LASTS:
                return found
        if len(self._memory.own.history):
            self._own_memory = Memory()  # samples know more
            found = self._looker.look(query, config, self._memory)
        else:
            found = self._looker.look(query, config, self._own_memory)
            remember(found, self._own_memory)
        found = replace(found, histories={})  # which are large
        self._last = query, config, time.monotonic(), found
        return found


def _worker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="viewer")
