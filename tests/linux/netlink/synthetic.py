"""
Handmade netlink messages, valid and invalid.
"""

import struct
from pathlib import Path

from tests.linux.netlink.capture import SEQUENCE

CONNECTION, NOOP, ERROR, DONE = 20, 1, 2, 3
INFO, SHUTDOWN, MARK, ULP_INFO, CGROUP_ID = 2, 8, 15, 19, 21
CAPTURES = sorted(Path(__file__).with_name("captures").glob("*.bin"))
"""Real messages of several kernels, recorded by record.py."""
FIXED = 88
"""Length of the two headers before the attributes."""

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_FIXED = struct.Struct("=BBBB2s2s16s16sIQIIIII")

Attributes = list[tuple[int, bytes]]


def netlink(
    kind: int,
    payload: bytes = b"",
    *,
    flags: int = 0x2,
    sequence: int = SEQUENCE,
    length: int | None = None,
) -> bytes:
    """
    A netlink message, padded; length replaces the correct length in its header.
    """
    length = _HEADER.size + len(payload) if length is None else length
    return _HEADER.pack(length, kind, flags, sequence, 0) + padded(payload)


def connection(
    *attributes: bytes, cookie: int = 1, family: int = 2, kind: int = CONNECTION, **header: int
) -> bytes:
    """
    The message of a connection; for IPv4, from 192.0.2.1:80 to 192.0.2.2:5000.
    """
    ends = (b"\x00\x50", b"\x13\x88", b"\xc0\x00\x02\x01" * 4, b"\xc0\x00\x02\x02" * 4)
    fixed = _FIXED.pack(family, 1, 2, 3, *ends, 4, cookie, 5, 6, 7, 8, 9)
    return netlink(kind, fixed + b"".join(attributes), **header)


def attribute(kind: int, payload: bytes, *, length: int | None = None) -> bytes:
    """
    An attribute, padded; length replaces the correct length in its header.
    """
    length = _ATTRIBUTE.size + len(payload) if length is None else length
    return _ATTRIBUTE.pack(length, kind) + padded(payload)


def info(length: int) -> bytes:
    """
    A tcp_info of this length; adjacent bytes differ, and none is zero.
    """
    return attribute(INFO, bytes(number % 255 + 1 for number in range(length)))


def cgroup(number: int) -> bytes:
    """
    The id of a cgroup.
    """
    return attribute(CGROUP_ID, struct.pack("=Q", number))


def padded(data: bytes) -> bytes:
    """
    The data, padded to a multiple of four bytes.
    """
    return data + bytes(-len(data) % 4)
