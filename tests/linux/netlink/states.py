"""
How a connection, held at both ends, comes to each state and timer that the kernel reports.

A peer that is gone is played by one that hears nothing: a socket filter that drops whatever comes
in needs neither netfilter nor a route, and spares all other sockets.
"""

import contextlib
import ctypes
import struct
from collections.abc import Callable
from socket import SHUT_WR, SOL_SOCKET

from tests.lab import Keepalive
from tests.lab.traffic import Socket

_SO_ATTACH_FILTER = 26
_RETURN_NOTHING = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))
_DROP_ALL = struct.pack("@HP", 1, ctypes.addressof(_RETURN_NOTHING))


def deafen(sock: Socket) -> None:
    """
    Have the kernel drop whatever comes in for a socket.
    """
    sock.setsockopt(SOL_SOCKET, _SO_ATTACH_FILTER, _DROP_ALL)


def quiet(_client: Socket, _server: Socket) -> None:
    """
    A connection on which nothing has been sent.
    """


def used(client: Socket, server: Socket) -> None:
    """
    A connection that has carried data both ways.
    """
    for sender, receiver in ((client, server), (server, client)) * 2:
        sender.send(b"x" * 100)
        receiver.recv(100)


def unread(client: Socket, server: Socket) -> None:
    """
    Data waits at both ends: they are quiet with full receive queues.
    """
    client.send(b"x" * 300)
    server.send(b"x" * 500)


def half_closed(client: Socket, _server: Socket) -> None:
    """
    FIN_WAIT2 and CLOSE_WAIT.
    """
    client.shutdown(SHUT_WR)


def half_closed_with_an_end_to_read(client: Socket, server: Socket) -> None:
    """
    FIN_WAIT2 and CLOSE_WAIT, with data and an end that nobody has read.
    """
    client.send(b"x")
    half_closed(client, server)


def retransmitting(client: Socket, server: Socket) -> None:
    """
    Data is sent that nobody acknowledges.
    """
    deafen(server)
    client.send(b"x" * 1000)


def zero_window(client: Socket, _server: Socket) -> None:
    """
    The peer does not read, so that its window is probed.
    """
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            client.send(b"x" * 10_000)


def unanswered_probes(client: Socket, server: Socket) -> None:
    """
    Keepalive probes to a peer that is gone.
    """
    deafen(server)
    Keepalive(1, 20, 100).apply(client)


def fin_wait1_and_closing(client: Socket, server: Socket) -> None:
    """
    Both ends close; the client hears of it, the server does not.
    """
    deafen(server)
    client.shutdown(SHUT_WR)
    server.shutdown(SHUT_WR)


def last_ack(client: Socket, server: Socket) -> None:
    """
    The server closes last, and the client does not hear of it.
    """
    client.shutdown(SHUT_WR)
    deafen(client)
    server.shutdown(SHUT_WR)


def time_wait(client: Socket, server: Socket) -> None:
    """
    Both ends are closed and forgotten, but for the last trace of the client's.
    """
    client.close()
    server.close()


SHARES: dict[Callable[[Socket, Socket], None], int] = {
    quiet: 40,
    used: 20,
    unread: 10,
    half_closed: 12,
    half_closed_with_an_end_to_read: 4,
    retransmitting: 3,
    zero_window: 2,
    unanswered_probes: 2,
    fin_wait1_and_closing: 2,
    last_ack: 2,
    time_wait: 3,
}
"""How many in a hundred connections come to each state."""
