"""
A program that copies sockets of other processes with pidfd_getfd(2), reads their keepalive options
and changes them. borrowed_sockets.py runs it as a script, so it uses the standard library only.

It never closes a copy: the child process that made the copies exits. Three things could otherwise
block the exporter for as long as another process likes:

- If the owner of a socket with SO_LINGER has exited, closing the copy waits for unsent data, unless
  the closing task is exiting (inet_release in net/ipv4/af_inet.c).
- The descriptor may refer to another file by now. Closing a FUSE file waits for its server, even at
  exit (fuse_flush in fs/fuse/file.c).
- A process can hold the lock of its socket, for example by sending from memory that userfaultfd(2)
  serves. setsockopt(2) then waits, and cannot be killed.

Each group of sockets is handled by its own child. A child that stops making progress is abandoned.
"""

import ctypes
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

if sys.platform != "linux":
    raise ImportError("pidfd_getfd exists on Linux only")

REQUEST = struct.Struct("=iiIQQQ 4i 3i")
ANSWER = struct.Struct("=Ii 5i 5i")
Options = tuple[int, int, int, int, int]
"""SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT; the last in ms."""

OTHER_SOCKET, OPTIONS_CHANGED, NOT_KEPT, BLOCKED, CRASHED = -1, -2, -3, -4, -5
"""Statuses of an answer; 0 is success, a positive one the number of a system error."""

_PIDFD_OPEN, _PIDFD_GETFD = 434, 438  # on all architectures; since Linux 5.3 and 5.6
_SO_COOKIE, _SIOCGSKNS = 57, 0x894C  # include/uapi/asm-generic/socket.h, linux/sockios.h
_UNKNOWN: Options = (0, 0, 0, 0, 0)
_GROUP = 200
"""Sockets per child: few descriptors, and no copy exists for longer than some hundredths of a
second. Meanwhile, a close() by the owner sends no FIN."""
_STALLED = 0.4
"""Seconds without an answer after which a child is abandoned."""

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


class Request(NamedTuple):
    """
    A socket, identified by a process's descriptor and, verified on the copy, by inode, cookie and
    the inode of its network namespace (0: not verified).

    uid is that of its creator. If time is not 0, the keepalive values are set, provided that the
    options are still the expected ones.
    """

    pid: int
    descriptor: int
    uid: int
    inode: int
    cookie: int
    netns: int
    expected_keepalive: int = 0
    expected_time: int = 0
    expected_interval: int = 0
    expected_probes: int = 0
    time: int = 0
    interval: int = 0
    probes: int = 0

    @property
    def expected(self) -> tuple[int, int, int, int]:
        """
        The options expected before the change.
        """
        return (
            self.expected_keepalive,
            self.expected_time,
            self.expected_interval,
            self.expected_probes,
        )


class Borrower:
    """
    Makes copies, which exist until the process exits.
    """

    def __init__(self) -> None:
        self._processes: dict[int, int] = {}
        self._copies: list[socket.socket] = []

    def handle(self, request: Request) -> tuple[int, Options, Options]:
        """
        Read the options of a socket, and change them if requested. Returns the status and the
        options before and after.
        """
        before = _UNKNOWN
        try:
            sock = self._copy(request)
            # First what does not call into the file, which may be of any kind.
            cookie = sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)
            if int.from_bytes(cookie, sys.byteorder) != request.cookie or not _is_of(sock, request):
                return OTHER_SOCKET, _UNKNOWN, _UNKNOWN
            before = _options(sock)
            if not request.time:
                return 0, before, before
            if before[:4] != request.expected:
                return OPTIONS_CHANGED, before, before
            _protect(sock, request)
            after = _options(sock)
        except OSError as error:
            is_other = error.errno in (errno.ENOTSOCK, errno.EOPNOTSUPP, errno.ENOPROTOOPT)
            return OTHER_SOCKET if is_other else error.errno or errno.EIO, before, _UNKNOWN
        kept = after[:4] == (1, request.time, request.interval, request.probes)
        return 0 if kept else NOT_KEPT, before, after

    def _copy(self, request: Request) -> socket.socket:
        process = self._processes.get(request.pid)
        if process is None:
            process = self._processes[request.pid] = _call(_PIDFD_OPEN, request.pid, 0)
        descriptor = _call(_PIDFD_GETFD, process, request.descriptor, 0)
        # With all three given, Python does not examine the file.
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, descriptor)
        self._copies.append(sock)
        return sock


def _call(number: int, *arguments: int) -> int:
    result: int = _syscall(
        ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments)
    )
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _is_of(sock: socket.socket, request: Request) -> bool:
    """
    Whether a socket has the requested inode and, where that may be read, network namespace.
    """
    if os.fstat(sock.fileno()).st_ino != request.inode:
        return False
    if not request.netns:
        return True
    try:
        namespace = fcntl.ioctl(sock.fileno(), _SIOCGSKNS)
    except PermissionError:  # without CAP_NET_ADMIN there; the cookie is unique on the host
        return True
    try:
        return os.fstat(namespace).st_ino == request.netns
    finally:
        os.close(namespace)


def _options(sock: socket.socket) -> Options:
    return (
        int(bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
    )


def _protect(sock: socket.socket, request: Request) -> None:
    """
    Set the options in the order in which the kernel counts the time already idle, and probes an
    overdue connection at once (tcp_sock_set_keepidle_locked in net/ipv4/tcp.c). SO_KEEPALIVE after
    TCP_KEEPIDLE would start a full period instead.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, request.interval)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, request.probes)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, request.time)


def _in_child(group: Sequence[tuple[int, Request]], answers: int) -> None:
    for standard_stream in (0, 1, 2):  # a child that cannot exit must not keep pipes open
        os.close(standard_stream)
    borrower = Borrower()
    for index, request in group:
        status, before, after = borrower.handle(request)
        os.write(answers, ANSWER.pack(index, status, *before, *after))


def _answers(group: Sequence[tuple[int, Request]]) -> Iterator[bytes]:
    """
    The answers for a group, in order: all, or those before the one that blocks or crashes a child.
    """
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _in_child(group, writable)
        finally:
            os._exit(0)  # at which the kernel does not wait for lingering sockets
    os.close(writable)
    poll = select.poll()
    poll.register(readable, select.POLLIN)
    missing = len(group)
    status = BLOCKED
    while missing and poll.poll(1000 * _STALLED):
        # Pipes contain whole answers, because each was written at once.
        data = os.read(readable, ANSWER.size * missing)
        if not data:
            status = CRASHED
            break
        missing -= len(data) // ANSWER.size
        yield data
    if missing:
        os.kill(child, signal.SIGKILL)
        yield ANSWER.pack(group[-missing][0], status, *_UNKNOWN, *_UNKNOWN)
    os.close(readable)
    os.waitpid(child, os.WNOHANG)  # its exit may be blocked too


def answer_all(requests: Sequence[Request], limit: float) -> Iterator[bytes]:
    """
    The answers to all requests that can be handled within limit seconds, in any order.

    A process one of whose sockets blocked is not asked again. The other sockets of that user are
    handled last.
    """
    pending = list(enumerate(requests))
    end = time.monotonic() + limit
    while pending and time.monotonic() < end:
        group, rest = pending[:_GROUP], pending[_GROUP:]
        data = b"".join(_answers(group))
        yield data
        answered = len(data) // ANSWER.size
        _, status, *_ = ANSWER.unpack_from(data, len(data) - ANSWER.size)
        pending = group[answered:] + rest
        if status == BLOCKED:
            _, blocked = group[answered - 1]
            for index, request in pending:
                if request.pid == blocked.pid:
                    yield ANSWER.pack(index, BLOCKED, *_UNKNOWN, *_UNKNOWN)
            pending = [each for each in pending if each[1].pid != blocked.pid]
            pending.sort(key=lambda each: each[1].uid == blocked.uid)


def main() -> None:
    """
    Answer the requests on standard input. The argument is the limit in seconds.
    """
    data = sys.stdin.buffer.read()
    requests = [Request(*fields) for fields in REQUEST.iter_unpack(data)]
    for answers in answer_all(requests, float(sys.argv[1])):
        sys.stdout.buffer.write(answers)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
