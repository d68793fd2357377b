"""
Pages of a terminal: a heading, as many rows of a table as fit, and notes.
"""

from bisect import bisect_left
from collections.abc import Callable

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleRenderable, Group
from rich.table import Table
from rich.text import Text

from exporter.connections import format as words
from exporter.connections.listing import Listing
from exporter.model import Risk

STYLES = {
    Risk.STALLED: "bold red",
    Risk.UNANSWERED: "bold red",
    Risk.AT_RISK: "red",
    Risk.UNPROTECTED: "yellow",
    Risk.PEER_CLOSED: "yellow",
    Risk.UNKNOWN: "yellow",
    Risk.SAFE: "green",
    Risk.NO_PATH: "dim",
}


def page(
    above: Callable[[int], ConsoleRenderable],
    below: ConsoleRenderable,
    rows: int,
    console: Console,
    height: int | None,
) -> ConsoleRenderable:
    """
    The page with all rows and what is below them. With a height in lines, only what fits; rows take
    precedence. above returns what is above, with this many rows.
    """

    def fits(part: ConsoleRenderable) -> bool:
        return height is None or len(console.render_lines(part)) <= height

    full = Group(above(rows), below)
    if fits(full):
        return full
    fitting = bisect_left(range(1, rows), x=True, key=lambda number: not fits(above(number)))
    return above(max(fitting, 1))


def heading(listing: Listing) -> Text:
    """
    The number of all connections by risk.
    """
    total = listing.by_risk.total()
    text = Text(f"{total:,} connection{'s' * (total != 1)}")
    separator = ": "
    for risk in Risk:
        if number := listing.by_risk[risk]:
            text.append(separator)
            text.append(f"{number:,} {words.RISKS[risk]}", style=STYLES[risk])
            separator = ", "
    text.append(".")
    if total and not listing.matching:
        text.append(" None has a problem; --all lists them.")
    return text


def empty_table() -> Table:
    """
    A table without columns.
    """
    return Table(box=SIMPLE_HEAD, show_edge=False, header_style="bold", padding=(0, 1, 0, 0))


def more(number: int) -> Text:
    """
    The line below a table that lacks this many rows.
    """
    return Text(f"... and {number:,} more.", style="dim")
