"""
Dumps of the kernel's TCP sockets (NETLINK_SOCK_DIAG) as connection tables.

A dump has the sockets of the calling thread's network namespace, and needs no privilege.
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
"""Bytes decoded at once; with less, the fixed cost of NumPy calls becomes noticeable."""
_DATAGRAM_SIZE = 32 << 10
"""Maximum datagram size of netlink_dump(), independent of the receiver's buffer."""
_TIMEOUT = 5.0
_REQUEST = struct.Struct("=xxxB48xI4x")
"""struct inet_diag_req: extensions, an empty socket id, states."""

_sequence = itertools.count(1)


def dump(states: int = CONNECTED, *, tcp_info: bool = True) -> Iterator[ConnectionTable]:
    """
    All TCP sockets of the thread's namespace in the given states (a mask of 1 << SS_*).

    Without tcp_info, which is most of the cost, the kernel does not report what is in it. Each
    table has at most some ten thousand rows, which limits memory. Raises CollectorError.
    """
    extensions = 1 << (INFO - 1) if tcp_info else 0
    try:
        with _connect() as netlink:
            yield from _without_repeats(_dump(netlink, extensions, states))
    except DecodeError as error:
        raise CollectorError(f"unexpected netlink message: {error}") from error
    except OSError as error:
        raise CollectorError(_explain(error)) from error


class ConnectionDump:
    """
    An iterable of tables; each iteration makes a new dump, in the iterating thread's namespace.
    """

    def __init__(self, *, tcp_info: bool = True) -> None:
        self._tcp_info = tcp_info

    def __iter__(self) -> Iterator[ConnectionTable]:
        return dump(tcp_info=self._tcp_info)


def _connect() -> socket.socket:
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    try:
        netlink.bind((0, 0))
        netlink.setblocking(False)
    except OSError:
        netlink.close()
        raise
    return netlink


def _request(extensions: int, states: int, sequence: int) -> bytes:
    """
    The older request, TCPDIAG_GETSOCK, returns both IPv4 and IPv6; the newer one would be needed
    twice. For each request the kernel walks the hash table with the sockets of all namespaces,
    which is most of the cost of reading a namespace with few sockets.
    """
    length = NETLINK_HEADER.size + _REQUEST.size
    flags = NLM_F_REQUEST | NLM_F_DUMP
    header = NETLINK_HEADER.pack(length, TCPDIAG_GETSOCK, flags, sequence, 0)
    return header + _REQUEST.pack(extensions, states)


def _dump(netlink: socket.socket, extensions: int, states: int) -> Iterator[ConnectionTable]:
    """
    The sockets, as tables for each batch of datagrams.

    The kernel queues the next datagram of a dump before a receive returns (netlink_recvmsg). An
    empty queue therefore means the end of the dump, so that messages need not be decoded before a
    batch is full.
    """
    sequence = next(_sequence)
    netlink.send(_request(extensions, states, sequence))
    buffer = np.empty(_BATCH_SIZE, np.uint8).data
    done = False
    while not done:
        read_at = time.monotonic()
        length = _receive_batch(netlink, buffer)
        if not length and not _answers(netlink):
            raise DecodeError(f"dump incomplete: no datagram within {_TIMEOUT:g} s")
        batch = decode(buffer[:length], sequence, read_at)
        done = batch.done
        yield from batch.tables


def _without_repeats(tables: Iterable[ConnectionTable]) -> Iterator[ConnectionTable]:
    """
    The tables without the rows that repeat the previous one.

    The kernel resumes a dump within a hash chain by counting (inet_diag_dump_icsk). If a socket was
    added to the head of the chain since then, the kernel sends the last one again.
    """
    ends: set[int] = set()  # of all tables, because a batch makes several, in mixed order
    for table in tables:
        repeated = np.diff(table.cookie, prepend=np.uint64(0)) == 0
        repeated[0] = int(table.cookie[0]) in ends
        ends.add(int(table.cookie[-1]))
        yield table.rows(~repeated) if repeated.any() else table


def _answers(netlink: socket.socket) -> bool:
    """
    Whether a datagram arrives in time.
    """
    poll = select.poll()  # select() does not support descriptors above 1,023
    poll.register(netlink, select.POLLIN)
    return bool(poll.poll(_TIMEOUT * 1000))


def _receive_batch(netlink: socket.socket, buffer: memoryview) -> int:
    """
    Receive datagrams until the buffer is full or none is pending. Returns the bytes received.
    """
    length = 0
    try:
        while length + _DATAGRAM_SIZE <= len(buffer):
            # With MSG_TRUNC the kernel returns the full length of a truncated datagram.
            received = netlink.recv_into(buffer[length:], _DATAGRAM_SIZE, socket.MSG_TRUNC)
            if received > _DATAGRAM_SIZE:
                raise DecodeError(f"datagram of {received} bytes exceeds {_DATAGRAM_SIZE}")
            length += received
    except BlockingIOError:
        pass
    return length


def _explain(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.EOPNOTSUPP:
            return "kernel module tcp_diag is not loaded; load it with: modprobe tcp_diag"
        case errno.EPERM | errno.EACCES:
            return f"netlink is not permitted here ({error.strerror}); check seccomp filters"
        case errno.EAFNOSUPPORT | errno.EPROTONOSUPPORT:
            return (
                f"netlink sockets are not available ({error.strerror}); under systemd, "
                "RestrictAddressFamilies must allow AF_NETLINK"
            )
    return str(error)
