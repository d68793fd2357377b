"""
What the stream of destroy events does with its socket, whose other end stands for the kernel.
"""

import errno
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.linux.netlink import destroy_events, dump
from exporter.linux.netlink.destroy_events import DestroyEventStream
from exporter.model import CollectorError
from tests.linux.netlink.synthetic import DONE, attribute, connection, netlink

SOL_NETLINK, NETLINK_NO_ENOBUFS, NETLINK_SOCK_DIAG = 270, 5, 4
SO_RCVBUFFORCE, SO_MEMINFO = 33, 55
TCP_DESTROY_GROUPS = 0b101
"""SKNLGRP_INET_TCP_DESTROY and SKNLGRP_INET6_TCP_DESTROY (include/uapi/linux/sock_diag.h)."""


class NetlinkSocket(socket.socket):
    """
    A Unix socket that notes what is done to it instead of what only netlink and root can do.
    """

    def __init__(self, end: socket.socket, refused: dict[int, int]) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=end.detach())
        self.refused = refused
        self.options: list[tuple[Any, ...]] = []
        self.bound: Any = None
        self.drops = 0

    def setsockopt(self, *option: Any) -> None:
        """
        Note the option; raises PermissionError if it is refused.
        """
        if option[1] in self.refused:
            raise OSError(self.refused[option[1]], "refused")
        self.options.append(option)

    def getsockopt(self, *option: Any) -> Any:
        """
        The number of lost events, in SO_MEMINFO.
        """
        assert option == (socket.SOL_SOCKET, SO_MEMINFO, 36)
        return bytes(32) + self.drops.to_bytes(4, "little")

    def bind(self, address: Any) -> None:
        """
        Note the address.
        """
        self.bound = address


Ends = tuple[NetlinkSocket, socket.socket]


@pytest.fixture
def refused() -> dict[int, int]:
    """
    The error by socket option that the kernel refuses.
    """
    return {}


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch, refused: dict[int, int]) -> Iterator[Ends]:
    """
    The stream's socket, and the kernel's end.
    """
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    netlink_socket = NetlinkSocket(ours, refused)

    def make(*kind: int) -> socket.socket:
        assert kind == (socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
        return netlink_socket

    monkeypatch.setattr("exporter.linux.netlink.destroy_events.socket.socket", make)
    with netlink_socket, kernel:
        yield netlink_socket, kernel


def test_opened(ends: Ends) -> None:
    """
    It subscribes to both address families, after its buffer was set.
    """
    ours, _ = ends
    stream = DestroyEventStream()
    assert ours.bound == (0, TCP_DESTROY_GROUPS)
    assert ours.options == [
        (socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20),
        (socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20),
        (SOL_NETLINK, NETLINK_NO_ENOBUFS, 1),
    ]
    assert not ours.getblocking()
    assert (stream.lost, stream.fileno()) == (0, ours.fileno())
    stream.limit_buffer(1000)
    assert ours.options[-1] == (socket.SOL_SOCKET, SO_RCVBUFFORCE, 1000)
    stream.close()
    assert stream.fileno() == -1


@pytest.mark.usefixtures("ends")
def test_without_privilege(refused: dict[int, int]) -> None:
    """
    Without CAP_NET_ADMIN the buffer has the size that the system allows.
    """
    refused[SO_RCVBUFFORCE] = errno.EPERM
    assert DestroyEventStream().lost == 0


@pytest.mark.usefixtures("ends")
def test_not_available(refused: dict[int, int]) -> None:
    """
    The error has the kernel's reason.
    """
    refused[NETLINK_NO_ENOBUFS] = errno.ENOPROTOOPT
    with pytest.raises(CollectorError, match=r"^cannot receive closure events: refused$"):
        DestroyEventStream()


def test_events(ends: Ends) -> None:
    """
    All pending events are received; without any, none.
    """
    ours, kernel = ends
    stream = DestroyEventStream()
    assert stream.receive() == []
    for cookie in (7, 8):
        kernel.send(connection(kind=20, sequence=0, cookie=cookie))
    ours.drops = 3
    before = time.monotonic()
    (table,) = stream.receive()
    assert table.cookie.tolist() == [7, 8]
    assert before <= table.read_at[0] <= time.monotonic()
    assert stream.lost == 3
    assert stream.receive() == []


def test_full_batch(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    One call receives no more events of the largest size than the buffer has room for; the next
    one the rest.
    """
    monkeypatch.setattr(destroy_events, "_BATCH_SIZE", 2 * destroy_events._EVENT_SIZE)
    _, kernel = ends
    stream = DestroyEventStream()
    rest = destroy_events._EVENT_SIZE - len(connection(attribute(99, b"")))
    large = attribute(99, bytes(rest))
    for cookie in (1, 2, 3):
        kernel.send(connection(large, sequence=0, cookie=cookie))
    received = [[each.cookie.tolist() for each in stream.receive()] for _ in range(3)]
    assert received == [[[1, 2]], [[3]], []]


@pytest.mark.parametrize("message", [b"junk", netlink(DONE, b"\xf4\xff\xff\xff", sequence=0)])
def test_invalid(ends: Ends, message: bytes) -> None:
    """
    Anything but an event is an error.
    """
    _, kernel = ends
    stream = DestroyEventStream()
    kernel.send(message)
    with pytest.raises(CollectorError, match=r"^unexpected netlink message: "):
        stream.receive()


@pytest.mark.usefixtures("ends")
def test_socket_of_dumps(monkeypatch: pytest.MonkeyPatch, ends: Ends) -> None:
    """
    A dump's socket is bound and does not block; it is closed if the kernel refuses it.
    """
    ours, _ = ends
    assert dump._connect() is ours
    assert ours.bound == (0, 0)
    assert not ours.getblocking()

    def refuse(_: Any) -> None:
        raise OSError(errno.EPERM, "refused")

    monkeypatch.setattr(ours, "bind", refuse)
    with pytest.raises(OSError, match="refused"):
        dump._connect()
    assert ours.fileno() == -1


def test_broken(ends: Ends) -> None:
    """
    An error of the socket is a CollectorError.
    """
    ours, _ = ends
    stream = DestroyEventStream()
    ours.shutdown(socket.SHUT_RD)
    ours.close()
    with pytest.raises(CollectorError, match=r"^cannot receive closure events: .*descriptor"):
        stream.receive()
