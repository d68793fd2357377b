"""
A look as the terminal shows it.
"""

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from exporter.cli.connections_table import render
from exporter.connections.listing import Look
from exporter.model import Direction, Holder
from tests.connections.examples import EXAMPLES, connection, look

LONGEST_IPV6 = "2001:db8:1111:2222:3333:4444:5555:6666"


def lines(shown: Look, width: int, height: int | None = None) -> list[str]:
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
    No line is wider than the terminal, whatever is in it.
    """
    rows = (
        *EXAMPLES,
        connection(remote=LONGEST_IPV6, remote_port=65535, workload="w" * 200),
        connection(process=Holder(4194304, "x" * 15, 3), idle=8589934.0, received=1e7),
    )
    for line in lines(look(*rows, first=True), width):
        assert cell_len(line) <= width


def test_wide() -> None:
    """
    Where there is room each connection has one line, with all there is to say.
    """
    shown = lines(look(*EXAMPLES), 200)
    (line,) = [line for line in shown if "java[4211]" in line and "5m12s" in line]
    assert line.split("  ")[0] == "at risk"
    words = " ".join(line.split())
    assert words == (
        "at risk none 5m12s of 4m over limit off no timer -> 203.0.113.10:5432 azure-outbound"
        " billing.service java[4211]"
    )
    assert any(
        "late 3m25s of 4m near limit 5m + 3 x 100s check in 1m35s <- 198.51.100.23:51324"
        " azure-inbound :6379 redis-server.service redis-server[871]" in " ".join(line.split())
        for line in shown
    )


def test_80_columns() -> None:
    """
    On 80 columns it has two lines, and what is said is the same.
    """
    shown = lines(look(*EXAMPLES), 80)
    first = next(number for number, line in enumerate(shown) if "5m12s" in line)
    assert [" ".join(line.split()) for line in shown[first : first + 2]] == [
        "at risk 5m12s of 4m off -> 203.0.113.10:5432 azure-outbound",
        "none over limit no timer billing.service java[4211]",
    ]


def test_the_longest_address_is_whole() -> None:
    """
    An IPv6 address that does not fit into its column is folded, not cut.
    """
    for width in (80, 170):
        shown = lines(look(connection(remote=LONGEST_IPV6)), width)
        start = next(number for number, line in enumerate(shown) if "->" in line)
        column = shown[start].index("->")
        pieces = (line[column:].split("  ")[0].strip() for line in shown[start : start + 4])
        assert f"->[{LONGEST_IPV6}]:5432" in "".join("".join(pieces).split())


def test_heading() -> None:
    """
    How many there are of each kind; when none is shown, how to see them.
    """
    assert lines(look(*EXAMPLES), 80)[0] == (
        "6 connections: 1 stalled, 3 at risk, 1 unprotected, 1 safe."
    )
    nothing = look(by_risk=look(*EXAMPLES[5:]).by_risk)
    assert lines(nothing, 120)[0].startswith("1 connection: 1 safe. Nothing to show; --all")
    none = lines(look(first=True), 80)
    assert [line for line in none if line.strip()] == ["0 connections."]


def test_unknown() -> None:
    """
    What is not known is shown as such: a question mark, or the user instead of the process.
    """
    unknown = replace(EXAMPLES[1].keepalive, on=None, time=None)
    row = connection(workload=None, process=None, idle=None, path=None, keepalive=unknown)
    (line,) = [line for line in lines(look(row), 200) if "203.0.113.10" in line]
    assert line.split()[3:7] == ["?", "over", "limit", "?"]
    assert line.split()[-2:] == ["uid", "998"]


def test_lower_bound() -> None:
    """
    A keepalive time that is known from below only says so.
    """
    row = connection(keepalive=replace(EXAMPLES[5].keepalive, exact=False, interval=None))
    assert any(">= 2m" in line for line in lines(look(row), 200))


def test_advice_says_for_how_many() -> None:
    """
    Below the table is what to change, marked by what stands in the table.
    """
    shown = "\n".join(lines(look(*EXAMPLES), 200))
    assert "none (2)" in shown
    assert shown.count("late (1)") == 2
    assert "stalled (1)" in shown


@pytest.mark.parametrize("height", [12, 24, 40])
@pytest.mark.parametrize("width", [80, 200])
def test_height(width: int, height: int) -> None:
    """
    With a height there are as many connections as fit, rather than advice; the others are counted.
    """
    rows = [connection(remote=f"203.0.113.{number}") for number in range(1, 100)]
    shown = lines(look(*rows, matching=150), width, height)
    number = sum("203.0.113." in line for line in shown)
    assert shown[-1] == f"... and {150 - number} more."
    assert height - 2 <= len(shown) <= height


def test_height_enough() -> None:
    """
    What fits is shown whole.
    """
    rows = EXAMPLES[1:2]
    assert lines(look(*rows), 80, 40) == lines(look(*rows), 80)
    tiny = lines(look(*EXAMPLES), 80, 2)
    assert sum("node[5120]" in line for line in tiny) == 1
    assert tiny[-1] == "... and 5 more."


def test_hostile_names() -> None:
    """
    A process or a cgroup cannot write to the terminal, nor put marks into the table.
    """
    name = "\x1b[2J\r[bold]x\u202e"
    shown = lines(look(connection(workload=name, process=Holder(1, name, 3))), 200)
    (line,) = [line for line in shown if "203.0.113.10" in line]
    assert line.count("\\x1b[2J\\r[bold]x\\u202e") == 2
    assert all(each.isprintable() for line in shown for each in line)


def test_directions() -> None:
    """
    An arrow tells who connected; of an inbound connection the port it came in at is shown too.
    """
    shown = lines(look(connection(direction=Direction.INBOUND, local_port=6379)), 200)
    assert any("<- 203.0.113.10:5432" in line and "azure-outbound :6379" in line for line in shown)
