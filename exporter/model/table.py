"""
The connections of one dump, in columns. Ages are in seconds; NaN means unknown.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from exporter.model.columns import Columns

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
AddressArray = npt.NDArray[np.uint64]


class TcpState(IntEnum):
    """
    The states of the connections in a dump (include/net/tcp_states.h).
    """

    ESTABLISHED = 1
    CLOSE_WAIT = 8


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
class ConnectionTable(Columns):
    """
    The connections of one dump: one array per column, one row per connection.

    Addresses are the two 64-bit halves of an IPv6 address; IPv4 addresses are in mapped form. Ages
    and expires are in seconds. Values that the kernel did not report are NaN in a float column, -1
    in a signed one and 0 in cgroup. read_at is when the row was read, on the monotonic clock. mptcp
    is true for subflows of Multipath TCP.
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
    busy: FloatArray
    last_data_sent: FloatArray
    last_data_received: FloatArray
    last_ack_received: FloatArray
    segments_out: IntArray
    segments_in: IntArray
    bytes_acked: IntArray
    bytes_sent: IntArray
    bytes_retransmitted: IntArray
    mptcp: BoolArray

    def __len__(self) -> int:
        return len(self.cookie)
