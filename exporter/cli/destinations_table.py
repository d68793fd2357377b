"""
Connections grouped by destination, as a terminal table.
"""

from collections.abc import Sequence

from rich.console import Console, ConsoleRenderable, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.cli.page import empty_table, heading, more, page
from exporter.connections import format as words
from exporter.connections.destinations import Destination
from exporter.connections.listing import DestinationListing, unread_notes
from exporter.model import NO_PATH
from exporter.text.escaping import printable


def render(
    listing: DestinationListing, console: Console, height: int | None = None
) -> ConsoleRenderable:
    """
    The page. With a height in lines, only what fits.
    """
    notes = [Padding(Text(each, style="dim"), (1, 0, 0, 0)) for each in unread_notes(listing)]
    rows = len(listing.destinations)
    return page(lambda shown: _above(listing, shown), Group(*notes), rows, console, height)


def _above(listing: DestinationListing, rows: int) -> Group:
    parts: list[ConsoleRenderable] = [heading(listing)]
    if rows:
        parts += [Text(), _table(listing.destinations[:rows])]
    if missing := listing.number - rows:
        parts.append(more(missing))
    return Group(*parts)


def _table(rows: Sequence[Destination]) -> Table:
    table = empty_table()
    for title in ("Connections", "Near limit", "Over limit"):
        table.add_column(title, justify="right")
    for title in ("Remote", "Path", "Workloads"):
        table.add_column(title, overflow="fold")
    for row in rows:
        numbers = (f"{number:,}" for number in (row.connections, row.near_limit, row.over_limit))
        path = Text(row.path.name if row.path else NO_PATH, style="dim")
        remote = words.endpoint(row.remote, row.remote_port)
        table.add_row(*numbers, Text(remote), path, Text(_workloads(row)))
    return table


def _workloads(row: Destination) -> str:
    return ", ".join(f"{printable(name)} {number:,}" for name, number in row.workloads) or "?"
