"""
Programs that hold connections: `python -m tests.e2e.people ADDRESS PORT ...`, inside a lab's host.

`... hold NUMBER [TIME]` opens so many connections, with a keepalive time if one is given, and says
"ready"; given a line, it sends a byte on each of them, and closes those that are answered a reset.
`... wander TREE NUMBER` makes so many cgroups, one after the other, and opens a connection in each.
The last hundred connections stay open, the last fifty cgroups are there, then it says "done".
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


def _wander(address: tuple[str, int], tree: str, number: str) -> None:
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
    (_hold if sys.argv[3] == "hold" else _wander)(address, *sys.argv[4:])
