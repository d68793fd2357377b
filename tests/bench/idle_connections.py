"""
A crowd of idle connections over loopback, spread over processes, in the caller's namespace.

Each process runs `python -m tests.bench.crowd PORT CONNECTIONS`: it holds both ends of CONNECTIONS
connections to its own port, says "ready" on standard output and stays until its standard input
ends, which it does when the caller ends, however it ends.
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
"""In one process: with more, the processors would not all take part in opening them."""
_SPARE_FILES = 200
_EVERY_NTH_IS_V6 = 4
_ABORT_ON_CLOSE = struct.pack("=ii", 1, 0)
"""A struct linger: a reset instead of a FIN leaves no TIME_WAIT sockets behind."""


class Crowd:
    """
    ESTABLISHED sockets, two a connection; every client has keepalive on, no server has.
    """

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []
        self._sockets = 0

    def grow(self, sockets: int) -> None:
        """
        Open as many more as are missing to this number (an even one).
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
                raise RuntimeError("a process of the crowd could not open its connections")
        self._sockets = max(sockets, self._sockets)

    def _start(self, connections: int) -> subprocess.Popen[str]:
        port = _FIRST_PORT + len(self._processes)
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.idle_connections", str(port), str(connections)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the caller, which then ends this process
        )
        self._processes.append(process)
        return process

    def close(self) -> None:
        """
        End the processes, and their sockets with them.
        """
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.communicate()


@contextlib.contextmanager
def crowd(sockets: int = 0) -> Iterator[Crowd]:
    """
    A crowd of this many sockets to begin with.
    """
    people = Crowd()
    try:
        people.grow(sockets)
        yield people
    finally:
        people.close()


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
