"""
Sockets of this process: TCP_INFO, probes on demand, and the interface to use.
"""

import ctypes
import os
import socket
import struct
import sys
import time
from dataclasses import dataclass

if sys.platform != "linux":
    raise ImportError("TCP_INFO with segment counts exists on Linux only")

_TCP_INFO = struct.Struct("=B 2x B 48x II 8x I 64x II")
"""
state, at 3 probes, at 52 last_data_recv and last_ack_recv (ms), at 68 rtt (us), at 136 segs_out and
segs_in.
"""
_JIFFY = 0.01
"""Maximum error of the kernel's ages in seconds, with HZ=100."""
_SOON = 1
"""The minimum keepalive time in seconds."""
_NEVER, _PROBES = 32767, 127
"""The maximum interval in seconds and number of probes, so that the kernel never repeats a probe by
itself."""
_NO_ADDRESS = struct.pack("=H14x", socket.AF_UNSPEC)
_libc = ctypes.CDLL(None, use_errno=True)
_ESTABLISHED, _CLOSE = 1, 7  # include/net/tcp_states.h


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """
    TCP_INFO of a connection at one time.

    at is that time, received_at the time of the last received segment with data or an
    acknowledgement, both on the monotonic clock. unanswered is the number of probes sent since.
    round_trip is in seconds.
    """

    at: float
    state: int
    unanswered: int
    segments_in: int
    segments_out: int
    received_at: float
    round_trip: float

    @property
    def is_open(self) -> bool:
        """
        Whether neither end has closed the connection.
        """
        return self.state == _ESTABLISHED

    @property
    def is_dead(self) -> bool:
        """
        Whether the connection has ended with an error, such as a reset.
        """
        return self.state == _CLOSE


def has_segment_counts(sock: socket.socket) -> bool:
    """
    Whether the kernel's struct tcp_info has the segment counts (since Linux 4.2).
    """
    return len(_tcp_info(sock)) == _TCP_INFO.size


def read_tcp_info(sock: socket.socket) -> TcpInfo:
    """
    The connection's TCP_INFO now. Raises struct.error if the kernel has no segment counts.
    """
    at = time.monotonic()
    state, probes, data_age, ack_age, round_trip, segments_out, segments_in = _TCP_INFO.unpack(
        _tcp_info(sock)
    )
    return TcpInfo(
        at=at,
        state=state,
        unanswered=probes,
        segments_in=segments_in,
        segments_out=segments_out,
        received_at=at - min(data_age, ack_age) / 1e3 - _JIFFY,
        round_trip=round_trip / 1e6,
    )


def send_keepalive_probe(sock: socket.socket) -> None:
    """
    Make the kernel send a keepalive probe now.

    The kernel's timer may fire an eighth of the keepalive time late. Setting a keepalive time that
    has already passed makes it fire immediately (tcp_sock_set_keepidle_locked in net/ipv4/tcp.c).
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _NEVER)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SOON)


def stop_keepalive(sock: socket.socket) -> None:
    """
    Stop keepalive, which also hides that probes are unanswered from other processes.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)


def reset(sock: socket.socket) -> None:
    """
    Reset the connection, if it is still open, and clear its counters: connect() to AF_UNSPEC, which
    Python's own connect() does not offer (tcp_disconnect in net/ipv4/tcp.c).

    To other processes, a connection that the network has ended also appears to have been aborted
    by this one.
    """
    if _libc.connect(sock.fileno(), _NO_ADDRESS, len(_NO_ADDRESS)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def bind_to_interface(sock: socket.socket, interface: str) -> None:
    """
    Bind the socket to this interface. Raises OSError.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())


def _tcp_info(sock: socket.socket) -> bytes:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
