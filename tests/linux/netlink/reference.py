"""
A second, slow decoder of dumps: one message at a time, with offsets as plain numbers.

It shares no code with the exporter's decoder, so that both are wrong together only if both
misinterpret the kernel. Offsets: include/uapi/linux/inet_diag.h and tcp.h.
"""

import math
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exporter.model import ConnectionTable

_HEADER_LENGTH, _FIXED_LENGTH = 16, 88
_INFO, _ULP_INFO, _CGROUP_ID = 2, 19, 21
_MAPPED = 0xFFFF << 32


class Row(NamedTuple):
    """
    One connection: the columns of a table; None for times that the kernel did not report.
    """

    cookie: int
    family: int
    state: int
    timer: int
    unanswered: int
    local: int
    remote: int
    local_port: int
    remote_port: int
    expires: float
    receive_queue: int
    send_queue: int
    uid: int
    inode: int
    cgroup: int
    retransmits: int
    probes: int
    backoff: int
    unacked: int
    busy: float | None
    last_data_sent: float | None
    last_data_received: float | None
    last_ack_received: float | None
    segments_out: int
    segments_in: int
    bytes_acked: int
    bytes_sent: int
    bytes_retransmitted: int
    mptcp: bool


class RefusedError(Exception):
    """
    The bytes are not a valid answer to the request.
    """


def decode(data: bytes, sequence: int) -> tuple[list[Row], bool]:
    """
    The connections in complete netlink messages, and whether the dump ended in them.
    """
    rows: list[Row] = []
    done = False
    position = 0
    while position < len(data):
        rest = data[position:]
        if len(rest) < _HEADER_LENGTH:
            raise RefusedError
        length, kind, flags, number = struct.unpack_from("=IHHI", rest)
        if not _HEADER_LENGTH <= length <= len(rest):
            raise RefusedError
        position += length + -length % 4
        if kind == 1:  # NLMSG_NOOP
            continue
        if kind not in (3, 20) or number != sequence or flags & 0x10:
            raise RefusedError
        if kind == 20:
            rows.append(_row(rest[:length]))
        elif length >= 20 and struct.unpack_from("=i", rest, 16)[0] < 0:
            raise RefusedError
        else:
            done = True
    return rows, done


def _row(message: bytes) -> Row:
    if len(message) < _FIXED_LENGTH or message[16] not in (2, 10):
        raise RefusedError
    found = attributes(message)
    info, cgroup = found.get(_INFO, b""), found.get(_CGROUP_ID, bytes(8))
    if len(cgroup) != 8:
        raise RefusedError
    is_v4 = message[16] == 2
    u32, u64, i64 = (struct.Struct(f"={code}").unpack_from for code in "IQq")
    return Row(
        cookie=struct.unpack_from("=Q", message, 60)[0],
        family=message[16],
        state=message[17],
        timer=message[18],
        unanswered=message[19],
        local=_address(message[24:40], is_v4=is_v4),
        remote=_address(message[40:56], is_v4=is_v4),
        local_port=int.from_bytes(message[20:22]),
        remote_port=int.from_bytes(message[22:24]),
        expires=u32(message, 68)[0] / 1000,
        receive_queue=u32(message, 72)[0],
        send_queue=u32(message, 76)[0],
        uid=u32(message, 80)[0],
        inode=u32(message, 84)[0],
        cgroup=struct.unpack("=Q", cgroup)[0],
        retransmits=info[2] if len(info) > 2 else -1,
        probes=info[3] if len(info) > 3 else -1,
        backoff=info[4] if len(info) > 4 else -1,
        unacked=u32(info, 24)[0] if len(info) >= 28 else -1,
        busy=u64(info, 168)[0] / 1_000_000 if len(info) >= 176 else None,
        last_data_sent=u32(info, 44)[0] / 1000 if len(info) >= 48 else None,
        last_data_received=u32(info, 52)[0] / 1000 if len(info) >= 56 else None,
        last_ack_received=u32(info, 56)[0] / 1000 if len(info) >= 60 else None,
        segments_out=u32(info, 136)[0] if len(info) >= 140 else -1,
        segments_in=u32(info, 140)[0] if len(info) >= 144 else -1,
        bytes_acked=i64(info, 120)[0] if len(info) >= 128 else -1,
        bytes_sent=i64(info, 200)[0] if len(info) >= 208 else -1,
        bytes_retransmitted=i64(info, 208)[0] if len(info) >= 216 else -1,
        mptcp=found.get(_ULP_INFO, b"")[:10] == b"\x0a\0\1\0mptcp\0",
    )


def attributes(message: bytes) -> dict[int, bytes]:
    """
    The payloads of a connection's attributes by type; duplicates of used attributes are rejected.
    """
    found: dict[int, bytes] = {}
    position = _FIXED_LENGTH
    while position < len(message):
        if len(message) - position < 4:
            raise RefusedError
        length, kind = struct.unpack_from("=HH", message, position)
        kind &= 0x3FFF
        if length < 4 or position + length > len(message):
            raise RefusedError
        if kind in found and kind in (_INFO, _ULP_INFO, _CGROUP_ID):
            raise RefusedError
        found[kind] = message[position + 4 : position + length]
        position += length + -length % 4
    return found


def _address(field: bytes, *, is_v4: bool) -> int:
    return _MAPPED | int.from_bytes(field[:4]) if is_v4 else int.from_bytes(field)


def rows(tables: Iterable[ConnectionTable]) -> list[Row]:
    """
    The exporter's tables as rows.
    """
    return [row for table in tables for row in _rows(table)]


def _rows(table: ConnectionTable) -> Iterator[Row]:
    columns = []
    for name in Row._fields:
        values = getattr(table, name).tolist()
        if name in ("local", "remote"):
            values = [upper << 64 | lower for upper, lower in values]
        columns.append([None if isinstance(x, float) and math.isnan(x) else x for x in values])
    return (Row(*values) for values in zip(*columns, strict=True))
