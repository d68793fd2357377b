"""
The servers to measure the path to.
"""

import socket
from dataclasses import dataclass
from typing import Any


class TargetError(Exception):
    """
    A server that is not named rightly, or whose name leads nowhere; the message says why.
    """


@dataclass(frozen=True, slots=True)
class Address:
    """
    A server's address, as socket.getaddrinfo() gives it.
    """

    family: int
    endpoint: tuple[Any, ...]

    @property
    def host(self) -> str:
        """
        The address in numbers.
        """
        return str(self.endpoint[0])


@dataclass(frozen=True, slots=True)
class Target:
    """
    A server as it was named, and its addresses, the preferred one first.
    """

    name: str
    addresses: tuple[Address, ...]


def resolve(name: str, source: str | None) -> Target:
    """
    The server with this name, host:port; where source is an address, with addresses of its family.

    Raises TargetError. Asks the resolver, which may take seconds.
    """
    host, _, port = name.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise TargetError(f"{name!r} is no server; write it like db.example.com:5432")
    if ":" in host and not bracketed:
        raise TargetError(f"{name!r}: an IPv6 address stands in brackets, like [2001:db8::10]:443")
    family = socket.AF_UNSPEC
    if source is not None:
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
    try:
        found = socket.getaddrinfo(
            host[1:-1] if bracketed else host, int(port), family, socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        reason = (getattr(error, "strerror", None) or "no host name").lower()
        raise TargetError(f"{name}: {reason}") from error
    return Target(name, tuple(Address(each[0], each[4]) for each in found))
