"""
Processes that hold a TCP socket, some of them in ways that would block whoever copies it.

Usage: `python -m tests.linux.holders KIND ADDRESS PORT [OPTION]`. It prints the socket's identity.
"""

import contextlib
import ctypes
import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from exporter.linux.borrowed_sockets import KnownSocket
from exporter.model import OwningProcess
from tests.exporter_process import ROOT

HOUR = 3600
_USERFAULTFD = 323 if os.uname().machine == "x86_64" else 282
_UFFDIO_API, _UFFDIO_REGISTER = 0xC018AA3F, 0xC020AA00
_SO_COOKIE = 57


def identify(sock: socket.socket, pid: int | None = None) -> KnownSocket:
    """
    The socket, held by a process under the same descriptor as here.
    """
    cookie = int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8), sys.byteorder)
    inode = os.fstat(sock.fileno()).st_ino
    holder = OwningProcess(pid or os.getpid(), "holder", sock.fileno())
    return KnownSocket(holder, os.getuid(), inode, cookie)


@contextlib.contextmanager
def holder(
    kind: str, address: tuple[str, int], *prefix: str, start: Any = subprocess.Popen
) -> Iterator[tuple["subprocess.Popen[str]", KnownSocket]]:
    """
    A process of this kind with a connection to address; prefix precedes the command.
    """
    argv: Sequence[str] = [sys.executable, "-m", "tests.linux.holders", kind, *map(str, address)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = start([*prefix, *argv], cwd=ROOT, **pipes)
    try:
        pid, descriptor, inode, cookie = json.loads(process.stdout.readline())
        found = OwningProcess(pid, "holder", descriptor)
        yield process, KnownSocket(found, os.getuid(), inode, cookie)
    finally:
        # A FUSE server has to end first: until then, whoever has its file open cannot exit.
        with contextlib.suppress(psutil.NoSuchProcess):  # the test has ended it
            for each in reversed(psutil.Process(process.pid).children(recursive=True)):
                each.kill()
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _plain(_: socket.socket) -> None:
    pass


def _lingering(sock: socket.socket) -> None:
    """
    Closing it waits for an hour, because the peer does not read.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, HOUR))
    sock.setblocking(False)
    try:
        while True:
            sock.send(bytes(1 << 20))
    except BlockingIOError:
        pass


def _locked(sock: socket.socket) -> None:
    """
    A thread sends from memory that never arrives, and holds the socket's lock meanwhile.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    faults = libc.syscall(_USERFAULTFD, os.O_CLOEXEC)
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for number, argument in (
        (_UFFDIO_API, struct.pack("=QQQ", 0xAA, 0, 0)),
        (_UFFDIO_REGISTER, struct.pack("=QQQQ", start, mmap.PAGESIZE, 1, 0)),
    ):
        assert libc.ioctl(faults, ctypes.c_ulong(number), argument) == 0
    thread = threading.Thread(target=sock.sendall, args=[memory], daemon=True)
    thread.start()
    stat = Path(f"/proc/self/task/{thread.native_id}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] == "R":
        time.sleep(0.01)  # until it sleeps in the kernel, with the lock


def _replaced(sock: socket.socket) -> None:
    """
    Its descriptor now refers to a file that cannot be closed: its FUSE server does not answer.
    """
    place = tempfile.mkdtemp()
    readable, writable = os.pipe()
    if os.fork() == 0:
        _serve_fuse(place, writable)
    os.read(readable, 1)
    os.dup2(os.open(f"{place}/file", os.O_RDONLY), sock.fileno())


def _serve_fuse(place: str, ready: int) -> None:
    """
    A file system (include/uapi/linux/fuse.h) with files that can be opened, and no more.
    """
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"test", place.encode(), b"fuse", 0, options.encode()) == 0
    os.write(ready, b"x")
    while True:
        request = os.read(device, 1 << 17)
        _, kind, unique, node = struct.unpack_from("=IIQQ", request)
        mode = 0o40755 if node == 1 and kind != 1 else 0o100644
        attributes = struct.pack("=6Q10I", 2, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
        answers = {
            1: struct.pack("=4Q2I", 2, 0, 0, 0, 0, 0) + attributes,  # LOOKUP
            3: struct.pack("=QII", 0, 0, 0) + attributes,  # GETATTR
            14: struct.pack("=QII", 1, 0, 0),  # OPEN
            26: struct.pack("=4I2H2I", 7, 31, 0, 0, 1, 1, 4096, 1) + bytes(36),  # INIT
        }
        if kind in answers and not (kind == 3 and node != 1):
            answer = answers[kind]
            os.write(device, struct.pack("=IiQ", 16 + len(answer), 0, unique) + answer)


_KINDS = {
    "plain": _plain,
    "lingering": _lingering,
    "locked": _locked,
    "replaced": _replaced,
}


def main() -> None:
    """
    Connect, print the socket's identity, and exit when standard input ends.
    """
    kind, address, port = sys.argv[1:]
    sock = socket.create_connection((address, int(port)))
    known = identify(sock)
    _KINDS[kind](sock)
    values = (known.holder.pid, known.holder.descriptor, known.inode, known.cookie)
    print(json.dumps(values), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
