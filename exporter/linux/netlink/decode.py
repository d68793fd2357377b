"""
Decoding of netlink messages into connection tables. Pure: no I/O.

Messages are decoded in batches. Messages of equal length form a matrix. The layout of the first one
is parsed, all messages with the same layout are decoded at once, and the rest likewise. A message
with a rare layout is also decoded, but slower.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyroute2.netlink import NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP
from pyroute2.netlink.diag import SOCK_DIAG_BY_FAMILY

from exporter.linux.netlink.layout import NETLINK_HEADER, DecodeError, parse_layout
from exporter.linux.netlink.table import to_table
from exporter.model import ConnectionTable, InterruptedReadError

Messages = npt.NDArray[np.uint8]

TCPDIAG_GETSOCK = 18  # uapi/linux/inet_diag.h; pyroute2 has no name for it

_NLM_F_DUMP_INTR = 0x10  # include/uapi/linux/netlink.h; pyroute2 has no name for it
_COMMON_LAYOUTS = 8
"""Layouts per length that are compared with all messages of a batch; more are not worth it."""
_ALIGNMENT = 4  # NLMSG_ALIGNTO
_ERRNO = struct.Struct("=i")
_MAX_ERRNO = 4095  # include/linux/err.h
_LENGTH = struct.Struct("=I")
_AF_INET, _AF_INET6 = 2, 10  # Linux's numbers, also when run on other systems


@dataclass(frozen=True, slots=True)
class Batch:
    """
    The tables of a batch of messages; done is true if the dump ended in it.
    """

    tables: tuple[ConnectionTable, ...]
    done: bool


def decode(data: memoryview, sequence: int, read_at: float) -> Batch:
    """
    Decode consecutive, complete netlink messages.

    sequence is the number of the request; read_at is seconds on the monotonic clock. Raises OSError
    if the kernel reports an error, DecodeError if a message is malformed or does not answer this
    request, InterruptedReadError if the kernel's tables changed during the dump.
    """
    tables: list[ConnectionTable] = []
    done = False
    for messages in _by_length(np.frombuffer(data, np.uint8)):
        kinds = messages[:, 4:6].view("u2")[:, 0]
        # Answers to a dump have the type of the request; destroy events have the newer type.
        is_connection = (kinds == TCPDIAG_GETSOCK) | (kinds == SOCK_DIAG_BY_FAMILY)
        if is_connection.all():
            tables += _by_layout(messages, sequence, read_at)
        else:
            tables += _by_layout(messages[is_connection], sequence, read_at)
            for message in messages[~is_connection]:
                done |= _is_end(message.tobytes(), sequence)
    return Batch(tuple(tables), done)


def _by_length(batch: Messages) -> Iterator[Messages]:
    """
    The messages as matrices, one per length, with one row per message.
    """
    position = 0
    length = _message_length(batch, 0) if len(batch) else 1
    if length % _ALIGNMENT == 0:
        lengths = np.ndarray(len(batch) // length, "u4", batch.data, strides=(length,))
        others = np.flatnonzero(lengths != length)
        run = int(others[0]) if len(others) else len(lengths)
        position = run * length
        yield batch[:position].reshape(run, length)

    starts: dict[int, list[int]] = {}
    while position < len(batch):
        length = _message_length(batch, position)
        starts.setdefault(length, []).append(position)
        position += -(-length // _ALIGNMENT) * _ALIGNMENT
    for length, positions in starts.items():
        yield batch[np.array(positions)[:, None] + np.arange(length)]


def _message_length(batch: Messages, position: int) -> int:
    """
    The length in the header of the message at position, checked to be within the batch.
    """
    rest = len(batch) - position
    claimed = batch[position : position + _LENGTH.size].tobytes()
    length: int = _LENGTH.unpack(claimed)[0] if len(claimed) == _LENGTH.size else 0
    if not NETLINK_HEADER.size <= length <= rest:
        raise DecodeError(f"invalid message length {length} with {rest} bytes left")
    return length


def _is_end(message: bytes, sequence: int) -> bool:
    """
    Whether a message other than a connection ends the dump. Raises OSError if it reports an error.
    """
    _, kind, flags, number, _ = NETLINK_HEADER.unpack_from(message)
    if kind == NLMSG_NOOP:
        return False
    if kind not in (NLMSG_DONE, NLMSG_ERROR):
        raise DecodeError(f"unexpected message type {kind}")
    if number != sequence:
        raise DecodeError("answer to another request")
    if flags & _NLM_F_DUMP_INTR:
        raise InterruptedReadError("the kernel interrupted the dump")
    check_status(message)
    if kind == NLMSG_ERROR:
        raise DecodeError("acknowledgement that was not requested")
    return True


def check_status(message: bytes) -> None:
    """
    Raise OSError if an NLMSG_ERROR or NLMSG_DONE message has an error number, DecodeError if that
    is invalid.
    """
    if len(message) < NETLINK_HEADER.size + _ERRNO.size:
        return
    (code,) = _ERRNO.unpack_from(message, NETLINK_HEADER.size)
    if code < -_MAX_ERRNO:
        raise DecodeError(f"status {code} is not an error number")
    if code < 0:
        raise OSError(-code, os.strerror(-code))


def _by_layout(messages: Messages, sequence: int, read_at: float) -> Iterator[ConnectionTable]:
    """
    Messages of equal length as tables, one per common layout.
    """
    for _ in range(_COMMON_LAYOUTS):
        if not len(messages):
            return
        layout = parse_layout(messages[0].tobytes())
        records = messages.view(layout.dtype)[:, 0]
        fits = layout.fits(records)
        if fits.all():
            messages = messages[:0]
        else:
            records, messages = records[fits], messages[~fits]
        _check(records, sequence)
        yield to_table(records, layout, read_at)
    for row in range(len(messages)):
        layout = parse_layout(messages[row].tobytes())
        records = messages[row : row + 1].view(layout.dtype)[:, 0]
        _check(records, sequence)
        yield to_table(records, layout, read_at)


def _check(records: npt.NDArray[np.void], sequence: int) -> None:
    if (records["nlmsg_flags"] & _NLM_F_DUMP_INTR).any():
        raise InterruptedReadError("the kernel interrupted the dump")
    if (records["nlmsg_seq"] != sequence).any():
        raise DecodeError("answer to another request")
    family = records["idiag_family"]
    if not ((family == _AF_INET) | (family == _AF_INET6)).all():
        raise DecodeError("connection that is neither IPv4 nor IPv6")
