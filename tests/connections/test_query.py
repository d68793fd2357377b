"""
Parsing of remotes.
"""

import pytest

from exporter.connections.query import Remote, parse_remote


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("203.0.113.9", Remote("203.0.113.9/32")),
        ("203.0.113.0/24", Remote("203.0.113.0/24")),
        ("203.0.113.9:443", Remote("203.0.113.9/32", 443)),
        ("203.0.113.0/24:443", Remote("203.0.113.0/24", 443)),
        ("2001:db8::1", Remote("2001:db8::1/128")),
        ("2001:db8::/32", Remote("2001:db8::/32")),
        ("[2001:db8::1]:443", Remote("2001:db8::1/128", 443)),
        (":5432", Remote("any", 5432)),
        ("public", Remote("public")),
        ("private:5432", Remote("private", 5432)),
    ],
)
def test_remotes(text: str, remote: Remote) -> None:
    """Addresses, networks and words, each with or without a port."""
    assert parse_remote(text) == remote


@pytest.mark.parametrize(
    "text",
    ["", "example.com", "203.0.113.9/24", "203.0.113", "[203.0.113.9", "2001:db8::1:x", "a:b"],
)
def test_invalid(text: str) -> None:
    """An invalid remote is rejected. The message has examples."""
    with pytest.raises(ValueError, match=r"203\.0\.113\.0/24, .*public, .*:5432"):
        parse_remote(text)


@pytest.mark.parametrize("text", [":0", ":65536", "203.0.113.9:99999"])
def test_no_such_port(text: str) -> None:
    """Ports range from 1 to 65535."""
    with pytest.raises(ValueError, match="1 to 65535"):
        parse_remote(text)
