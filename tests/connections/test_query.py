"""
The remotes that can be asked for.
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
    """Addresses, networks and words, each with a port or without."""
    assert parse_remote(text) == remote


@pytest.mark.parametrize(
    "text",
    ["", "example.com", "203.0.113.9/24", "203.0.113", "[203.0.113.9", "2001:db8::1:x", "a:b"],
)
def test_what_is_none(text: str) -> None:
    """What is no remote is refused, with a word of what is allowed."""
    with pytest.raises(ValueError, match=r"write it like 203\.0\.113\.0/24"):
        parse_remote(text)


@pytest.mark.parametrize("text", [":0", ":65536", "203.0.113.9:99999"])
def test_no_such_port(text: str) -> None:
    """A port is a number that there can be."""
    with pytest.raises(ValueError, match="ports go from 1 to 65535"):
        parse_remote(text)
