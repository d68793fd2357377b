"""
A look as a table for the terminal: one line a connection where that fits, else two.
"""

from collections.abc import Callable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleRenderable, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.cli.text import duration, printable
from exporter.connections.advice import Advice
from exporter.connections.look import Look
from exporter.connections.notes import notes
from exporter.connections.row import Connection
from exporter.model import NO_PATH, Direction, Protection, Risk, Timer

_WIDE = 144
"""Columns from which on there is one line a connection."""
_FOLDED_AT = 26
"""Columns that an address may take where there are two lines for it: all of IPv4, half of IPv6."""
_STYLES = {
    Risk.STALLED: "bold red",
    Risk.AT_RISK: "red",
    Risk.UNPROTECTED: "yellow",
    Risk.UNKNOWN: "yellow",
    Risk.SAFE: "green",
    Risk.NO_PATH: "dim",
}
_IN_WORDS = {
    Risk.STALLED: "stalled",
    Risk.AT_RISK: "at risk",
    Risk.UNPROTECTED: "unprotected",
    Risk.UNKNOWN: "unknown",
    Risk.SAFE: "safe",
    Risk.NO_PATH: "crossing no path",
}

_TIMERS = {
    Timer.NONE: "no timer",
    Timer.RETRANSMIT: "retransmit",
    Timer.KEEPALIVE: "check",
    Timer.ZERO_WINDOW: "zero window",
}

Cell = Callable[[Connection], Text]


def render(look: Look, console: Console, height: int | None = None) -> ConsoleRenderable:
    """
    The whole page; where a height is given, with as many connections as fit.
    """
    columns = _ONE_LINE if console.width >= _WIDE else _TWO_LINES
    below = _below(look)
    rows = look.connections
    if height is not None:
        lines = len(console.render_lines(below)) + _LINES_AROUND
        rows = rows[: max((height - lines) // len(columns[0][1]), 1)]
    parts: list[ConsoleRenderable] = [_heading(look)]
    if rows:
        parts.append(_table(rows, columns))
    if more := look.matching - len(rows):
        parts.append(Text(f"... and {more:,} more.", style="dim"))
    return Group(*parts, below)


def _heading(look: Look) -> Text:
    total = look.by_risk.total()
    heading = Text(f"{total:,} connection{'s' * (total != 1)}")
    separator = ": "
    for risk in Risk:
        if number := look.by_risk[risk]:
            heading.append(separator)
            heading.append(f"{number:,} {_IN_WORDS[risk]}", style=_STYLES[risk])
            separator = ", "
    heading.append(".")
    if not look.connections:
        heading.append(" None is asked for that is here; --all shows every one.")
    return heading


def _table(rows: Sequence[Connection], columns: "Sequence[tuple[str, tuple[Cell, ...]]]") -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for heading, _ in columns:
        # Addresses are best read in one piece, at the expense of the other columns.
        table.add_column(heading, overflow="fold", no_wrap="Remote" in heading)
    for row in rows:
        table.add_row(*(Text("\n").join(cell(row) for cell in cells) for _, cells in columns))
    return table


def _below(look: Look) -> Padding:
    """
    What to change, for which of the connections, and what could not be seen.
    """
    lines = []
    for advice, text in look.advice.items():
        rows = [row for row in look.connections if row.advice is advice]
        word = _risk(rows[0]) if advice is Advice.STALLED else _protection(rows[0])
        lines.append((Text.assemble(word, f" ({len(rows)})"), Text(text)))
    lines += [(Text("note", style="dim"), Text(text, style="dim")) for text in notes(look)]
    grid = Table.grid(padding=(0, 2, 0, 0))
    for marker, words in lines:
        grid.add_row(marker, Padding(words, (0, 0, 1, 0)))
    return Padding(grid, (1, 0, 0, 0))


def _risk(row: Connection) -> Text:
    return Text(_IN_WORDS[row.risk].removeprefix("crossing "), style=_STYLES[row.risk])


def _protection(row: Connection) -> Text:
    style = "green" if row.protection in (Protection.OWN, Protection.PEER) else ""
    return Text(row.protection.name.lower(), style="dim" if row.path is None else style)


def _idle(row: Connection) -> Text:
    idle = "?" if row.idle is None else duration(row.idle)
    return Text(f"{idle} of {duration(row.path.idle_timeout)}" if row.path else idle)


def _idle_state(row: Connection) -> Text:
    """
    The idle state or, while something is unanswered, for how long the peer has been silent.
    """
    if row.unanswered and row.received is not None:
        return Text(f"silent {duration(row.received)}", style="dim")
    return Text(row.idle_state.name.lower().replace("_", " "), style="dim")


def _keepalive(row: Connection) -> Text:
    """
    Such as 2h + 9 x 75s: the first probe after two hours, then nine, 75 s apart.
    """
    keepalive = row.keepalive
    if not keepalive.on:
        return Text("?" if keepalive.on is None else "off")
    if keepalive.time is None:
        return Text("on")
    words = f"{'' if keepalive.exact else '>= '}{duration(keepalive.time)}"
    if keepalive.interval is not None:
        words += f" + {keepalive.probes} x {duration(keepalive.interval)}"
    return Text(words)


def _timer(row: Connection) -> Text:
    words = _TIMERS.get(row.timer, row.timer.name.lower())
    if row.expires is not None:
        words += f" in {duration(row.expires)}"
    if row.unanswered:
        words += f", {row.unanswered} unanswered"
    if row.keepalive.user_timeout:
        words += f", TCP_USER_TIMEOUT {duration(row.keepalive.user_timeout)}"
    return Text(words, style="dim")


def _remote(row: Connection) -> Text:
    address = f"[{row.remote}]" if ":" in row.remote else row.remote
    arrow = "<-" if row.direction is Direction.INBOUND else "->"
    return Text(f"{arrow} {address}:{row.remote_port}")


def _folded_remote(row: Connection) -> Text:
    remote = _remote(row)
    return Text("\n").join(remote.divide([_FOLDED_AT])) if len(remote) > _FOLDED_AT else remote


def _path(row: Connection) -> Text:
    """
    The path and, of an inbound connection, the port that it came in at.
    """
    path = row.path.name if row.path else NO_PATH
    port = f" :{row.local_port}" if row.direction is Direction.INBOUND else ""
    return Text(path + port, style="dim")


def _workload(row: Connection) -> Text:
    return Text("?" if row.workload is None else printable(row.workload))


def _process(row: Connection) -> Text:
    if row.process is None:
        return Text(f"uid {row.uid}", style="dim")
    return Text(f"{printable(row.process.name)} [{row.process.pid}]", style="dim")


_TWO_LINES: tuple[tuple[str, tuple[Cell, ...]], ...] = (
    ("Risk\nprotection", (_risk, _protection)),
    ("Idle\nstate", (_idle, _idle_state)),
    ("Keepalive\ntimer", (_keepalive, _timer)),
    ("Remote\npath", (_folded_remote, _path)),
    ("Workload\nprocess", (_workload, _process)),
)
_ONE_LINE = tuple(
    (heading, (_remote if cell is _folded_remote else cell,))
    for headings, cells in _TWO_LINES
    for heading, cell in zip(headings.capitalize().split("\n"), cells, strict=True)
)
_LINES_AROUND = 6
"""The heading, the table's own, and the one that says how many more there are."""
