"""
Port forwarding into a namespace, for example for a browser outside it.
"""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_WR, create_connection, socket
from threading import Thread

from .hosts import Host

_LOOPBACK = "127.0.0.1"
_ANY_PORT = 0


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


@contextmanager
def forward(host: Host, port: int) -> Iterator[int]:
    """
    Forward a loopback port outside the namespace to a port of the host; yields the outside port.

    It has the same number unless that is in use. It is a socket of this process and ends with it.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), host.call(create_connection, (_LOOPBACK, port)) as inside:
                back = Thread(target=_pump, args=(inside, self.request), daemon=True)
                back.start()
                _pump(self.request, inside)
                back.join()

    try:
        server = _Server((_LOOPBACK, port), Handler)
    except OSError:
        server = _Server((_LOOPBACK, _ANY_PORT), Handler)
    with server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def _pump(source: socket, sink: socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(SHUT_WR)
