"""
Values of a connection as text.
"""

from dataclasses import replace

import pytest

from exporter.connections.format import keepalive, workload
from exporter.connections.rows import Keepalive
from exporter.model import HOST_NETNS
from tests.connections.examples import OFF, connection

ON = replace(OFF, on=True)


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (ON, "2h + 9 x 75s"),
        (OFF, "off"),
        (replace(OFF, on=None), "?"),
        (replace(ON, time=None), "on"),
        (replace(ON, exact=False, interval=None, probes=None), ">= 2h"),
    ],
)
def test_keepalive(known: Keepalive, text: str) -> None:
    """Keepalive is shown as far as it is known."""
    assert keepalive(connection(keepalive=known)) == text


def test_workload() -> None:
    """The network namespace follows, except where it adds nothing."""
    assert workload(connection(workload="a.service", netns=HOST_NETNS)) == "a.service"
    assert workload(connection(workload="web", netns="web")) == "web"
    assert workload(connection(workload="a.service", netns="web\n")) == r"a.service in web\n"
    assert workload(connection(workload=None)) == "?"
