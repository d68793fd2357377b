"""
Many idle connections over loopback, held by several processes, in the caller's namespace.

Each process runs `python -m tests.bench.idle_connections PORT CONNECTIONS`. It holds both ends of
CONNECTIONS connections to its own port and prints "ready". It exits when its standard input is
closed, which also happens when the caller ends for any reason.
"""

import contextlib
import resource
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator

_FIRST_PORT = 1024
_MOST_CONNECTIONS = 10_000
"""Maximum per process. With more, not all processors would be used to open them."""
_SPARE_FILES = 200
_EVERY_NTH_IS_V6 = 4
_ABORT_ON_CLOSE = struct.pack("=ii", 1, 0)
"""A struct linger: closing with a reset instead of a FIN leaves no TIME_WAIT sockets."""


class IdleConnections:
    """
    ESTABLISHED sockets, two per connection. Keepalive is enabled on the client ends only.
    """

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []
        self._sockets = 0

    def grow(self, sockets: int) -> None:
        """
        Open sockets until there are this many (an even number).
        """
        soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = min((soft_limit - _SPARE_FILES) // 2, _MOST_CONNECTIONS)
        missing = (sockets - self._sockets) // 2
        started = [
            self._start(min(most, missing - begun)) for begun in range(0, max(missing, 0), most)
        ]
        for process in started:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("a process could not open its connections")
        self._sockets = max(sockets, self._sockets)

    def _start(self, connections: int) -> subprocess.Popen[str]:
        port = _FIRST_PORT + len(self._processes)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.idle_connections", str(port), str(connections)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C goes to the caller, which ends this process
        )
        self._processes.append(process)
        return process

    def close(self) -> None:
        """
        End the processes, which closes their sockets.
        """
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.communicate()


@contextlib.contextmanager
def idle_connections(sockets: int = 0) -> Iterator[IdleConnections]:
    """
    Connections with this many sockets at the start.
    """
    load = IdleConnections()
    try:
        load.grow(sockets)
        yield load
    finally:
        load.close()


def _hold(port: int, connections: int) -> None:
    held = []
    with (
        socket.create_server(("127.0.0.1", port)) as v4,
        socket.create_server(("::1", port), family=socket.AF_INET6) as v6,
    ):
        for number in range(connections):
            server = v4 if number % _EVERY_NTH_IS_V6 else v6
            client = socket.socket(server.family)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_ON_CLOSE)
            client.connect(server.getsockname())
            held += [client, server.accept()[0]]
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _hold(int(sys.argv[1]), int(sys.argv[2]))
