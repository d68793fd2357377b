"""
The bytes of a dump of TCP sockets, requested and received without the exporter's code.
"""

import socket
import struct
from enum import IntEnum

SEQUENCE = 1
ALL_STATES = 0xFFF

_NETLINK_SOCK_DIAG = 4
_TCPDIAG_GETSOCK, _SOCK_DIAG_BY_FAMILY = 18, 20
_NLM_F_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI48x")
_OLDER_REQUEST = struct.Struct("=BBBB48xII")


class Extensions(IntEnum):
    """
    The attributes to request: bit number - 1 for each attribute number.
    """

    NONE = 0
    INFO = 1 << 1
    ALL = 0xFF


def capture(
    states: int = ALL_STATES, extensions: int = Extensions.INFO, protocol: int = socket.IPPROTO_TCP
) -> bytes:
    """
    The consecutive dumps of both address families.

    They have the sockets of the calling thread's namespace, with the attributes that its user may
    read.
    """
    datagrams: list[bytes] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(10)
        for family in (socket.AF_INET, socket.AF_INET6):
            netlink.send(request(family, states, extensions, protocol))
            datagrams.append(netlink.recv(1 << 16))
            while not _ends(datagrams[-1]):
                datagrams.append(netlink.recv(1 << 16))
    return b"".join(datagrams)


def request(
    family: int,
    states: int,
    extensions: int = Extensions.INFO,
    protocol: int = socket.IPPROTO_TCP,
    sequence: int = SEQUENCE,
) -> bytes:
    """
    The request for a dump of one family (struct inet_diag_req_v2).
    """
    body = _REQUEST.pack(family, protocol, extensions, states)
    length = _HEADER.size + len(body)
    return _HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, sequence, 0) + body


def request_for_both(states: int) -> bytes:
    """
    The older request, for a dump of both families (struct inet_diag_req).
    """
    body = _OLDER_REQUEST.pack(socket.AF_UNSPEC, 0, 0, Extensions.INFO, states, 0)
    length = _HEADER.size + len(body)
    return _HEADER.pack(length, _TCPDIAG_GETSOCK, _NLM_F_REQUEST_DUMP, SEQUENCE, 0) + body


def messages(data: bytes) -> list[bytes]:
    """
    The messages of complete datagrams, including padding.
    """
    found: list[bytes] = []
    position = 0
    while position < len(data):
        (length,) = struct.unpack_from("=I", data, position)
        end = position + length + -length % 4
        found.append(data[position:end])
        position = end
    return found


def _ends(datagram: bytes) -> bool:
    kinds = [_HEADER.unpack_from(message)[1] for message in messages(datagram)]
    return _NLMSG_DONE in kinds or _NLMSG_ERROR in kinds
