"""
Listen addresses as Prometheus writes them.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from exporter.web.listen import ListenError, describe, listen, parse_address
from tests.lab import Host, requires_lab


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":10240", ("", 10240)),
        (":0", ("", 0)),
        ("127.0.0.1:10240", ("127.0.0.1", 10240)),
        ("localhost:65535", ("localhost", 65535)),
        ("[::1]:10240", ("::1", 10240)),
        ("[::]:10240", ("::", 10240)),
        ("[fe80::1%eth0]:10240", ("fe80::1%eth0", 10240)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    """
    An address is a host, which may be left out, and a port.
    """
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "10240", ":", "::", "localhost", "127.0.0.1:", ":http", ":65536", ":-1", ":²"]
)
def test_no_addresses(text: str) -> None:
    """
    Anything else is refused, and the message shows an address.
    """
    message = f"{text!r} is no address to listen on; write it like :10240"
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_address(text)


@pytest.mark.parametrize("text", ["::1:10240", "fe80::1%eth0:80", "[::1:80", "::1]:80"])
def test_ipv6_without_brackets(text: str) -> None:
    """
    IPv6 addresses need their brackets, both of them.
    """
    with pytest.raises(ValueError, match=re.escape("stands in brackets, like [::1]:10240")):
        parse_address(text)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """
    A host that has IPv6, whatever the machine has.
    """
    with Host() as host:
        yield host


@requires_lab
@pytest.mark.parametrize(
    ("text", "reached_at", "refused_at"),
    [
        (":0", ["127.0.0.1", "::1"], []),
        ("127.0.0.1:0", ["127.0.0.1"], ["::1"]),
        ("[::1]:0", ["::1"], ["127.0.0.1"]),
        ("[::]:0", ["::1"], ["127.0.0.1"]),
        ("localhost:0", [], []),
    ],
)
def test_listening(host: Host, text: str, reached_at: list[str], refused_at: list[str]) -> None:
    """
    Port 0 is any free one; no host is IPv4 and IPv6; a host is that address alone.
    """
    with closing(host.call(listen, text)) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        for address in reached_at:
            host.connect(address, port).close()
        for address in refused_at:
            with pytest.raises(ConnectionRefusedError):
                host.connect(address, port)
        # What it says of itself leads to the same place.
        assert parse_address(describe(listener)) == listener.getsockname()[:2]


def test_port_in_use() -> None:
    """
    A port that is in use is named with the reason.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ListenError) as error:
            listen(address)
    assert str(error.value) == f"cannot listen on {address}: address already in use"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("192.0.2.1:0", "cannot assign requested address"),
        ("nowhere.invalid:0", "name or service not known"),
        ("..:0", "'..' is no host name"),
        (f"{'a' * 64}:0", f"'{'a' * 64}' is no host name"),
    ],
)
def test_cannot_listen(text: str, reason: str) -> None:
    """
    An address that this machine does not have is named with the reason, as is what is none.
    """
    with pytest.raises(ListenError) as error:
        listen(text)
    assert str(error.value) == f"cannot listen on {text}: {reason}"
