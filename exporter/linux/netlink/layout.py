"""
Where the fields of one inet_diag message lie, as a NumPy structured type.

The kernel writes a fixed header (struct inet_diag_msg) and attributes whose order, number and
length depend on kernel version, privilege and socket. A layout is learnt by reading the attributes
of one message; whether other messages of the same length share it is checked on their attribute
headers, so nothing is assumed about any of them.
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
    ">4I": (">u8", (2,)),  # an address, as the two halves the table holds
}

_Place = tuple[str, Any, int]


class DecodeError(Exception):
    """
    A message that is not what inet_diag sends.
    """


def _places(fields: Sequence[tuple[str, str]]) -> tuple[tuple[_Place, ...], int]:
    """
    Name, NumPy format and offset of each packed field, and their length together.
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
    )
)

Attribute = tuple[int, int, int]
"""Type, offset of the header in the message, and length (header included) of an attribute."""


@dataclass(frozen=True, slots=True)
class Layout:
    """
    Where the fields lie in messages of one kind.

    attributes holds a field name of dtype and the value it must have, per attribute header.
    """

    dtype: np.dtype[np.void]
    attributes: tuple[tuple[str, int], ...]

    def fits(self, records: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
        """
        Which of the records have exactly this layout's attributes.
        """
        fits = np.ones(len(records), np.bool_)
        for name, header in self.attributes:
            fits &= records[name] == header
        return fits

    def has(self, field: str) -> bool:
        """
        Whether the message carries the field.
        """
        return field in (self.dtype.names or ())


def learn(message: bytes) -> Layout:
    """
    The layout of one message, read attribute by attribute.

    Raises DecodeError where the attributes do not fill the message exactly.
    """
    if len(message) < MESSAGE_LENGTH:
        raise DecodeError(
            f"inet_diag message of {len(message)} bytes; its header alone has {MESSAGE_LENGTH}"
        )
    attributes: list[Attribute] = []
    offset = MESSAGE_LENGTH
    while offset < len(message):
        if offset + ATTRIBUTE_HEADER.size > len(message):
            raise DecodeError(f"{len(message) - offset} bytes left over behind the attributes")
        length, kind = ATTRIBUTE_HEADER.unpack_from(message, offset)
        if length < ATTRIBUTE_HEADER.size or offset + length > len(message):
            raise DecodeError(
                f"attribute {kind & _ATTRIBUTE_TYPE_MASK} at byte {offset} claims {length} bytes"
                f" of a message of {len(message)}"
            )
        attributes.append((kind, offset, length))
        offset += (length + 3) & ~3
    return _layout(len(message), tuple(attributes))


@lru_cache(maxsize=256)
def _layout(length: int, attributes: tuple[Attribute, ...]) -> Layout:
    kinds = [kind & _ATTRIBUTE_TYPE_MASK for kind, _, _ in attributes]
    for used in (INFO, CGROUP_ID):
        if kinds.count(used) > 1:
            raise DecodeError(f"attribute {used} twice in one message")
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
                raise DecodeError(f"cgroup id of {payload_size} bytes; the kernel sends 8")
            places["cgroup_id"] = ("cgroup_id", "u8", payload)
    names, formats, offsets = zip(*places.values(), strict=True)
    dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": length})
    return Layout(dtype, tuple(headers))


def _tcp_info_places(payload: int, length: int) -> dict[str, _Place]:
    """
    The fields of a struct tcp_info of this length: older kernels send a shorter one.
    """
    return {
        name: (name, code, payload + offset)
        for name, code, offset in _TCP_INFO
        if name in _TCP_INFO_USED and offset + np.dtype(code).itemsize <= length
    }
