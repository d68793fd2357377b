"""
Processes that hold connections, run inside a host of the lab.

Usage: `python -m tests.e2e.connection_holders ADDRESS PORT COMMAND ...`

`hold NUMBER [TIME]` opens this many connections, with a keepalive time in seconds if one is given,
and prints "ready". For a line on standard input, it sends a byte on each connection, reads the
answer or reset, and closes it.

`move TREE NUMBER` creates this many cgroups, one after the other, moves itself into each and opens
a connection there. It keeps the last hundred connections and fifty cgroups, and then prints "done".
"""

import socket
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path

from tests.lab import Keepalive

_KEPT = 100


def _hold(address: tuple[str, int], number: str, time: str = "") -> None:
    held = [socket.create_connection(address) for _ in range(int(number))]
    for connection in held if time else ():
        Keepalive(int(time), 1, 8).apply(connection)
    print("ready", flush=True)
    for _ in sys.stdin:
        for connection in held:
            connection.sendall(b"x")
            with suppress(ConnectionResetError):
                connection.recv(1)
            connection.close()


def _move(address: tuple[str, int], tree: str, number: str) -> None:
    connections: deque[socket.socket] = deque()
    cgroups: deque[Path] = deque()
    for name in range(int(number)):
        cgroups.append(Path(tree, f"run-{name}.scope"))
        cgroups[-1].mkdir()
        (cgroups[-1] / "cgroup.procs").write_text("0")
        connections.append(socket.create_connection(address))
        if len(connections) > _KEPT:
            connections.popleft().close()
        if len(cgroups) > _KEPT // 2:
            cgroups.popleft().rmdir()
    print("done", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    address = (sys.argv[1], int(sys.argv[2]))
    (_hold if sys.argv[3] == "hold" else _move)(address, *sys.argv[4:])
