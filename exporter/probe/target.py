"""
The servers to measure.
"""

import socket
from dataclasses import dataclass
from typing import Any


class TargetError(Exception):
    """
    An invalid server, or a name that cannot be resolved. The message has the reason.
    """


@dataclass(frozen=True, slots=True)
class Address:
    """
    A server's address, in the form of socket.getaddrinfo().
    """

    family: int
    endpoint: tuple[Any, ...]

    @property
    def host(self) -> str:
        """
        The numeric address.
        """
        return str(self.endpoint[0])


@dataclass(frozen=True, slots=True)
class Target:
    """
    A server by the given name, and its addresses, the preferred one first.
    """

    name: str
    addresses: tuple[Address, ...]


def resolve(name: str, source: str | None) -> Target:
    """
    Resolve host:port. With a source address, only addresses of its family are used.

    Raises TargetError. Name resolution may block for seconds.
    """
    host, _, port = name.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise TargetError(f"{name!r} is not a server address; example: db.example.com:5432")
    if ":" in host and not bracketed:
        raise TargetError(f"{name!r}: IPv6 addresses require brackets; example: [2001:db8::10]:443")
    family = socket.AF_UNSPEC
    if source is not None:
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
    try:
        found = socket.getaddrinfo(
            host[1:-1] if bracketed else host, int(port), family, socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        reason = (getattr(error, "strerror", None) or "invalid host name").lower()
        raise TargetError(f"{name}: {reason}") from error
    return Target(name, tuple(Address(each[0], each[4]) for each in found))
