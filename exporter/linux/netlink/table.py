"""
Conversion of decoded messages to a connection table.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.linux.netlink.layout import Layout
from exporter.model import AddressArray, ConnectionTable

_MAPPED_PREFIX = np.uint64(0x0000FFFF00000000)
"""Lower half of ::ffff:0:0/96, the prefix of IPv4-mapped addresses (RFC 4291)."""
_V4_SHIFT = np.uint64(32)
_AF_INET = 2

_NUMBERS = {
    # column: (type, field, value if the kernel did not send the field)
    "cookie": ("u8", "idiag_cookie", 0),
    "family": ("u1", "idiag_family", 0),
    "state": ("u1", "idiag_state", 0),
    "timer": ("u1", "idiag_timer", 0),
    "unanswered": ("u1", "idiag_retrans", 0),
    "local_port": ("u2", "idiag_sport", 0),
    "remote_port": ("u2", "idiag_dport", 0),
    "receive_queue": ("u4", "idiag_rqueue", 0),
    "send_queue": ("u4", "idiag_wqueue", 0),
    "uid": ("u4", "idiag_uid", 0),
    "inode": ("u4", "idiag_inode", 0),
    "cgroup": ("u8", "cgroup_id", 0),
    "retransmits": ("i2", "tcpi_retransmits", -1),
    "probes": ("i2", "tcpi_probes", -1),
    "backoff": ("i2", "tcpi_backoff", -1),
    "unacked": ("i8", "tcpi_unacked", -1),
    "segments_out": ("i8", "tcpi_segs_out", -1),
    "segments_in": ("i8", "tcpi_segs_in", -1),
    "bytes_acked": ("i8", "tcpi_bytes_acked", -1),
    "bytes_sent": ("i8", "tcpi_bytes_sent", -1),
    "bytes_retransmitted": ("i8", "tcpi_bytes_retrans", -1),
}
_SECONDS = {
    # column: (field, its unit as a fraction of a second)
    "expires": ("idiag_expires", 1000),
    "busy": ("tcpi_busy_time", 1_000_000),
    "last_data_sent": ("tcpi_last_data_sent", 1000),
    "last_data_received": ("tcpi_last_data_recv", 1000),
    "last_ack_received": ("tcpi_last_ack_recv", 1000),
}
_MPTCP = b"\x0a\x00\x01\x00mptcp"
"""Start of a subflow's attribute INET_DIAG_ULP_INFO: INET_ULP_INFO_NAME, 10 bytes, without trailing
zeros, which NumPy strips."""
_ADDRESSES = {"local": "idiag_src", "remote": "idiag_dst"}


def to_table(records: npt.NDArray[np.void], layout: Layout, read_at: float) -> ConnectionTable:
    """
    The records as a table; all have this layout. read_at is seconds on the monotonic clock.
    """
    columns: dict[str, npt.NDArray[Any]] = {"read_at": np.full(len(records), read_at)}
    for column, (kind, field, absent) in _NUMBERS.items():
        columns[column] = (
            records[field].astype(kind)
            if layout.has(field)
            else np.full(len(records), absent, kind)
        )
    for column, (field, units) in _SECONDS.items():
        columns[column] = (
            records[field] / units if layout.has(field) else np.full(len(records), np.nan)
        )
    is_mptcp = records["ulp_info"] == _MPTCP if layout.has("ulp_info") else np.False_
    columns["mptcp"] = np.broadcast_to(is_mptcp, len(records))
    is_v4 = records["idiag_family"] == _AF_INET
    for column, field in _ADDRESSES.items():
        columns[column] = _addresses(records[field], is_v4)
    return ConnectionTable(**columns)


def _addresses(halves: AddressArray, is_v4: npt.NDArray[np.bool_]) -> AddressArray:
    """
    Both halves of each address; IPv4 (the first four bytes of the field) in mapped form.
    """
    high, low = halves[:, 0], halves[:, 1]
    addresses = np.empty((2, len(halves)), np.uint64)
    addresses[0] = np.where(is_v4, 0, high)
    addresses[1] = np.where(is_v4, _MAPPED_PREFIX | (high >> _V4_SHIFT), low)
    return addresses.T
