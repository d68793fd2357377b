"""
A listing as a terminal table: one line per connection on wide terminals, otherwise two.
"""

from collections.abc import Callable, Sequence

from rich.console import Console, ConsoleRenderable, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.cli.page import STYLES, empty_table, heading, more, page
from exporter.connections import format as words
from exporter.connections.advice import HANGING, Advice
from exporter.connections.hint_lines import hint_lines
from exporter.connections.listing import ConnectionListing, notes
from exporter.connections.rows import Connection
from exporter.model import Protection

_WIDE = 170
"""Minimum columns for one line per connection."""
_COMFORTABLE, _SQUEEZED = 110, 14
"""On terminals with fewer columns, the timer column is limited, to leave room for names."""
Cell = Callable[[Connection], Text]


def render(
    listing: ConnectionListing, console: Console, height: int | None = None
) -> ConsoleRenderable:
    """
    The page. With a height in lines, only what fits; connections take precedence over advice.
    """
    rows, width = len(listing.connections), console.width
    return page(lambda shown: _above(listing, shown, width), _below(listing), rows, console, height)


def _above(listing: ConnectionListing, rows: int, width: int) -> Group:
    parts: list[ConsoleRenderable] = [heading(listing)]
    if rows:
        parts.append(Text())
        parts.append(_table(listing.connections[:rows], width))
    if missing := listing.matching - rows:
        parts.append(more(missing))
    return Group(*parts)


def _table(rows: Sequence[Connection], width: int) -> Table:
    columns = _ONE_LINE if width >= _WIDE else _TWO_LINES
    table = empty_table()
    for title, cells in columns:
        is_squeezed = _timer in cells and width < _COMFORTABLE
        table.add_column(title, overflow="fold", max_width=_SQUEEZED if is_squeezed else None)
    for row in rows:
        table.add_row(*(Text("\n").join(cell(row) for cell in cells) for _, cells in columns))
    return table


def _below(listing: ConnectionListing) -> Padding:
    """
    Advice with the number of connections it applies to, and notes on what could not be read.
    """
    lines = []
    for advice, text in listing.advice.items():
        rows = [row for row in listing.connections if row.advice is advice]
        is_of_risk = advice in (*HANGING, Advice.PEER_CLOSED)
        word = _risk(rows[0]) if is_of_risk else _protection(rows[0])
        if advice is Advice.FRAGILE:
            word = Text("fragile", style="yellow")
        hints = (Padding(_folded(line), (0, 0, 0, 2)) for line in hint_lines(advice, rows))
        lines.append((Text.assemble(word, f" ({len(rows)})"), Group(_folded(text), *hints)))
    lines += [(Text("note", style="dim"), Group(Text(x, style="dim"))) for x in notes(listing)]
    grid = Table.grid(padding=(0, 2, 0, 0))
    for marker, content in lines:
        grid.add_row(marker, Padding(content, (0, 0, 1, 0)))
    return Padding(grid, (1, 0, 0, 0))


def _folded(text: str) -> Text:
    """
    Text whose URLs and commands are not cut off.
    """
    return Text(text, overflow="fold")


def _risk(row: Connection) -> Text:
    return Text(words.risk(row), style=STYLES[row.risk])


def _protection(row: Connection) -> Text:
    style = "green" if row.protection in (Protection.OWN, Protection.PEER) else ""
    return Text(words.protection(row), style="dim" if row.path is None else style)


def _plain(column: Callable[[Connection], str]) -> Cell:
    return lambda row: Text(column(row))


def _dim(column: Callable[[Connection], str]) -> Cell:
    return lambda row: Text(column(row), style="dim")


_idle, _idle_state = _plain(words.idle), _dim(words.idle_state)
_keepalive, _timer = _plain(words.keepalive), _dim(words.timer)
_remote, _path = _plain(words.remote), _dim(words.path)
_workload, _process = _plain(words.workload), _dim(words.process)


def _where(row: Connection) -> Text:
    return Text(" ").join((_remote(row), _path(row)))


def _who(row: Connection) -> Text:
    return Text(" ").join((_workload(row), _process(row)))


Columns = Sequence[tuple[str, tuple[Cell, ...]]]
"""Headings and the cells below them, stacked. A heading has as many lines as stacked cells."""

_TWO_LINES: Columns = (
    ("Risk\nprotection", (_risk, _protection)),
    ("Idle\nstate", (_idle, _idle_state)),
    ("Keepalive\ntimer", (_keepalive, _timer)),
    ("Remote, path\nworkload, process", (_where, _who)),
)
_ONE_LINE: Columns = (
    ("Risk", (_risk,)),
    ("Protection", (_protection,)),
    ("Idle", (_idle,)),
    ("State", (_idle_state,)),
    ("Keepalive", (_keepalive,)),
    ("Timer", (_timer,)),
    ("Remote", (_remote,)),
    ("Path", (_path,)),
    ("Workload", (_workload,)),
    ("Process", (_process,)),
)
