"""
One connection to a server, probed with the kernel's keepalive. Needs no privileges.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from exporter.linux.own_sockets import (
    TcpInfo,
    bind_to_interface,
    has_segment_counts,
    read_tcp_info,
    reset,
    send_keepalive_probe,
    stop_keepalive,
)
from exporter.probe.plan import CONNECT
from exporter.probe.target import Address

_CHUNK = 1 << 16
_ALIVE = 1.0
"""Maximum number of seconds since the last receipt for which the path surely has the connection."""


class UnreachableError(Exception):
    """
    The server cannot be connected to. The message has the reason.
    """


@dataclass(frozen=True, slots=True)
class Source:
    """
    Source address and interface of connections; None: chosen by the kernel.
    """

    address: str | None = None
    interface: str | None = None


class TcpConnection:
    """
    An open connection. Received data is discarded.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    @classmethod
    async def open(cls, address: Address, source: Source) -> "TcpConnection":
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
            # asyncio rewords errors of the kernel, and its TimeoutError has no errno.
            no_answer = f"no answer within {CONNECT:g} s"
            reason = os.strerror(error.errno).lower() if error.errno else no_answer
            raise UnreachableError(reason) from error
        if not has_segment_counts(sock):
            sock.close()
            raise UnreachableError("cannot be probed; this requires Linux 4.2 or newer")
        return cls(sock)

    @property
    def own_address(self) -> str:
        """
        The numeric local address.
        """
        return str(self._socket.getsockname()[0])

    def read(self) -> TcpInfo:
        """
        The current TCP_INFO.
        """
        return read_tcp_info(self._socket)

    def probe(self) -> None:
        """
        Make the kernel send a keepalive probe now.
        """
        send_keepalive_probe(self._socket)

    def note_probed(self) -> None:
        """
        A probe was sent: do not let an exporter on this host take the connection for one that hangs
        while the answer is awaited.
        """
        stop_keepalive(self._socket)

    async def wait(self, seconds: float) -> None:
        """
        Return when the server has sent something, or after the given seconds.
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
        Close the connection if the path still has it. Otherwise reset it, because a FIN would be
        retransmitted, and an exporter on this host would count an idle drop.
        """
        reading = self.read()
        if reading.is_dead or reading.at - reading.received_at > _ALIVE:
            reset(self._socket)
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
        # Errors and end of stream are visible in read().
        with suppress(OSError):
            self._socket.recv(_CHUNK)


async def _connect(sock: socket.socket, address: Address, source: Source) -> None:
    sock.setblocking(False)
    if source.interface is not None:
        bind_to_interface(sock, source.interface)
    if source.address is not None:
        sock.bind((source.address, 0))
    await asyncio.get_running_loop().sock_connect(sock, address.endpoint)
