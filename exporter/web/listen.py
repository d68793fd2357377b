"""
Listen addresses in the format of Prometheus: :10240, 127.0.0.1:10240, [::1]:10240.
"""

import ipaddress
import socket

_BACKLOG = 128


class ListenError(Exception):
    """
    Listening failed. The message has the address and the reason.
    """


def parse_address(text: str) -> tuple[str, int]:
    """
    Host (empty: all addresses) and port. Raises ValueError.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not a listen address; examples: :10240, 127.0.0.1:10240")
    if ":" in host and not bracketed:
        raise ValueError(f"{text!r}: IPv6 addresses require brackets; example: [::1]:10240")
    return (host[1:-1] if bracketed else host), int(port)


def is_loopback(text: str) -> bool:
    """
    Whether the address is only reachable from this host.
    """
    host, _ = parse_address(text)
    try:
        return host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:  # no host: all addresses; or a name, which may change its address
        return False


def listen(text: str) -> socket.socket:
    """
    A listening socket; without a host, for IPv4 and IPv6. Raises ListenError.
    """
    host, port = parse_address(text)
    try:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG
            )
        family = socket.AF_INET
        if host:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except UnicodeError as error:
        raise ListenError(f"cannot listen on {text}: {host!r} is not a valid host name") from error
    except OSError as error:
        # create_server() appends the address, in brackets.
        reason = (error.strerror or str(error)).partition(" (while ")[0]
        raise ListenError(f"cannot listen on {text}: {reason.lower()}") from error


def describe(sock: socket.socket) -> str:
    """
    The address of a listening socket, in the format of parse_address().
    """
    host, port, *_ = sock.getsockname()
    if sock.family == socket.AF_INET6:
        host = f"[{host}]"
    return f"{host}:{port}"
