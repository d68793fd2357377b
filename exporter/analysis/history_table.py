"""
Rows of what is known of connections, in columns.
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
    "heard_at": ("f4", _NAN),
    "check_at": ("f4", _NAN),
    "keepalive_time": ("f4", _NAN),
    "peer_gap": ("f4", _NAN),
    "spell": ("f4", _NAN),
    "spell_at_most": ("f4", _NAN),
    "still": ("f4", _NAN),
    "segments_in": ("u4", 0),
    "segments": ("u4", 0),
    "cgroup": ("u4", 0),
    "armed": ("i1", -1),
    "bounded": ("?", True),
    "lasting": ("?", False),
    "inbound": ("?", False),
}
"""
What is known of one connection at one sample. Times are seconds, points in time on the monotonic
clock; NaN is "not known".

active_at: when a segment crossed the wire in either direction, or later. received_at: when one was
received, the peer's probes aside. heard_at: when the peer received one, our probes aside, or later.
check_at: when the keepalive timer is due. keepalive_time: it is at least that long. peer_gap: the
peer probes at least this often. armed: whether keepalive is on (1 yes, 0 no, -1 not known).
bounded: whether the timer's present run bounds keepalive_time. spell: how long the connection had
been idle when it sent what is unanswered since, at least; NaN while nothing is; spell_at_most: the
same at most. lasting: whether that was unanswered at the sample before already. still: for how long
its segment counters have stood still, at least. inbound: whether its local port has been listened
on while it lived; a server that is stopped no longer listens, but may still serve its clients.
cgroup: the lower half of its cgroup's id, which tells it from all others that exist or still have
sockets (kernfs_new_node in fs/kernfs/dir.c); 0 is not known.
"""
_SINCE_READ = frozenset(("active_at", "received_at", "heard_at", "check_at"))
"""Held as the difference to read_at, for which half the bytes do: to 1 ms for 4 hours around it."""


class Rows:
    """
    A row per connection. A name gives that column; a slice, a mask or indices give those rows.

    Columns are filled by assignment, read_at before other points in time.
    """

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = columns

    @classmethod
    def empty(cls, length: int) -> Self:
        """
        So many rows, to be filled.
        """
        sizes = [length * np.dtype(kind).itemsize for kind, _ in COLUMNS.values()]
        # One block, which the next sample but one finds free for its own rows.
        parts = np.split(np.empty(sum(sizes), np.uint8), np.cumsum(sizes)[:-1])
        kinds = zip(COLUMNS.items(), parts, strict=True)
        return cls({name: part.view(kind) for (name, (kind, _)), part in kinds})

    @classmethod
    def unknown(cls, length: int) -> Self:
        """
        So many rows of connections never seen.
        """
        columns = COLUMNS.items()
        return cls({name: np.full(length, value, kind) for name, (kind, value) in columns})

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """
        All rows of the parts (at least one), in their order.
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
        Write rows over those that which selects.
        """
        for name, column in self._columns.items():
            column[which] = rows._columns[name]

    def forget(self, which: Which) -> None:
        """
        Make those that which selects rows of connections never seen.
        """
        for name, (_, value) in COLUMNS.items():
            self._columns[name][which] = value

    def grown(self, length: int) -> Self:
        """
        These rows, and behind them others to be filled, so many in all.
        """
        rows = self.empty(length)
        rows.put(slice(len(self)), self)
        return rows

    def freeze(self) -> None:
        """
        Refuse to be written to from now on.
        """
        for column in self._columns.values():
            column.flags.writeable = False
