"""
Keepalive options, and connections held at both ends.
"""

import errno
import select
import socket
import struct
from dataclasses import dataclass

Socket = socket.socket
"""
The type, for modules in which `socket` is another name.
"""


@dataclass(frozen=True, slots=True)
class Keepalive:
    """
    SO_KEEPALIVE enabled. A value of None leaves the namespace's sysctl in effect.

    time and interval are in seconds, 1..32767; probes is a count, 1..127.
    """

    time: int | None = None
    interval: int | None = None
    probes: int | None = None

    def apply(self, sock: socket.socket) -> None:
        """
        Set the options on a socket, connected or not.
        """
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            (socket.TCP_KEEPIDLE, self.time),
            (socket.TCP_KEEPINTVL, self.interval),
            (socket.TCP_KEEPCNT, self.probes),
        ):
            if value is not None:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)


@dataclass(frozen=True, slots=True)
class Connection:
    """
    One TCP connection, held at both ends.
    """

    client: socket.socket
    server: socket.socket

    def reaches_server(self, within: float = 2) -> bool:
        """
        Send a byte from the client; whether data arrives at the server within this many seconds.

        On a connection that has ended it returns False and consumes the socket's error.
        """
        return _reaches(self.client, self.server, within)

    def reaches_client(self, within: float = 2) -> bool:
        """
        Send a byte from the server; whether data arrives at the client within this many seconds.
        """
        return _reaches(self.server, self.client, within)

    def client_error(self, within: float = 0) -> str | None:
        """
        Wait this many seconds for an error of the client's socket, such as "ETIMEDOUT", or None.

        The kernel reports SO_ERROR once: the next call returns None.
        """
        return _error(self.client, within)

    def server_error(self, within: float = 0) -> str | None:
        """
        Wait for an error of the server's socket, as `client_error` does for the client's.
        """
        return _error(self.server, within)

    def close(self) -> None:
        """
        Close both ends gracefully, the client first.
        """
        self.client.close()
        self.server.close()


def abort(sock: socket.socket) -> None:
    """
    Close a socket at once, with a reset.

    After a graceful close the kernel keeps the socket, and therefore the namespace, until its FIN
    is answered or times out. That takes almost two minutes if the NAT mapping has expired.
    """
    if sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


def _reaches(sender: socket.socket, receiver: socket.socket, within: float) -> bool:
    try:
        sender.sendall(b"x")
        return _poll(receiver, select.POLLIN, within) and receiver.recv(4096) != b""
    except OSError:
        return False


def _error(sock: socket.socket, within: float) -> str | None:
    # poll() reports POLLERR and POLLHUP even if no event is requested.
    _poll(sock, 0, within)
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return errno.errorcode[number] if number else None


def _poll(sock: socket.socket, events: int, within: float) -> bool:
    # Not select(): it fails for file descriptors above 1023.
    poll = select.poll()
    poll.register(sock, events)
    return poll.poll(within * 1000) != []
