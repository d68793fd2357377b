"""
The connections of one dump, in columns. Ages are seconds; NaN is "not known".
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
AddressArray = npt.NDArray[np.uint64]


class Timer(IntEnum):
    """
    The timer the kernel reports for a connection (`idiag_timer`).
    """

    NONE = 0
    RETRANSMIT = 1
    KEEPALIVE = 2
    TIME_WAIT = 3
    ZERO_WINDOW = 4
    OTHER = 5


@dataclass(frozen=True, slots=True)
class ConnectionTable:
    """
    The connections of one dump, a column each, a row per connection.

    Addresses are the two 64-bit halves of an IPv6 address, IPv4 in its mapped form. Ages and
    expires are seconds. What the kernel did not report is NaN in a float column, -1 in a signed
    one and 0 in cgroup. read_at is when the row was read, on the monotonic clock.
    """

    read_at: FloatArray
    cookie: npt.NDArray[np.uint64]
    family: npt.NDArray[np.uint8]
    state: npt.NDArray[np.uint8]
    timer: npt.NDArray[np.uint8]
    unanswered: npt.NDArray[np.uint8]
    local: AddressArray
    remote: AddressArray
    local_port: npt.NDArray[np.uint16]
    remote_port: npt.NDArray[np.uint16]
    expires: FloatArray
    receive_queue: npt.NDArray[np.uint32]
    send_queue: npt.NDArray[np.uint32]
    uid: npt.NDArray[np.uint32]
    inode: npt.NDArray[np.uint32]
    cgroup: npt.NDArray[np.uint64]
    retransmits: npt.NDArray[np.int16]
    probes: npt.NDArray[np.int16]
    backoff: npt.NDArray[np.int16]
    unacked: IntArray
    last_data_sent: FloatArray
    last_data_received: FloatArray
    last_ack_received: FloatArray
    segments_out: IntArray
    segments_in: IntArray
    bytes_acked: IntArray
    bytes_sent: IntArray
    bytes_retransmitted: IntArray

    def __len__(self) -> int:
        return len(self.cookie)

    def rows(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Self:
        """
        The rows that which selects (a mask, or indices).
        """
        return type(self)(*(getattr(self, column.name)[which] for column in fields(self)))

    @classmethod
    def concatenate(cls, tables: Sequence[Self]) -> Self:
        """
        All rows of the tables (at least one), in their order.
        """
        return cls(
            *(
                np.concatenate([getattr(table, column.name) for table in tables])
                for column in fields(cls)
            )
        )
