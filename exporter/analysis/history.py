"""
What is remembered of connections from one sample to the next.
"""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from exporter.analysis.history_table import Rows
from exporter.model import FloatArray

Cookies = npt.NDArray[np.uint64]

_ROOM = 256
_MAX_GONE = 1 << 16
_GONE_FOR = 3600.0
"""How many connections that have gone are remembered, and for how long."""


class History:
    """
    The rows of one sample, found by cookie, and behind them those of connections gone since.

    A connection has gone when a dump no longer shows it but its end has not been told yet: the
    kernel tells only when its application lets go of the socket. A cookie belongs to one socket for
    its whole life, and to no other in any namespace. Never changes, so that any thread may read it.
    """

    def __init__(self, rows: Rows | None = None, gone_at: FloatArray | None = None) -> None:
        self.rows = Rows.empty(0) if rows is None else rows
        self.gone_at = np.empty(0) if gone_at is None else gone_at
        self._order = np.argsort(self.rows["cookie"])

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def living(self) -> int:
        """
        How many of the rows, the first ones, are of connections that have not gone.
        """
        return len(self.rows) - len(self.gone_at)

    def find(self, cookie: Cookies) -> npt.NDArray[np.intp]:
        """
        The index of each connection's row; -1 for those never seen.
        """
        if not len(self.rows) or not len(cookie):
            return np.full(len(cookie), -1)
        # A dump shows connections in the order of the last one, as long as none comes or goes.
        first = self._search(cookie[:1])[0]
        if first >= 0 and np.array_equal(self.rows["cookie"][first : first + len(cookie)], cookie):
            return np.arange(first, first + len(cookie))
        return self._search(cookie)

    def _search(self, cookie: Cookies) -> npt.NDArray[np.intp]:
        cookies = self.rows["cookie"]
        place = np.searchsorted(cookies, cookie, sorter=self._order)
        index = self._order[np.minimum(place, len(self.rows) - 1)]
        return np.where(cookies[index] == cookie, index, -1)

    def recall(self, cookie: Cookies) -> Rows:
        """
        The connections' rows, in the order of cookie; for those never seen, all is unknown.
        """
        return self.at(self.find(cookie))

    def at(self, index: npt.NDArray[np.intp]) -> Rows:
        """
        The rows that find() found, not to be written to; where it is -1, all is unknown.
        """
        if not len(self.rows) or not len(index):
            return Rows.unknown(len(index))
        if index[0] >= 0 and (np.diff(index) == 1).all():  # of an undisturbed dump: needs no copy
            rows = self.rows[index[0] : index[-1] + 1]
            rows.freeze()
            return rows
        rows = self.rows[index]
        rows.forget(index < 0)
        return rows

    def gone_since(self, index: npt.NDArray[np.intp]) -> FloatArray:
        """
        When a sample first missed the connections that find() found; NaN where none did.
        """
        times = np.full(len(index), np.nan)
        gone = index >= self.living
        times[gone] = self.gone_at[index[gone] - self.living]
        return times


class Recorder:
    """
    Makes the next history out of the last one while a sample is taken.
    """

    def __init__(self, previous: History) -> None:
        self._previous = previous
        self._seen = np.zeros(len(previous.rows), np.bool_)
        self._rows = Rows.empty(
            len(previous) * 5 // 4 + _ROOM
        )  # what is not filled takes no memory
        self._length = 0

    def recall(self, cookie: Cookies) -> Rows:
        """
        What was known of the connections, which are still there; in the order of cookie.
        """
        index = self._previous.find(cookie)
        self._seen[index[index >= 0]] = True
        return self._previous.at(index)

    def room(self, rows: int) -> Rows:
        """
        Room for so many more rows, to be filled before the next is asked for.
        """
        end = self._length + rows
        if end > len(self._rows):
            self._rows = self._rows[: self._length].grown(end + end // 4)
        room = self._rows[self._length : end]
        self._length = end
        return room

    def finish(self, now: float, ended: Collection[int] | None) -> History:
        """
        The history of this sample, taken at now on the monotonic clock.

        Connections that it missed stay in it as gone, but for those whose cookies are in ended;
        None is for when nobody listens for ends.
        """
        if ended is None:
            return History(self._rows[: self._length])
        rows, gone_at = self._previous.rows, np.full(len(self._previous.rows), now)
        gone_at[self._previous.living :] = self._previous.gone_at
        gone = ~self._seen & (gone_at > now - _GONE_FOR)
        told = self._previous.find(np.fromiter(ended, np.uint64, len(ended)))
        gone[told[told >= 0]] = False
        newest = np.flatnonzero(gone)
        newest = newest[np.argsort(gone_at[newest])][-_MAX_GONE:]
        self.room(len(newest)).put(slice(None), rows[newest])
        return History(self._rows[: self._length], gone_at[newest])
