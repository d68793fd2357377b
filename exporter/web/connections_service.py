"""
Lists connections for the web: one request at a time, in a thread, with the history of samples.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.connections.query import Query
from exporter.model import CollectorError, StrandedError, since_boot

if TYPE_CHECKING:  # Linux only
    from exporter.connections.listing import ConnectionListing

_LASTS = 1.0
"""Seconds for which a listing is reused for identical requests."""
_MOST_WAITING = 8


class ListingQueueFullError(Exception):
    """
    Too many requests are waiting.
    """


class ConnectionsService:
    """
    Creates listings. Identical requests within _LASTS seconds share one.
    """

    def __init__(self, state: State) -> None:
        from exporter.connections.listing import ConnectionLister  # noqa: PLC0415  on Linux only

        self._state = state
        self._own_state = State()
        self._lister = ConnectionLister()
        self._worker = _worker()
        self._waiting = 0
        self._last: tuple[Query, Config, float, ConnectionListing] | None = None

    async def list_connections(self, query: Query, config: Config) -> "ConnectionListing":
        """
        Run the query. Raises ListingQueueFullError, CollectorError and UnknownPathError.
        """
        if self._waiting >= _MOST_WAITING:
            raise ListingQueueFullError
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._worker, self._list, query, config)
        except StrandedError as error:
            self._worker.shutdown(wait=False)
            self._worker = _worker()
            raise CollectorError(str(error)) from error
        finally:
            self._waiting -= 1

    def _list(self, query: Query, config: Config) -> "ConnectionListing":
        from exporter.connections.listing import keep_histories  # noqa: PLC0415  on Linux only

        if self._last is not None:
            last_query, last_config, taken, listing = self._last
            if (last_query, last_config) == (query, config) and since_boot() < taken + _LASTS:
                return listing
        if len(self._state.own.history):
            self._own_state = State()  # samples have a longer history
            listing = self._lister.list_connections(query, config, self._state)
        else:
            listing = self._lister.list_connections(query, config, self._own_state)
            keep_histories(listing, self._own_state)
        listing = replace(listing, histories={})  # large, and not needed
        self._last = query, config, since_boot(), listing
        return listing


def _worker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="connections")
