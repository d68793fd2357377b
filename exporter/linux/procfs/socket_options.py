"""
Exact keepalive options of a socket, which netlink does not report, read through a copy of its
process's file descriptor.
"""

import contextlib
import ctypes
import os
import socket
import sys
from collections.abc import Iterator

from exporter.model import OwningProcess, SocketOptions

if sys.platform != "linux":
    raise ImportError("pidfd_getfd exists on Linux only")

_PIDFD_GETFD = 438  # on all architectures; since Linux 5.6
_MILLISECOND = 0.001

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_uint]


def read_options(holder: OwningProcess, inode: int) -> SocketOptions | None:
    """
    The options of the socket with this inode. None if tracing its process is not permitted
    (ptrace(2)), or if the process no longer holds the socket.
    """
    try:
        with _borrowed(holder) as sock:
            if os.fstat(sock.fileno()).st_ino != inode:
                return None
            return SocketOptions(
                keepalive=bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)),
                time=sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                interval=sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                probes=sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                user_timeout=_MILLISECOND
                * sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            )
    except OSError:
        return None


@contextlib.contextmanager
def _borrowed(holder: OwningProcess) -> Iterator[socket.socket]:
    """
    A copy of the process's socket; closing it does not affect the process. Raises OSError.
    """
    process = os.pidfd_open(holder.pid)
    try:
        descriptor = _syscall(_PIDFD_GETFD, process, holder.descriptor, 0)
        if descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(process)
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        raise
    with sock:
        yield sock
