"""
The layout of inet_diag messages, as NumPy structured types.

The kernel writes a fixed header (struct inet_diag_msg) and attributes whose order, number and
length depend on kernel version, privilege and socket. A layout is parsed from the attributes of one
message. Whether another message of the same length has the same layout is checked on its attribute
headers, never assumed.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from pyroute2.netlink.diag import inet_diag_msg

NETLINK_HEADER = struct.Struct("=IHHII")
ATTRIBUTE_HEADER = struct.Struct("=HH")
_ATTRIBUTE_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_CGROUP_ID_LENGTH = 8
_ULP_INFO_LENGTH = 10
"""Bytes of the attribute INET_ULP_INFO_NAME with the name mptcp: its header, and the name."""
_U32 = struct.Struct("=I")

_HEADER_FIELDS = (
    ("nlmsg_len", "I"),
    ("nlmsg_type", "H"),
    ("nlmsg_flags", "H"),
    ("nlmsg_seq", "I"),
    ("nlmsg_pid", "I"),
)
_NUMPY_FORMATS = {
    "B": "u1",
    "H": "u2",
    ">H": ">u2",
    "I": "u4",
    "Q": "u8",
    ">4I": (">u8", (2,)),  # an address, as two halves
}

_Place = tuple[str, Any, int]


class DecodeError(Exception):
    """
    A message is not a valid inet_diag message.
    """


def _places(fields: Sequence[tuple[str, str]]) -> tuple[tuple[_Place, ...], int]:
    """
    Name, NumPy format and offset of each packed field, and their total length.
    """
    places: list[_Place] = []
    offset = 0
    for name, code in fields:
        places.append((name, _NUMPY_FORMATS[code], offset))
        offset += struct.calcsize("=" + code.removeprefix(">"))
    return tuple(places), offset


def _attribute_number(name: str) -> int:
    return [known for known, _ in inet_diag_msg.nla_map].index(name)


INFO = _attribute_number("INET_DIAG_INFO")
CGROUP_ID = _attribute_number("INET_DIAG_CGROUP_ID")
ULP_INFO = _attribute_number("INET_DIAG_ULP_INFO")
_MESSAGE, MESSAGE_LENGTH = _places([*_HEADER_FIELDS, *inet_diag_msg.fields])
_TCP_INFO, _ = _places(inet_diag_msg.tcp_info.fields)
_TCP_INFO_USED = frozenset(
    (
        "tcpi_retransmits",
        "tcpi_probes",
        "tcpi_backoff",
        "tcpi_unacked",
        "tcpi_last_data_sent",
        "tcpi_last_data_recv",
        "tcpi_last_ack_recv",
        "tcpi_segs_out",
        "tcpi_segs_in",
        "tcpi_bytes_acked",
        "tcpi_bytes_sent",
        "tcpi_bytes_retrans",
        "tcpi_busy_time",
    )
)

Attribute = tuple[int, int, int]
"""Type, offset of the header in the message, and length (header included) of an attribute."""


@dataclass(frozen=True, slots=True)
class Layout:
    """
    The layout of messages of one kind.

    attributes has, per attribute header, a field name of dtype and the required value.
    """

    dtype: np.dtype[np.void]
    attributes: tuple[tuple[str, int], ...]

    def fits(self, records: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
        """
        Whether each record has exactly this layout's attributes.
        """
        fits = np.ones(len(records), np.bool_)
        for name, header in self.attributes:
            fits &= records[name] == header
        return fits

    def has(self, field: str) -> bool:
        """
        Whether the messages have the field.
        """
        return field in (self.dtype.names or ())


def parse_layout(message: bytes) -> Layout:
    """
    The layout of one message, parsed attribute by attribute.

    Raises DecodeError if the attributes do not fill the message exactly.
    """
    if len(message) < MESSAGE_LENGTH:
        raise DecodeError(
            f"inet_diag message of {len(message)} bytes is shorter than its header"
            f" ({MESSAGE_LENGTH} bytes)"
        )
    attributes: list[Attribute] = []
    offset = MESSAGE_LENGTH
    while offset < len(message):
        if offset + ATTRIBUTE_HEADER.size > len(message):
            raise DecodeError(f"{len(message) - offset} bytes left after the attributes")
        length, kind = ATTRIBUTE_HEADER.unpack_from(message, offset)
        if length < ATTRIBUTE_HEADER.size or offset + length > len(message):
            raise DecodeError(
                f"attribute {kind & _ATTRIBUTE_TYPE_MASK} at byte {offset}: invalid length {length}"
                f" in a message of {len(message)} bytes"
            )
        attributes.append((kind, offset, length))
        offset += (length + 3) & ~3
    return _layout(len(message), tuple(attributes))


@lru_cache(maxsize=256)
def _layout(length: int, attributes: tuple[Attribute, ...]) -> Layout:
    kinds = [kind & _ATTRIBUTE_TYPE_MASK for kind, _, _ in attributes]
    for used in (INFO, CGROUP_ID, ULP_INFO):
        if kinds.count(used) > 1:
            raise DecodeError(f"duplicate attribute {used}")
    places = {place[0]: place for place in _MESSAGE}
    headers: list[tuple[str, int]] = []
    for number, (kind, offset, size) in enumerate(attributes):
        name = f"attribute_{number}"
        places[name] = (name, "u4", offset)
        headers.append((name, *_U32.unpack(ATTRIBUTE_HEADER.pack(size, kind))))
        payload, payload_size = offset + ATTRIBUTE_HEADER.size, size - ATTRIBUTE_HEADER.size
        attribute = kind & _ATTRIBUTE_TYPE_MASK
        if attribute == INFO:
            places |= _tcp_info_places(payload, payload_size)
        elif attribute == CGROUP_ID:
            if payload_size != _CGROUP_ID_LENGTH:
                raise DecodeError(
                    f"cgroup id of {payload_size} bytes; allowed: {_CGROUP_ID_LENGTH}"
                )
            places["cgroup_id"] = ("cgroup_id", "u8", payload)
        elif attribute == ULP_INFO and payload_size >= _ULP_INFO_LENGTH:
            places["ulp_info"] = ("ulp_info", f"S{_ULP_INFO_LENGTH}", payload)
    names, formats, offsets = zip(*places.values(), strict=True)
    dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": length})
    return Layout(dtype, tuple(headers))


def _tcp_info_places(payload: int, length: int) -> dict[str, _Place]:
    """
    The used fields of a struct tcp_info of this length; older kernels send a shorter struct.
    """
    return {
        name: (name, code, payload + offset)
        for name, code, offset in _TCP_INFO
        if name in _TCP_INFO_USED and offset + np.dtype(code).itemsize <= length
    }
