"""
The table of destinations on a terminal.
"""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from exporter.cli.destinations_table import render
from exporter.connections.destinations import Destination
from tests.connections.examples import DESTINATIONS, OUTBOUND, look_by_destination


def lines(
    *rows: Destination, width: int = 160, height: int | None = None, number: int = 0
) -> list[str]:
    """
    The lines of the table on a terminal of this size.
    """
    output = io.StringIO()
    console = Console(file=output, width=width, highlight=False)
    listing = look_by_destination(*rows, number=number or len(rows))
    console.print(render(listing, console, height))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_rows() -> None:
    """
    Each destination has one line with its numbers, path and workloads.
    """
    shown = [" ".join(line.split()) for line in lines(*DESTINATIONS)]
    assert shown[0] == "988 connections: 437 at risk, 539 safe, 12 on no path."
    assert shown[-3:] == [
        (
            "912 31 404 203.0.113.10:5432 azure-outbound billing.service 890,"
            " shop/checkout-6d5f7c9b4-x2x7q 22"
        ),
        "64 0 2 [2001:db8:51:7::10]:443 azure-outbound 4f2a9c1b7d3e 64",
        "12 0 0 10.0.0.9:6379 none billing.service 12",
    ]


@pytest.mark.parametrize("width", [40, 80, 110, 200])
def test_fits(width: int) -> None:
    """
    No line is wider than the terminal.
    """
    long = Destination("2001:db8:1:2:3:4:5:6", 65535, OUTBOUND, 10**7, 0, 0, (("w" * 200, 9),))
    for line in lines(*DESTINATIONS, long, width=width):
        assert cell_len(line) <= width


def test_height() -> None:
    """
    With too little height, the first rows remain, and the number of the others.
    """
    shown = lines(*DESTINATIONS, height=6)
    assert len(shown) <= 6
    assert "912" in shown[4]
    assert shown[-1] == "... and 2 more."


def test_limited() -> None:
    """
    The number of destinations that the limit left out is shown.
    """
    assert lines(*DESTINATIONS, number=1_503)[-1] == "... and 1,500 more."


def test_hostile_names() -> None:
    """
    Names of workloads are escaped.
    """
    row = Destination("203.0.113.1", 443, None, 1, 0, 0, (("a\x1b[31m[bold]", 1),))
    assert "a\\x1b[31m[bold] 1" in lines(row)[-1]


def test_without_workloads() -> None:
    """
    Without names of workloads a question mark is shown, and the reason below the table.
    """
    row = Destination("203.0.113.1", 443, None, 1, 0, 0, ())
    assert lines(row)[-1].endswith(" ?")
