"""
Requests for one socket: its state, and SOCK_DESTROY, which ends it.

Both identify the socket by addresses, ports and cookie (inet_diag_find_one_icsk in
net/ipv4/inet_diag.c), in the network namespace in which the Diagnostics were opened.
"""

import errno
import itertools
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

from pyroute2.netlink import NETLINK_SOCK_DIAG, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR
from pyroute2.netlink.diag import SOCK_DIAG_BY_FAMILY

from exporter.linux.netlink.decode import check_status, decode
from exporter.linux.netlink.layout import INFO, NETLINK_HEADER, DecodeError
from exporter.linux.netns.enter import has_capability, refusal
from exporter.model import CollectorError, ConnectionTable

if sys.platform != "linux":
    raise ImportError("netlink exists on Linux only")

_SOCK_DESTROY = 21  # include/uapi/linux/sock_diag.h; pyroute2 has no name for it
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_KERNEL = 0
"""The port of the kernel's own netlink sockets."""
_TIMEOUT = 5.0
_LARGEST_ANSWER = 32 << 10
_PROTOCOL = struct.Struct("=BBBx4x")
"""struct inet_diag_req_v2 up to its id: family, protocol, extensions, states (not used here)."""
_ADDRESSES = struct.Struct(">HH16s16s")
"""struct inet_diag_sockid: local port, remote port, local address, remote address. An IPv4 address
is followed by zeros."""
_INTERFACE_AND_COOKIE = struct.Struct("=IQ")
_PURPOSE = "to end connections"

_sequence = itertools.count(1)


@dataclass(frozen=True, slots=True)
class SocketId:
    """
    A connection's socket. Addresses are text, IPv4-mapped ones in the form of IPv4.
    """

    local: str
    local_port: int
    remote: str
    remote_port: int
    cookie: int


@dataclass(frozen=True, slots=True)
class FoundSocket:
    """
    A table with one row, and the request that found it.
    """

    table: ConnectionTable
    request: bytes


class Diagnostics:
    """
    A netlink socket for requests to the calling thread's network namespace; a context manager.

    All methods raise CollectorError if the kernel cannot be asked or gives an unexpected answer.
    """

    def __init__(self) -> None:
        try:
            self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
            self._netlink.bind((0, 0))
        except OSError as error:
            raise CollectorError(f"netlink is not available here ({error.strerror})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._netlink.close()

    def find(self, wanted: SocketId) -> FoundSocket | None:
        """
        The socket as it is now, in any state; None if it no longer exists.

        A socket that is bound to an interface is found only with the index of that interface.
        """
        for interface in _interfaces():
            request = _request(wanted, interface)
            try:
                answer, sequence = self._ask(SOCK_DIAG_BY_FAMILY, request)
                tables = decode(memoryview(answer), sequence, time.monotonic()).tables
            except (OSError, DecodeError) as error:
                if isinstance(error, OSError) and error.errno == errno.ENOENT:
                    continue
                raise CollectorError(f"cannot read a socket: {error}") from error
            return FoundSocket(tables[0], request)
        return None

    def destroy(self, found: FoundSocket) -> bool:
        """
        End the connection with ECONNABORTED, and a reset to the peer. False if it no longer exists.

        The kernel compares the cookie again. Raises PermissionError with the reason.
        """
        try:
            self._destroy(found.request)
        except PermissionError as error:
            raise PermissionError(refusal("CAP_NET_ADMIN", _PURPOSE)) from error
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise CollectorError(_explain(error)) from error
        return True

    def require_destroy(self) -> None:
        """
        Raise CollectorError if the kernel cannot end connections, PermissionError with the reason
        if this process may not. Nothing is ended.
        """
        # The kernel looks for the socket before it checks the permission, and no socket has port 0.
        nothing = _request(SocketId("127.0.0.1", 0, "127.0.0.1", 0, cookie=1), interface=0)
        try:
            self._destroy(nothing)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise CollectorError(_explain(error)) from error
        if not has_capability("CAP_NET_ADMIN"):
            raise PermissionError(refusal("CAP_NET_ADMIN", _PURPOSE))

    def _destroy(self, request: bytes) -> None:
        """
        Raises OSError with the kernel's error number, and CollectorError.
        """
        answer, sequence = self._ask(_SOCK_DESTROY, request, NLM_F_ACK)
        _, kind, _, number, _ = NETLINK_HEADER.unpack_from(answer)
        if kind != NLMSG_ERROR or number != sequence:
            raise CollectorError(f"unexpected netlink message of type {kind}")
        try:
            check_status(answer)
        except DecodeError as error:
            raise CollectorError(f"unexpected netlink message: {error}") from error

    def _ask(self, kind: int, request: bytes, flags: int = 0) -> tuple[bytes, int]:
        """
        The kernel's answer, and the sequence number that it must have. Raises OSError.
        """
        sequence = next(_sequence)
        length = NETLINK_HEADER.size + len(request)
        header = NETLINK_HEADER.pack(length, kind, NLM_F_REQUEST | flags, sequence, 0)
        self._netlink.sendto(header + request, (_KERNEL, 0))
        deadline = time.monotonic() + _TIMEOUT
        while (left := deadline - time.monotonic()) > 0:
            self._netlink.settimeout(left)
            answer, (sender, _) = self._netlink.recvfrom(_LARGEST_ANSWER)
            # Privileged processes may send to this socket, too.
            if sender == _KERNEL:
                return answer, sequence
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def _interfaces() -> Iterator[int]:
    """
    0, for sockets that are not bound, and the index of each interface.
    """
    yield 0
    for index, _ in socket.if_nameindex():
        yield index


def _request(wanted: SocketId, interface: int) -> bytes:
    """
    A struct inet_diag_req_v2. With AF_INET, the kernel also finds IPv4-mapped connections of
    AF_INET6 sockets.
    """
    local, remote = ip_address(wanted.local), ip_address(wanted.remote)
    family = _FAMILIES[remote.version]
    addresses = _ADDRESSES.pack(wanted.local_port, wanted.remote_port, local.packed, remote.packed)
    return (
        _PROTOCOL.pack(family, socket.IPPROTO_TCP, 1 << (INFO - 1))
        + addresses
        + _INTERFACE_AND_COOKIE.pack(interface, wanted.cookie)
    )


def _explain(error: OSError) -> str:
    if error.errno == errno.EOPNOTSUPP:
        return (
            "this kernel cannot end connections of other processes; that requires Linux 4.5 or"
            " newer with CONFIG_INET_DIAG_DESTROY"
        )
    return f"cannot end connections: {error.strerror or error}"
