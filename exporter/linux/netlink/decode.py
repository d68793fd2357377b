"""
Bytes of a netlink dump in, rows of a connection table out. Pure: no socket is touched.

Messages are decoded many at a time. Those of one length are laid over one another as a matrix; the
first one's layout is learnt, all that share it are copied at once, and so on with the rest. A
message whose layout is rare is still decoded, only slower.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyroute2.netlink import NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP
from pyroute2.netlink.diag import SOCK_DIAG_BY_FAMILY

from exporter.linux.netlink.layout import NETLINK_HEADER, DecodeError, learn
from exporter.linux.netlink.table import to_table
from exporter.model import ConnectionTable, InterruptedReadError

Messages = npt.NDArray[np.uint8]

TCPDIAG_GETSOCK = 18  # uapi/linux/inet_diag.h; pyroute2 has no name for it

_NLM_F_DUMP_INTR = 0x10  # include/uapi/linux/netlink.h; pyroute2 has no name for it
_COMMON_LAYOUTS = 8
"""Layouts of one length that are worth comparing with all messages of a batch."""
_ALIGNMENT = 4  # NLMSG_ALIGNTO
_ERRNO = struct.Struct("=i")
_MAX_ERRNO = 4095  # include/linux/err.h
_LENGTH = struct.Struct("=I")
_AF_INET, _AF_INET6 = 2, 10  # Linux's numbers, whatever system this runs on


@dataclass(frozen=True, slots=True)
class Batch:
    """
    What a batch of messages held; done if the dump ended in it.
    """

    tables: tuple[ConnectionTable, ...]
    done: bool


def decode(data: memoryview, sequence: int, read_at: float) -> Batch:
    """
    Decode whole netlink messages, one behind the other.

    sequence is the number of our request, read_at seconds on the monotonic clock. Raises OSError
    where the kernel reports an error, DecodeError where a message is malformed or not an answer to
    this request, InterruptedReadError where its tables changed under the dump.
    """
    tables: list[ConnectionTable] = []
    done = False
    for messages in _by_length(np.frombuffer(data, np.uint8)):
        kinds = messages[:, 4:6].view("u2")[:, 0]
        # Answers to a dump bear the type of the request, closures that of the newer one.
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
    The messages as matrices, one for each length that occurs, a row per message.
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
    The length that the message at position claims, known to lie within the batch.
    """
    rest = len(batch) - position
    claimed = batch[position : position + _LENGTH.size].tobytes()
    length: int = _LENGTH.unpack(claimed)[0] if len(claimed) == _LENGTH.size else 0
    if not NETLINK_HEADER.size <= length <= rest:
        raise DecodeError(f"message claims {length} bytes where {rest} are left")
    return length


def _is_end(message: bytes, sequence: int) -> bool:
    """
    Whether a message that is no connection ends the dump. Raises OSError if it reports an error.
    """
    _, kind, flags, number, _ = NETLINK_HEADER.unpack_from(message)
    if kind == NLMSG_NOOP:
        return False
    if kind not in (NLMSG_DONE, NLMSG_ERROR):
        raise DecodeError(f"message of type {kind}, which no dump of connections contains")
    if number != sequence:
        raise DecodeError("an answer to another request")
    if flags & _NLM_F_DUMP_INTR:
        raise InterruptedReadError("the kernel interrupted the dump")
    if len(message) >= NETLINK_HEADER.size + _ERRNO.size:
        (code,) = _ERRNO.unpack_from(message, NETLINK_HEADER.size)
        if code < -_MAX_ERRNO:
            raise DecodeError(f"status {code}, which is no error number")
        if code < 0:
            raise OSError(-code, os.strerror(-code))
    if kind == NLMSG_ERROR:
        raise DecodeError("an acknowledgement, which was not asked for")
    return True


def _by_layout(messages: Messages, sequence: int, read_at: float) -> Iterator[ConnectionTable]:
    """
    Messages of one length as tables, one for each layout that is common among them.
    """
    for _ in range(_COMMON_LAYOUTS):
        if not len(messages):
            return
        layout = learn(messages[0].tobytes())
        records = messages.view(layout.dtype)[:, 0]
        fits = layout.fits(records)
        if fits.all():
            messages = messages[:0]
        else:
            records, messages = records[fits], messages[~fits]
        _check(records, sequence)
        yield to_table(records, layout, read_at)
    for row in range(len(messages)):
        layout = learn(messages[row].tobytes())
        records = messages[row : row + 1].view(layout.dtype)[:, 0]
        _check(records, sequence)
        yield to_table(records, layout, read_at)


def _check(records: npt.NDArray[np.void], sequence: int) -> None:
    if (records["nlmsg_flags"] & _NLM_F_DUMP_INTR).any():
        raise InterruptedReadError("the kernel interrupted the dump")
    if (records["nlmsg_seq"] != sequence).any():
        raise DecodeError("an answer to another request")
    family = records["idiag_family"]
    if not ((family == _AF_INET) | (family == _AF_INET6)).all():
        raise DecodeError("a connection that is neither IPv4 nor IPv6")
