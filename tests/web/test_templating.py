"""
Text filters of templates.
"""

import pytest

from exporter.web.templating import _address, _code


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("no code", "no code"),
        ("`fix --for sysctl` prints", "<code>fix --for sysctl</code> prints"),
        ("see `a` and `b`.", "see <code>a</code> and <code>b</code>."),
        ("<b> {} `<i>`", "&lt;b&gt; {} <code>&lt;i&gt;</code>"),
    ],
)
def test_code(text: str, html: str) -> None:
    """
    Text between backticks becomes code, and markup is escaped.
    """
    assert str(_code(text)) == html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("-> 203.0.113.7:443", "→\N{NO-BREAK SPACE}203.0.113.7<wbr>:443"),
        ("<- [2001:db8::1]:443", "←\N{NO-BREAK SPACE}[2001:db8::1]<wbr>:443"),
    ],
)
def test_address(text: str, html: str) -> None:
    """
    An address may only wrap before the port.
    """
    assert str(_address(text)) == html
