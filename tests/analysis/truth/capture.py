"""
Capture of all TCP segments on a device, with timestamps.
"""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.lab import Host

_ETH_P_ALL = 0x0003
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_HEADERS = 14 + 40 + 60
"""Bytes captured: Ethernet, IPv6 and TCP headers with options."""
_RECEIVE_BUFFER = 64 << 20
_TIMESPEC = struct.Struct("@ll")
_STATISTICS = struct.Struct("@II")
_TCP = struct.Struct("!HHIIBBH")
_FIN, _SYN = 0x01, 0x02
_WRAP = 1 << 32

Flow = tuple[int, int, int]
"""Address family, local port and remote port of a connection."""


@dataclass(frozen=True, slots=True)
class Segment:
    """
    One segment; at is seconds on the monotonic clock, end the next sequence number.
    """

    at: float
    outgoing: bool
    flow: Flow
    sequence: int
    end: int
    acknowledges: int
    window: int

    @property
    def is_empty(self) -> bool:
        """
        Whether it has no data, SYN or FIN.
        """
        return self.end == self.sequence


@dataclass(slots=True)
class Capture:
    """
    The frames captured so far.
    """

    frames: list[tuple[float, bool, bytes]] = field(default_factory=list)
    lost: int = 0

    def segments(self) -> Iterator[Segment]:
        """
        The segments in the order of capture.
        """
        for at, outgoing, frame in self.frames:
            if segment := _parse(at, outgoing, frame):
                yield segment


@contextmanager
def capturing(host: Host, device: str = "eth0") -> Iterator[Capture]:
    """
    Capture the frames on the host's device during the block.
    """
    sock = host.call(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0)
    capture = Capture()
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        sock.settimeout(0.1)
        sock.bind((device, _ETH_P_ALL))
        ended = threading.Event()
        reader = threading.Thread(target=_read, args=(sock, capture, ended), name="capture")
        reader.start()
        try:
            yield capture
        finally:
            ended.set()
            reader.join()
        statistics = sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
        capture.lost = _STATISTICS.unpack(statistics)[1]


def _read(sock: socket.socket, capture: Capture, ended: threading.Event) -> None:
    while True:
        try:
            frame, ancillary, _, address = sock.recvmsg(_HEADERS, 256)
        except TimeoutError:
            if ended.is_set():
                return
            continue
        seconds, nanoseconds = _TIMESPEC.unpack_from(ancillary[0][2])
        age = time.time() - (seconds + nanoseconds / 1e9)
        outgoing = address[2] == socket.PACKET_OUTGOING
        capture.frames.append((time.monotonic() - age, outgoing, frame))


def _parse(at: float, outgoing: bool, frame: bytes) -> Segment | None:
    """
    The frame as a segment; None if it is not TCP.
    """
    ip = frame[14:]
    if frame[12:14] == b"\x08\x00" and ip[9] == socket.IPPROTO_TCP:
        family, start = socket.AF_INET, (ip[0] & 0x0F) * 4
        length = int.from_bytes(ip[2:4]) - start
    elif frame[12:14] == b"\x86\xdd" and ip[6] == socket.IPPROTO_TCP:
        family, start = socket.AF_INET6, 40
        length = int.from_bytes(ip[4:6])
    else:
        return None
    source, target, sequence, acknowledges, offset, flags, window = _TCP.unpack_from(ip, start)
    payload = length - (offset >> 4) * 4 + bool(flags & _SYN) + bool(flags & _FIN)
    return Segment(
        at=at,
        outgoing=outgoing,
        flow=(family, source, target) if outgoing else (family, target, source),
        sequence=sequence,
        end=(sequence + payload) % _WRAP,
        acknowledges=acknowledges,
        window=window,
    )
