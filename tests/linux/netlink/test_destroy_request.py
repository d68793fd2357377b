"""
Requests for single sockets, answered by the kernel.
"""

import errno
import itertools
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import pytest
from pyroute2.netlink import NETLINK_SOCK_DIAG, NLMSG_ERROR

from exporter.linux.netlink import destroy_request
from exporter.linux.netlink.destroy_request import Diagnostics, SocketId
from exporter.linux.netlink.dump import dump
from exporter.model import CollectorError, TcpState
from tests.lab import LAB_MARKS, Connection, Host, Pair, pair
from tests.lab.watching import FAMILIES
from tests.linux.rights import CAP_NET_ADMIN, CAP_SYS_ADMIN, become_nobody

pytestmark = LAB_MARKS


@pytest.fixture
def lab() -> Iterator[Pair]:
    """
    A client and a server.
    """
    with pair() as hosts:
        yield hosts


_T = TypeVar("_T")


def diagnosed(host: Host, use: Callable[[Diagnostics], _T], *capabilities: int) -> _T:
    """
    What use returns for requests to a host's kernel, with all capabilities or only with these.
    """

    def run() -> _T:
        with Diagnostics() as diagnostics:
            if capabilities:
                become_nobody(*capabilities)
            return use(diagnostics)

    return host.call(run)


def identify(host: Host, client: socket.socket) -> SocketId:
    """
    The id of a host's connected socket, with the cookie from a dump.
    """
    local, remote = client.getsockname(), client.getpeername()
    (cookie,) = host.call(
        lambda: [
            int(table.cookie[row])
            for table in dump()
            for row in range(len(table))
            if table.local_port[row] == local[1]
        ]
    )
    addresses = (each[0].partition("%")[0].removeprefix("::ffff:") for each in (local, remote))
    return SocketId(next(addresses), local[1], next(addresses), remote[1], cookie)


def destroy(host: Host, wanted: SocketId) -> bool:
    """
    Whether the socket was found and ended.
    """

    def find_and_destroy(diagnostics: Diagnostics) -> bool:
        found = diagnostics.find(wanted)
        return found is not None and diagnostics.destroy(found)

    return diagnosed(host, find_and_destroy)


def check_ended(ended: Connection, other: Connection) -> None:
    """
    The client of the first got ECONNABORTED and its server a reset; the other still works.
    """
    assert ended.client_error(within=2) == "ECONNABORTED"
    assert ended.server_error(within=2) == "ECONNRESET"
    assert other.reaches_server()


@pytest.mark.parametrize("family", FAMILIES)
def test_one_socket(lab: Pair, family: int) -> None:
    """
    Of two connections to the same server, only the one that is meant ends.
    """
    meant, other = lab.connections(2, family=family)
    assert destroy(lab.client, identify(lab.client, meant.client))
    check_ended(meant, other)


def test_mapped(lab: Pair) -> None:
    """
    An IPv4 connection of an IPv6 socket is found by its IPv4 addresses.
    """
    other = lab.connect()
    listener = lab.server.listener()
    client = lab.client.socket(socket.AF_INET6)
    client.connect((f"::ffff:{lab.server.address}", listener.getsockname()[1]))
    server = lab.server.adopt(listener.accept()[0])
    assert destroy(lab.client, identify(lab.client, client))
    check_ended(Connection(client, server), other)


def test_bound_to_an_interface(lab: Pair) -> None:
    """
    A socket bound to an interface is found, although its id does not have the interface.
    """
    other = lab.connect()
    listener = lab.server.listener()
    client = lab.client.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    client.connect(listener.getsockname())
    server = lab.server.adopt(listener.accept()[0])
    assert destroy(lab.client, identify(lab.client, client))
    check_ended(Connection(client, server), other)


def test_other_cookie(lab: Pair) -> None:
    """
    A socket with the same addresses but another cookie is not found, and the kernel does not end
    it.
    """
    opened = lab.connect()
    wanted = identify(lab.client, opened.client)

    def destroy_other(diagnostics: Diagnostics) -> bool:
        found = diagnostics.find(wanted)
        assert found is not None
        other = found.request[:-8] + struct.pack("=Q", wanted.cookie + 1)
        return diagnostics.destroy(replace(found, request=other))

    assert not destroy(lab.client, replace(wanted, cookie=wanted.cookie + 1))
    assert not diagnosed(lab.client, destroy_other)
    assert opened.reaches_server()


def test_other_namespace(lab: Pair) -> None:
    """
    A socket of another network namespace is not found.
    """
    opened = lab.connect()
    assert not destroy(lab.server, identify(lab.client, opened.client))
    assert opened.reaches_server()


def test_what_is_found(lab: Pair) -> None:
    """
    The table has the socket as it is now, also when its application has closed it.
    """
    opened = lab.connect()
    wanted = identify(lab.client, opened.client)
    found = diagnosed(lab.client, lambda each: each.find(wanted))
    assert found is not None
    assert found.table.cookie.tolist() == [wanted.cookie]
    assert found.table.state.tolist() == [TcpState.ESTABLISHED]
    opened.client.close()
    found = diagnosed(lab.client, lambda each: each.find(wanted))
    assert found is not None
    assert found.table.state[0] != TcpState.ESTABLISHED


def test_permission(lab: Pair) -> None:
    """
    Ending requires CAP_NET_ADMIN; the message says so. Finding requires nothing.
    """
    opened = lab.connect()
    wanted = identify(lab.client, opened.client)

    def find_and_destroy(diagnostics: Diagnostics) -> bool:
        found = diagnostics.find(wanted)
        assert found is not None
        return diagnostics.destroy(found)

    for refused in (find_and_destroy, Diagnostics.require_destroy):
        with pytest.raises(PermissionError, match=r"^CAP_NET_ADMIN is required to end conn"):
            diagnosed(lab.client, refused, CAP_SYS_ADMIN)
    assert opened.reaches_server()
    diagnosed(lab.client, Diagnostics.require_destroy, CAP_NET_ADMIN)
    assert diagnosed(lab.client, find_and_destroy, CAP_NET_ADMIN)
    assert opened.client_error(within=2) == "ECONNABORTED"


def test_kernel_without_support(monkeypatch: pytest.MonkeyPatch, lab: Pair) -> None:
    """
    Where the kernel answers that it does not support the request, as for UNIX sockets, the message
    has the option that it lacks.
    """
    monkeypatch.setattr(destroy_request, "_FAMILIES", {4: socket.AF_UNIX})
    with pytest.raises(CollectorError, match="CONFIG_INET_DIAG_DESTROY"):
        diagnosed(lab.client, Diagnostics.require_destroy)


def test_messages_of_others(monkeypatch: pytest.MonkeyPatch, lab: Pair) -> None:
    """
    A message from another process is not taken for the kernel's answer.
    """
    opened = lab.connect()
    wanted = identify(lab.client, opened.client)
    monkeypatch.setattr(destroy_request, "_sequence", itertools.repeat(7))

    def destroy_after_forged_error(diagnostics: Diagnostics) -> bool:
        found = diagnostics.find(wanted)
        assert found is not None
        error = struct.pack("=IHHIIi", 20, NLMSG_ERROR, 0, 7, 0, -errno.ENOENT)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as other:
            other.sendto(error, diagnostics._netlink.getsockname())
        return diagnostics.destroy(found)

    assert diagnosed(lab.client, destroy_after_forged_error)
    assert opened.client_error(within=2) == "ECONNABORTED"
