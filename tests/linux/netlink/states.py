"""
Functions that bring a connection to each state and timer that the kernel reports.

A vanished peer is simulated by a socket filter that drops everything incoming: it needs neither
netfilter nor a route, and does not affect other sockets.
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


def drop_incoming(sock: Socket) -> None:
    """
    Make the kernel drop everything that arrives for a socket.
    """
    sock.setsockopt(SOL_SOCKET, _SO_ATTACH_FILTER, _DROP_ALL)


def quiet(_client: Socket, _server: Socket) -> None:
    """
    A connection on which nothing has been sent.
    """


def used(client: Socket, server: Socket) -> None:
    """
    A connection that has carried data in both directions.
    """
    for sender, receiver in ((client, server), (server, client)) * 2:
        sender.send(b"x" * 100)
        receiver.recv(100)


def unread(client: Socket, server: Socket) -> None:
    """
    Unread data at both ends, otherwise idle.
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
    FIN_WAIT2 and CLOSE_WAIT, with unread data and an unread end of file.
    """
    client.send(b"x")
    half_closed(client, server)


def retransmitting(client: Socket, server: Socket) -> None:
    """
    Data that is not acknowledged.
    """
    drop_incoming(server)
    client.send(b"x" * 1000)


def zero_window(client: Socket, _server: Socket) -> None:
    """
    The peer does not read, so that the kernel probes its window.
    """
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            client.send(b"x" * 10_000)


def unanswered_probes(client: Socket, server: Socket) -> None:
    """
    Keepalive probes to a vanished peer.
    """
    drop_incoming(server)
    Keepalive(1, 20, 100).apply(client)


def fin_wait1_and_closing(client: Socket, server: Socket) -> None:
    """
    Both ends close; only the client receives the other end's FIN.
    """
    drop_incoming(server)
    client.shutdown(SHUT_WR)
    server.shutdown(SHUT_WR)


def last_ack(client: Socket, server: Socket) -> None:
    """
    The server closes last, and the client does not receive its FIN.
    """
    client.shutdown(SHUT_WR)
    drop_incoming(client)
    server.shutdown(SHUT_WR)


def time_wait(client: Socket, server: Socket) -> None:
    """
    Both ends are closed; only the client's TIME_WAIT is left.
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
"""Percentage of connections that are brought to each state."""
