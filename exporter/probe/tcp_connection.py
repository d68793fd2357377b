"""
One connection to a server, and the kernel's keepalive to probe it with. Needs no privilege.
"""

import asyncio
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from exporter.probe.idle_period import Reading
from exporter.probe.plan import CONNECT
from exporter.probe.target import Address

if sys.platform != "linux":
    raise ImportError("probing needs Linux: no other system tells enough of a connection")

_TCP_INFO = struct.Struct("=B 2x B 48x II 8x I 64x II")
"""
state, at 3 probes, at 52 last_data_recv and last_ack_recv (ms), at 68 rtt (us), at 136 segs_out and
segs_in.
"""
_JIFFY = 0.01
"""Seconds by which the kernel's ages may be off, with HZ=100."""
_SOON = 1
"""Seconds: the shortest keepalive time that can be set."""
_NEVER, _PROBES = 32767, 127
"""Seconds and count, the most that can be set: we decide ourselves when to probe again."""
_CHUNK = 1 << 16


class UnreachableError(Exception):
    """
    The server cannot be connected to; the message says why.
    """


@dataclass(frozen=True, slots=True)
class Source:
    """
    Where connections are to come from, as far as that is given.
    """

    address: str | None = None
    interface: str | None = None


class Wire:
    """
    An open connection. Whatever the server sends is thrown away.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    @classmethod
    async def open(cls, address: Address, source: Source) -> "Wire":
        """
        Connect within CONNECT seconds. Raises UnreachableError.
        """
        try:
            sock = socket.socket(address.family, socket.SOCK_STREAM)
            try:
                async with asyncio.timeout(CONNECT):
                    await _connect(sock, address, source)
            except BaseException:
                sock.close()
                raise
        except OSError as error:
            # The loop words the kernel's errors in its own way, and its own TimeoutError has none.
            silence = f"no answer within {CONNECT:g} s"
            reason = os.strerror(error.errno).lower() if error.errno else silence
            raise UnreachableError(reason) from error
        if len(_info(sock)) < _TCP_INFO.size:
            sock.close()
            raise UnreachableError("cannot be probed from here: that needs Linux 4.2 or newer")
        return cls(sock)

    @property
    def own_address(self) -> str:
        """
        The address it comes from, in numbers.
        """
        return str(self._socket.getsockname()[0])

    def read(self) -> Reading:
        """
        What the kernel says of the connection now.
        """
        at = time.monotonic()
        state, probes, data_age, ack_age, round_trip, segments_out, segments_in = _TCP_INFO.unpack(
            _info(self._socket)
        )
        return Reading(
            at=at,
            state=state,
            unanswered=probes,
            segments_in=segments_in,
            segments_out=segments_out,
            received_at=at - min(data_age, ack_age) / 1e3 - _JIFFY,
            round_trip=round_trip / 1e6,
        )

    def probe(self) -> None:
        """
        Have the kernel send a keepalive probe now.

        Left to itself it would do so when its timer fires, which may be an eighth of the time late.
        But a keepalive time that is set when it has already passed makes the timer fire at once
        (tcp_sock_set_keepidle_locked in net/ipv4/tcp.c).
        """
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _NEVER)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SOON)

    async def wait(self, seconds: float) -> None:
        """
        Return when something has come from the server, or so many seconds have passed.
        """
        with self._readable() as readable:
            try:
                async with asyncio.timeout(max(0.0, seconds)):
                    await readable.wait()
            except TimeoutError:
                return
        self._drain()

    def close(self) -> None:
        """
        End the connection: in order or, if its probes go unanswered, with a reset, which nobody
        needs to acknowledge.
        """
        if self.read().unanswered:
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()

    @contextmanager
    def _readable(self) -> Iterator[asyncio.Event]:
        readable = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, readable.set)
        try:
            yield readable
        finally:
            loop.remove_reader(self._socket)

    def _drain(self) -> None:
        # Nothing to read, or the connection's end, is what read() shows.
        with suppress(OSError):
            self._socket.recv(_CHUNK)


def _info(sock: socket.socket) -> bytes:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)


async def _connect(sock: socket.socket, address: Address, source: Source) -> None:
    sock.setblocking(False)
    if source.interface is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, source.interface.encode())
    if source.address is not None:
        sock.bind((source.address, 0))
    await asyncio.get_running_loop().sock_connect(sock, address.endpoint)
