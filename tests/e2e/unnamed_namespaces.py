"""
Unnamed network namespaces, each with a process that holds sockets in it:
`python -m tests.e2e.unnamed_namespaces`.

It reads commands from standard input, one per line. "make NUMBER TIME SOCKETS" creates namespaces;
TIME is the keepalive time of the first in seconds and increases by one with each, SOCKETS is the
number of ESTABLISHED sockets in each. "end NUMBER" ends the oldest. The answer to each is a line
with the inode numbers of the namespaces as JSON. At the end of standard input, all of them end.
"""

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _hold(time: int, sockets: int, inode_pipe: int) -> None:
    """
    Create a namespace, write its inode number to the pipe, and wait.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if _libc.unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))
    Path("/proc/sys/net/ipv4/tcp_keepalive_time").write_text(str(time), encoding="ascii")
    held = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(sockets // 2):
            held += [socket.create_connection(server.getsockname()), server.accept()[0]]
        inode = Path("/proc/self/ns/net").stat().st_ino
        os.write(inode_pipe, struct.pack("=Q", inode))
        signal.pause()


def main() -> None:
    """
    Execute commands until the end of standard input.
    """
    children: list[tuple[int, int]] = []
    for line in sys.stdin:
        command, *numbers = line.split()
        first, *rest = map(int, numbers)
        if command == "make":
            time, sockets = rest
            made = []
            reader, writer = os.pipe()
            for offset in range(first):
                process = os.fork()
                if process == 0:
                    _hold(time + offset, sockets, writer)
                (inode,) = struct.unpack("=Q", os.read(reader, 8))
                made.append((process, inode))
            os.close(reader)
            os.close(writer)
            children += made
        else:
            made, children = children[:first], children[first:]
            for process, _ in made:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
        print(json.dumps([inode for _, inode in made]), flush=True)


if __name__ == "__main__":
    main()
