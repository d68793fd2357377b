"""
The history table: known facts about connections, in columns.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]
Which = slice | npt.NDArray[np.bool_] | npt.NDArray[np.intp]

_NAN = float("nan")
COLUMNS: dict[str, tuple[str, float]] = {
    # name: (type, value of a connection never seen; the kernel's cookies begin at 1)
    "cookie": ("u8", 0),
    "read_at": ("f8", _NAN),
    "active_at": ("f4", _NAN),
    "received_at": ("f4", _NAN),
    "peer_received_at": ("f4", _NAN),
    "check_at": ("f4", _NAN),
    "keepalive_time": ("f4", _NAN),
    "keepalive_at_most": ("f4", _NAN),
    "peer_gap": ("f4", _NAN),
    "spell": ("f4", _NAN),
    "spell_at_most": ("f4", _NAN),
    "unanswered_at": ("f4", _NAN),
    "unchanged_for": ("f4", _NAN),
    "watched_since": ("f4", _NAN),
    "segments_in": ("u4", 0),
    "segments": ("u4", 0),
    "cgroup": ("u4", 0),
    "armed": ("i1", -1),
    "bounded": ("?", True),
    "lasting": ("?", False),
    "opener": ("i1", -1),
    "listened_on": ("?", False),
    "redirected": ("?", False),
    "peer_closed": ("?", False),
    "neared_limit": ("?", False),
    "mptcp": ("?", False),
    "watched_from_start": ("?", False),
}
"""
The facts about one connection at one sample. Times are in seconds; points in time are on the
monotonic clock. NaN means unknown.

active_at: upper bound of the time of the last segment in either direction.
received_at: time of the last segment received, except the peer's probes.
peer_received_at: upper bound of the time of the last segment that the peer received, except local
probes.
check_at: when the keepalive timer is due.
keepalive_time, keepalive_at_most: lower and upper bound of the keepalive time.
peer_gap: upper bound of the time between the peer's probes.
armed: whether keepalive is on (1 yes, 0 no, -1 unknown).
bounded: whether the current run of the timer bounds keepalive_time.
unanswered_at: upper bound of the time when the first of the unanswered segments was sent; NaN if
none are unanswered.
spell: minimum idle time before that; NaN if unknown. spell_at_most: the maximum of it.
lasting: whether those segments were already unanswered at the previous sample.
watched_since: if watched_from_start, a lower bound of the time when the connection was opened;
otherwise the time of the first sample with it or, if later, of the last one with a peer's probe.
unchanged_for: minimum time for which the segment counters have not changed.
opener: which end opened the connection, as returned by direction.opener().
listened_on: whether the local port has been listened on during the connection's lifetime; a stopped
server no longer listens, but may still serve its clients.
redirected: whether it was opened here and redirected to a server on this host. That may have closed
its end since.
peer_closed: whether the peer has closed the connection (its FIN was received).
neared_limit: whether it may have been idle for near_limit of its path since watched_since.
mptcp: whether it is a subflow of Multipath TCP.
cgroup: the lower half of the cgroup's id, which is unique among cgroups that exist or have sockets
(kernfs_new_node in fs/kernfs/dir.c); 0 means unknown.
"""
_SINCE_READ = frozenset(
    ("active_at", "received_at", "peer_received_at", "check_at", "unanswered_at", "watched_since")
)
"""Stored as the difference to read_at, which needs half the bytes: exact to 1 ms within 4 hours."""


class HistoryTable:
    """
    One row per connection. Indexing with a name returns that column; with a slice, a mask or
    indices, those rows.

    Columns are filled by assignment; read_at must be assigned before other points in time.
    """

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = columns

    @classmethod
    def empty(cls, length: int) -> Self:
        """
        A table of uninitialized rows.
        """
        sizes = [length * np.dtype(kind).itemsize for kind, _ in COLUMNS.values()]
        # One block, so that a later sample can reuse the freed memory as a whole.
        parts = np.split(np.empty(sum(sizes), np.uint8), np.cumsum(sizes)[:-1])
        kinds = zip(COLUMNS.items(), parts, strict=True)
        return cls({name: part.view(kind) for (name, (kind, _)), part in kinds})

    @classmethod
    def unknown(cls, length: int) -> Self:
        """
        A table of rows of connections never seen.
        """
        columns = COLUMNS.items()
        return cls({name: np.full(length, value, kind) for name, (kind, value) in columns})

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """
        All rows of the parts (at least one), in order.
        """
        columns = {name: [part._columns[name] for part in parts] for name in COLUMNS}  # noqa: SLF001
        return cls({name: np.concatenate(each) for name, each in columns.items()})

    def __len__(self) -> int:
        return len(self._columns["cookie"])

    @overload
    def __getitem__(self, which: str) -> Column: ...

    @overload
    def __getitem__(self, which: Which) -> Self: ...

    def __getitem__(self, which: str | Which) -> "Column | Self":
        if isinstance(which, str):
            column = self._columns[which]
            return self._columns["read_at"] + column if which in _SINCE_READ else column
        return type(self)({name: column[which] for name, column in self._columns.items()})

    def __setitem__(self, name: str, values: Column) -> None:
        if name in _SINCE_READ:
            values = values - self._columns["read_at"]
        self._columns[name][...] = values

    def put(self, which: Which, rows: Self) -> None:
        """
        Overwrite the rows selected by which.
        """
        for name, column in self._columns.items():
            column[which] = rows._columns[name]

    def forget(self, which: Which) -> None:
        """
        Reset the rows selected by which to those of connections never seen.
        """
        for name, (_, value) in COLUMNS.items():
            self._columns[name][which] = value

    def grown(self, length: int) -> Self:
        """
        A copy with this many rows in total; the added rows are uninitialized.
        """
        rows = self.empty(length)
        rows.put(slice(len(self)), self)
        return rows

    def freeze(self) -> None:
        """
        Make the table read-only.
        """
        for column in self._columns.values():
            column.flags.writeable = False
