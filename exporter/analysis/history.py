"""
History of connections from one sample to the next.
"""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from exporter.analysis.history_table import HistoryTable
from exporter.model import FloatArray

Cookies = npt.NDArray[np.uint64]

_SPARE_ROWS = 256
_MAX_MISSING = 1 << 16
_KEPT_FOR = 3600.0
"""Maximum number of missing connections kept, and for how many seconds."""


class History:
    """
    The rows of one sample, indexed by cookie, followed by those of connections missing since.

    A connection is missing if a dump no longer has it, but no destroy event was received: the
    kernel sends that only when the application closes the socket. A cookie belongs to one socket
    for its lifetime, and is unique over all namespaces. Immutable, so that any thread may read it.

    taken_at is when the sample began, on the monotonic clock; NaN if there was none.
    """

    def __init__(
        self,
        rows: HistoryTable | None = None,
        missing_at: FloatArray | None = None,
        taken_at: float = float("nan"),
    ) -> None:
        self.taken_at = taken_at
        self.rows = HistoryTable.empty(0) if rows is None else rows
        self.missing_at = np.empty(0) if missing_at is None else missing_at
        self._order = np.argsort(self.rows["cookie"])

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def present(self) -> int:
        """
        The number of rows, the first ones, of connections that are not missing.
        """
        return len(self.rows) - len(self.missing_at)

    def find(self, cookie: Cookies) -> npt.NDArray[np.intp]:
        """
        The index of each connection's row; -1 for connections never seen.
        """
        if not len(self.rows) or not len(cookie):
            return np.full(len(cookie), -1)
        # Dumps have the same order as long as no connection is added or removed.
        first = self._search(cookie[:1])[0]
        if first >= 0 and np.array_equal(self.rows["cookie"][first : first + len(cookie)], cookie):
            return np.arange(first, first + len(cookie))
        return self._search(cookie)

    def _search(self, cookie: Cookies) -> npt.NDArray[np.intp]:
        cookies = self.rows["cookie"]
        place = np.searchsorted(cookies, cookie, sorter=self._order)
        index = self._order[np.minimum(place, len(self.rows) - 1)]
        return np.where(cookies[index] == cookie, index, -1)

    def recall(self, cookie: Cookies) -> HistoryTable:
        """
        The connections' rows, in the order of cookie; rows of connections never seen are unknown.
        """
        return self.at(self.find(cookie))

    def at(self, index: npt.NDArray[np.intp]) -> HistoryTable:
        """
        The rows at indices returned by find(), not to be modified; rows for -1 are unknown.
        """
        if not len(self.rows) or not len(index):
            return HistoryTable.unknown(len(index))
        if index[0] >= 0 and (np.diff(index) == 1).all():  # same order as before: no copy needed
            rows = self.rows[index[0] : index[-1] + 1]
            rows.freeze()
            return rows
        rows = self.rows[index]
        rows.forget(index < 0)
        return rows

    def missing_since(self, index: npt.NDArray[np.intp]) -> FloatArray:
        """
        When a sample first missed the connections at indices returned by find(); NaN if none did.
        """
        times = np.full(len(index), np.nan)
        missing = index >= self.present
        times[missing] = self.missing_at[index[missing] - self.present]
        return times


class HistoryRecorder:
    """
    Builds the next history from the previous one during a sample.
    """

    def __init__(self, previous: History) -> None:
        self.previous_at = previous.taken_at
        self._previous = previous
        self._seen = np.zeros(len(previous.rows), np.bool_)
        # Unused rows take no physical memory.
        self._rows = HistoryTable.empty(len(previous) * 5 // 4 + _SPARE_ROWS)
        self._length = 0

    def recall(self, cookie: Cookies) -> HistoryTable:
        """
        The previous rows of connections in the current dump, in the order of cookie.
        """
        index = self._previous.find(cookie)
        self._seen[index[index >= 0]] = True
        return self._previous.at(index)

    def allocate(self, rows: int) -> HistoryTable:
        """
        Space for this many more rows, which must be filled before the next call.
        """
        end = self._length + rows
        if end > len(self._rows):
            self._rows = self._rows[: self._length].grown(end + end // 4)
        allocated = self._rows[self._length : end]
        self._length = end
        return allocated

    def finish(self, now: float, ended: Collection[int] | None) -> History:
        """
        The history of this sample, taken at now on the monotonic clock.

        Connections missing from the sample are kept as missing, except those whose cookies are in
        ended. None means that destroy events are not received: then no missing ones are kept.
        """
        if ended is None:
            return History(self._rows[: self._length], taken_at=now)
        rows, missing_at = self._previous.rows, np.full(len(self._previous.rows), now)
        missing_at[self._previous.present :] = self._previous.missing_at
        missing = ~self._seen & (missing_at > now - _KEPT_FOR)
        closed = self._previous.find(np.fromiter(ended, np.uint64, len(ended)))
        missing[closed[closed >= 0]] = False
        newest = np.flatnonzero(missing)
        newest = newest[np.argsort(missing_at[newest])][-_MAX_MISSING:]
        self.allocate(len(newest)).put(slice(None), rows[newest])
        return History(self._rows[: self._length], missing_at[newest], now)
