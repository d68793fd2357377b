"""
One dump of the kernel's TCP sockets (NETLINK_SOCK_DIAG) into a connection table.

Speaks for the network namespace of the calling thread and needs no privilege.
"""

import errno
import itertools
import select
import socket
import struct
import sys
import time
from collections.abc import Iterable, Iterator

import numpy as np
from pyroute2.netlink import NETLINK_SOCK_DIAG, NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.diag import SS_CLOSE_WAIT, SS_ESTABLISHED, SS_LISTEN

from exporter.linux.netlink.decode import TCPDIAG_GETSOCK, decode
from exporter.linux.netlink.layout import INFO, NETLINK_HEADER, DecodeError
from exporter.model import CollectorError, ConnectionTable

CONNECTED = (1 << SS_ESTABLISHED) | (1 << SS_CLOSE_WAIT)
LISTENING = 1 << SS_LISTEN

if sys.platform != "linux":
    raise ImportError("netlink exists on Linux only")

_BATCH_SIZE = 2 << 20
"""Bytes decoded at once: with less, the fixed cost of NumPy calls shows."""
_DATAGRAM_SIZE = 32 << 10
"""The most netlink_dump() puts into one datagram, however large the receiver's buffer is."""
_TIMEOUT = 5.0
_REQUEST = struct.Struct("=xxxB48xI4x")
"""struct inet_diag_req: extensions, an empty socket id, states."""

_sequence = itertools.count(1)


def dump(states: int = CONNECTED) -> Iterator[ConnectionTable]:
    """
    All TCP sockets of the thread's namespace in the given states (a mask of 1 << SS_*).

    They come in tables of some ten thousand, so that the memory needed stays small however many
    there are. Raises CollectorError.
    """
    try:
        with _connect() as netlink:
            yield from _without_repeats(_dump(netlink, states))
    except DecodeError as error:
        raise CollectorError(f"unexpected netlink message: {error}") from error
    except OSError as error:
        raise CollectorError(_explain(error)) from error


class Dump:
    """
    The connections of whatever namespace the thread that iterates them is in, each time anew.
    """

    def __iter__(self) -> Iterator[ConnectionTable]:
        return dump()


def _connect() -> socket.socket:
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    try:
        netlink.bind((0, 0))
        netlink.setblocking(False)
    except OSError:
        netlink.close()
        raise
    return netlink


def _request(states: int, sequence: int) -> bytes:
    """
    The older request, TCPDIAG_GETSOCK, answers for IPv4 and IPv6 alike; the newer one has to be
    made twice. Each time the kernel walks the one hash table that holds the sockets of all
    namespaces: that is most of what it costs to read a namespace with few of them.
    """
    length = NETLINK_HEADER.size + _REQUEST.size
    flags = NLM_F_REQUEST | NLM_F_DUMP
    header = NETLINK_HEADER.pack(length, TCPDIAG_GETSOCK, flags, sequence, 0)
    return header + _REQUEST.pack(1 << (INFO - 1), states)


def _dump(netlink: socket.socket, states: int) -> Iterator[ConnectionTable]:
    """
    The sockets, a table for each batch of datagrams.

    The kernel queues the next datagram of a dump before it returns from a receive
    (netlink_recvmsg), so an empty queue means that the dump is over, and messages need not be
    looked at until a batch is full.
    """
    sequence = next(_sequence)
    netlink.send(_request(states, sequence))
    buffer = np.empty(_BATCH_SIZE, np.uint8).data
    done = False
    while not done:
        read_at = time.monotonic()
        length = _receive_batch(netlink, buffer)
        if not length and not _answers(netlink):
            raise DecodeError("the dump stopped before its end")
        batch = decode(buffer[:length], sequence, read_at)
        done = batch.done
        yield from batch.tables


def _without_repeats(tables: Iterable[ConnectionTable]) -> Iterator[ConnectionTable]:
    """
    The tables less the rows that repeat the one before them.

    The kernel resumes a dump within a hash chain by counting (inet_diag_dump_icsk). A socket that
    has meanwhile come to the head of the chain makes it send the last one again.
    """
    ends: set[int] = set()  # of all tables: one batch makes several, which mix their order
    for table in tables:
        repeated = np.diff(table.cookie, prepend=np.uint64(0)) == 0
        repeated[0] = int(table.cookie[0]) in ends
        ends.add(int(table.cookie[-1]))
        yield table.rows(~repeated) if repeated.any() else table


def _answers(netlink: socket.socket) -> bool:
    """
    Whether a datagram comes in time.
    """
    poll = select.poll()  # select() refuses the descriptors of a process that has over 1,024
    poll.register(netlink, select.POLLIN)
    return bool(poll.poll(_TIMEOUT * 1000))


def _receive_batch(netlink: socket.socket, buffer: memoryview) -> int:
    """
    Receive datagrams into the buffer until it is full or none waits; the bytes received.
    """
    length = 0
    try:
        while length + _DATAGRAM_SIZE <= len(buffer):
            # With MSG_TRUNC the kernel says how long the datagram was, not what fitted.
            received = netlink.recv_into(buffer[length:], _DATAGRAM_SIZE, socket.MSG_TRUNC)
            if received > _DATAGRAM_SIZE:
                raise DecodeError(f"datagram of {received} bytes, longer than netlink dumps send")
            length += received
    except BlockingIOError:
        pass
    return length


def _explain(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.EOPNOTSUPP:
            return "the kernel has no tcp_diag; load it with: modprobe tcp_diag"
        case errno.EPERM | errno.EACCES:
            return f"netlink is not permitted here ({error.strerror}); is it filtered by seccomp?"
        case errno.EAFNOSUPPORT | errno.EPROTONOSUPPORT:
            return (
                f"netlink sockets are not available ({error.strerror}); under systemd, "
                "RestrictAddressFamilies must allow AF_NETLINK"
            )
    return str(error)
