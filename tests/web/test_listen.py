"""
Listen addresses in the format of Prometheus.
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
    An address is an optional host and a port.
    """
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "10240", ":", "::", "localhost", "127.0.0.1:", ":http", ":65536", ":-1", ":²"]
)
def test_no_addresses(text: str) -> None:
    """
    Anything else is rejected. The message has an example.
    """
    with pytest.raises(ValueError, match=f"^{re.escape(repr(text))} .*:10240"):
        parse_address(text)


@pytest.mark.parametrize("text", ["::1:10240", "fe80::1%eth0:80", "[::1:80", "::1]:80"])
def test_ipv6_without_brackets(text: str) -> None:
    """
    IPv6 addresses require both brackets.
    """
    with pytest.raises(ValueError, match=r"brackets.*\[::1\]:10240"):
        parse_address(text)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """
    A host with IPv6.
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
    Port 0 selects a free one. Without a host, IPv4 and IPv6 are served, otherwise only the host.
    """
    with closing(host.call(listen, text)) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        for address in reached_at:
            host.connect(address, port).close()
        for address in refused_at:
            with pytest.raises(ConnectionRefusedError):
                host.connect(address, port)
        # describe() returns an equivalent address.
        assert parse_address(describe(listener)) == listener.getsockname()[:2]


@pytest.mark.system
def test_port_in_use() -> None:
    """
    The error for a port in use has the address and the reason.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ListenError) as error:
            listen(address)
    assert str(error.value) == f"cannot listen on {address}: address already in use"


@pytest.mark.system
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("192.0.2.1:0", "cannot assign requested address"),
        ("..:0", "'..'"),
        (f"{'a' * 64}:0", f"'{'a' * 64}'"),
    ],
)
def test_cannot_listen(text: str, reason: str) -> None:
    """
    The error for a foreign or invalid address has the address and the reason.
    """
    with pytest.raises(ListenError) as error:
        listen(text)
    assert str(error.value).startswith(f"cannot listen on {text}: {reason}")


@pytest.mark.system
def test_no_such_host() -> None:
    """
    A host name without an address is reported with the reason, which differs without a network.
    """
    with pytest.raises(ListenError) as error:
        listen("nowhere.invalid:0")
    assert str(error.value).removeprefix("cannot listen on nowhere.invalid:0: ") in (
        "name or service not known",
        "temporary failure in name resolution",
    )
