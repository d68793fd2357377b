"""
The table of connections on a terminal.
"""

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from exporter.cli.connections_table import render
from exporter.connections.listing import ConnectionListing
from exporter.model import Direction, OwningProcess
from tests.connections.examples import EXAMPLES, connection, look

LONGEST_IPV6 = "2001:db8:1111:2222:3333:4444:5555:6666"


def lines(shown: ConnectionListing, width: int, height: int | None = None) -> list[str]:
    """
    The lines of the table on a terminal of this size.
    """
    output = io.StringIO()
    console = Console(file=output, width=width, highlight=False)
    console.print(render(shown, console, height))
    return output.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 109, 110, 169, 170, 250])
def test_fits(width: int) -> None:
    """
    No line is wider than the terminal, whatever its content.
    """
    rows = (
        *EXAMPLES,
        connection(remote=LONGEST_IPV6, remote_port=65535, workload="w" * 200),
        connection(process=OwningProcess(4194304, "x" * 15, 3), idle=8589934.0, received=1e7),
    )
    for line in lines(look(*rows), width):
        assert cell_len(line) <= width


def test_wide() -> None:
    """
    On wide terminals, each connection has one line with all details.
    """
    shown = lines(look(*EXAMPLES), 200)
    (line,) = [line for line in shown if "java[4211]" in line and "5m12s" in line]
    assert line.split("  ")[0] == "at risk"
    words = " ".join(line.split())
    assert words == (
        "at risk none 5m12s of 4m over limit off no timer -> 203.0.113.10:5432 azure-outbound"
        " billing.service java[4211] pgjdbc?"
    )
    assert any(
        "late 3m25s of 4m near limit 5m + 3 x 100s check in 1m35s <- 198.51.100.23:51324"
        " azure-inbound :6379 redis-server.service redis-server[871]" in " ".join(line.split())
        for line in shown
    )


def test_80_columns() -> None:
    """
    On 80 columns, a connection has two lines with the same details.
    """
    shown = lines(look(*EXAMPLES), 80)
    first = next(number for number, line in enumerate(shown) if "5m12s" in line)
    assert [" ".join(line.split()) for line in shown[first : first + 2]] == [
        "at risk 5m12s of 4m off -> 203.0.113.10:5432 azure-outbound",
        "none over limit no timer billing.service java[4211] pgjdbc?",
    ]


def test_longest_address_is_complete() -> None:
    """
    An IPv6 address that does not fit into its column is folded, not truncated.
    """
    for width in (80, 170):
        shown = lines(look(connection(remote=LONGEST_IPV6)), width)
        start = next(number for number, line in enumerate(shown) if "->" in line)
        column = shown[start].index("->")
        pieces = (line[column:].split("  ")[0].strip() for line in shown[start : start + 4])
        assert f"->[{LONGEST_IPV6}]:5432" in "".join("".join(pieces).split())


def test_heading() -> None:
    """
    The heading has counts by risk, and a hint to --all if none is shown.
    """
    assert lines(look(*EXAMPLES), 80)[0] == (
        "6 connections: 1 stalled, 3 at risk, 1 unprotected, 1 safe."
    )
    nothing = look(by_risk=look(*EXAMPLES[5:]).by_risk)
    assert lines(nothing, 120)[0].startswith("1 connection: 1 safe. ")
    assert "--all" in lines(nothing, 120)[0]
    none = lines(look(), 80)
    assert [line for line in none if line.strip()] == ["0 connections."]


def test_unknown() -> None:
    """
    Unknown values are question marks. The user replaces an unknown process.
    """
    unknown = replace(EXAMPLES[1].keepalive, on=None, time=None)
    row = connection(workload=None, process=None, idle=None, path=None, keepalive=unknown)
    (line,) = [line for line in lines(look(row), 200) if "203.0.113.10" in line]
    assert line.split()[3:7] == ["?", "over", "limit", "?"]
    assert line.split()[-2:] == ["uid", "998"]


def test_lower_bound() -> None:
    """
    A lower bound of the keepalive time is marked with >=.
    """
    row = connection(keepalive=replace(EXAMPLES[5].keepalive, exact=False, interval=None))
    assert any(">= 2m" in line for line in lines(look(row), 200))


def test_advice_has_counts() -> None:
    """
    The advice below the table has the label of the table and the number of connections.
    """
    shown = "\n".join(lines(look(*EXAMPLES), 200))
    assert "none (2)" in shown
    assert shown.count("late (1)") == 2
    assert "stalled (1)" in shown


@pytest.mark.parametrize("height", [12, 24, 40])
@pytest.mark.parametrize("width", [80, 200])
def test_height(width: int, height: int) -> None:
    """
    With a height, as many connections as fit are shown, without advice. The others are counted.
    """
    rows = [connection(remote=f"203.0.113.{number}") for number in range(1, 100)]
    shown = lines(look(*rows, matching=150), width, height)
    number = sum("203.0.113." in line for line in shown)
    assert shown[-1] == f"... and {150 - number} more."
    assert height - 2 <= len(shown) <= height


def test_height_enough() -> None:
    """
    A listing that fits is complete.
    """
    rows = EXAMPLES[1:2]
    assert lines(look(*rows), 80, 40) == lines(look(*rows), 80)
    tiny = lines(look(*EXAMPLES), 80, 2)
    assert sum("node[5120]" in line for line in tiny) == 1
    assert tiny[-1] == "... and 5 more."


def test_hostile_names() -> None:
    """
    Names of processes and cgroups cannot inject escape sequences or markup.
    """
    name = "\x1b[2J\r[bold]x\u202e"
    shown = lines(look(connection(workload=name, process=OwningProcess(1, name, 3))), 200)
    (line,) = [line for line in shown if "203.0.113.10" in line]
    assert line.count("\\x1b[2J\\r[bold]x\\u202e") == 2
    assert all(each.isprintable() for line in shown for each in line)


def test_directions() -> None:
    """
    The arrow shows the direction. Inbound connections also show the local port.
    """
    shown = lines(look(connection(direction=Direction.INBOUND, local_port=6379)), 200)
    assert any("<- 203.0.113.10:5432" in line and "azure-outbound :6379" in line for line in shown)
