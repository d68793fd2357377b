"""
The stream of socket destroy events, received over netlink.

It has the events of the network namespace in which it was opened, and needs no privilege. The
kernel sends an event when it frees a socket, which is after the application has closed it
(sock_diag_broadcast_destroy in net/core/sock_diag.c).
"""

import array
import contextlib
import socket
import sys
import time

import numpy as np
from pyroute2.netlink import NETLINK_NO_ENOBUFS, NETLINK_SOCK_DIAG, SOL_NETLINK
from pyroute2.netlink.diag import SKNLGRP_INET6_TCP_DESTROY, SKNLGRP_INET_TCP_DESTROY

from exporter.linux.netlink.decode import decode
from exporter.linux.netlink.layout import DecodeError
from exporter.model import CollectorError, ConnectionTable

if sys.platform != "linux":
    raise ImportError("netlink exists on Linux only")

_GROUPS = (1 << (SKNLGRP_INET_TCP_DESTROY - 1)) | (1 << (SKNLGRP_INET6_TCP_DESTROY - 1))
_RECEIVE_BUFFER = 16 << 20
"""Bytes, enough for some ten thousand events. Without CAP_NET_ADMIN, net.core.rmem_max is the
limit."""
_BATCH_SIZE = 1 << 20
_EVENT_SIZE = 4096
"""Bytes; events have about 400."""
_SO_RCVBUFFORCE, _SO_MEMINFO = 33, 55  # asm-generic/socket.h
_MEMINFO = array.array("I", [0] * 9)
_MEMINFO_DROPS = 8  # SK_MEMINFO_DROPS


class DestroyEventStream:
    """
    An open stream; lost is the number of events lost. Raises CollectorError if netlink is not
    available.
    """

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
            self._socket.setblocking(False)
            self.limit_buffer(_RECEIVE_BUFFER)
            # Without this option the kernel, after an overflow, drops all events until the buffer
            # is empty.
            self._socket.setsockopt(SOL_NETLINK, NETLINK_NO_ENOBUFS, 1)
            self._socket.bind((0, _GROUPS))
        except OSError as error:
            raise CollectorError(f"cannot receive closure events: {error.strerror}") from error
        self.lost = 0

    def fileno(self) -> int:
        """
        The descriptor, which is readable while there are events.
        """
        return self._socket.fileno()

    def close(self) -> None:
        """
        Close the stream.
        """
        self._socket.close()

    def receive(self) -> list[ConnectionTable]:
        """
        The pending events, at most some thousands; lost is updated. Raises CollectorError for an
        invalid message.
        """
        read_at = time.monotonic()
        # Not kept, because there may be hundreds of streams, most of them with few events.
        buffer = np.empty(_BATCH_SIZE, np.uint8).data
        length = self._fill(buffer)
        try:
            return list(decode(buffer[:length], 0, read_at).tables)
        except (DecodeError, OSError) as error:
            raise CollectorError(f"unexpected netlink message: {error}") from error

    def limit_buffer(self, size: int) -> None:
        """
        Set the receive buffer's size in bytes; without CAP_NET_ADMIN, net.core.rmem_max is the
        limit.
        """
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        with contextlib.suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)

    def _fill(self, buffer: memoryview) -> int:
        length = 0
        while length + _EVENT_SIZE <= len(buffer):
            try:
                length += self._socket.recv_into(buffer[length:], _EVENT_SIZE)
            except BlockingIOError:
                break
            except OSError as error:
                raise CollectorError(f"cannot receive closure events: {error}") from error
        self.lost = self._drops()
        return length

    def _drops(self) -> int:
        size = _MEMINFO.itemsize * len(_MEMINFO)
        values = array.array("I", self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, size))
        return values[_MEMINFO_DROPS]
