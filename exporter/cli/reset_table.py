"""
The connections that hang, and what became of them, as a terminal table: one line per connection on
wide terminals, otherwise two.
"""

from collections.abc import Callable

from rich.console import ConsoleRenderable, Group
from rich.padding import Padding
from rich.text import Text

from exporter.cli.page import STYLES, empty_table
from exporter.connections import format as words
from exporter.connections.listing import unread_notes
from exporter.protect.hanging import HangingConnection, HangingListing
from exporter.protect.recheck import ResetOutcome
from exporter.text.wording import duration, plural, sentence

_WIDE = 150
"""Minimum columns for one line per connection."""
_OUTCOMES = {
    ResetOutcome.HANGS: "would be ended",
    ResetOutcome.ENDED: "ended",
    ResetOutcome.RECOVERED: "recovered",
    ResetOutcome.CLOSED: "closed",
    ResetOutcome.NOT_PERMITTED: "not permitted",
    ResetOutcome.FAILED: "failed",
}
_OUTCOME_STYLES = {
    ResetOutcome.ENDED: "green",
    ResetOutcome.NOT_PERMITTED: "bold red",
    ResetOutcome.FAILED: "bold red",
}
Cell = Callable[[HangingConnection], Text]


def render(found: HangingListing, width: int, *, applied: bool) -> ConsoleRenderable:
    """
    The page for a terminal with this many columns.
    """
    parts: list[ConsoleRenderable] = [_heading(found, applied=applied)]
    if found.connections:
        parts += [Text(), _table(found, width)]
    for each in notes(found, applied=applied):
        parts.append(Padding(Text(each, style="dim"), (1, 0, 0, 0)))
    return Group(*parts)


def notes(found: HangingListing, *, applied: bool) -> list[str]:
    """
    Sentences about what could not be read or ended.
    """
    errors = sorted({each.error for each in found.connections if each.error})
    if found.refusal and not applied:
        errors.append(f"--apply cannot end connections here: {found.refusal}")
    return [*unread_notes(found.listing), *map(sentence, errors)]


def _heading(found: HangingListing, *, applied: bool) -> Text:
    total, hanging = found.listing.by_risk.total(), len(found.connections)
    text = Text(f"{hanging:,} of {plural(total, 'connection')} ")
    if not (hanging and applied):
        text.append("hangs" if hanging == 1 else "hang")
        dry_run = " Dry run: nothing was changed; --apply ends them." if hanging else ""
        return text.append(f".{dry_run}")
    text.append("hung")
    separator = ": "
    for outcome in ResetOutcome:
        if number := found.outcomes[outcome]:
            text.append(separator)
            text.append(f"{number:,} {_OUTCOMES[outcome]}", style=_OUTCOME_STYLES.get(outcome, ""))
            separator = ", "
    return text.append(".")


def _table(found: HangingListing, width: int) -> ConsoleRenderable:
    table = empty_table()
    columns = _ONE_LINE if width >= _WIDE else _TWO_LINES
    for title, _ in columns:
        table.add_column(title, overflow="fold")
    for each in found.connections:
        table.add_row(*(Text("\n").join(cell(each) for cell in cells) for _, cells in columns))
    return table


def _outcome(each: HangingConnection) -> Text:
    return Text(_OUTCOMES[each.outcome], style=_OUTCOME_STYLES.get(each.outcome, "dim"))


def _state(each: HangingConnection) -> Text:
    return Text(words.risk(each.row), style=STYLES[each.row.risk])


def _hanging(each: HangingConnection) -> Text:
    return Text(f">= {duration(each.hanging)}")


def _silent(each: HangingConnection) -> Text:
    received = each.row.received
    return Text("?" if received is None else duration(received), style="dim")


def _remote(each: HangingConnection) -> Text:
    return Text.assemble(words.remote(each.row), " ", (words.path(each.row), "dim"))


def _owner(each: HangingConnection) -> Text:
    return Text.assemble(words.workload(each.row), " ", (words.process(each.row), "dim"))


_TWO_LINES: tuple[tuple[str, tuple[Cell, ...]], ...] = (
    ("State\noutcome", (_state, _outcome)),
    ("Hangs for\nsilent for", (_hanging, _silent)),
    ("Remote, path\nworkload, process", (_remote, _owner)),
)
"""Headings and the cells below them, stacked."""
_ONE_LINE: tuple[tuple[str, tuple[Cell, ...]], ...] = (
    ("State", (_state,)),
    ("ResetOutcome", (_outcome,)),
    ("Hangs for", (_hanging,)),
    ("Silent for", (_silent,)),
    ("Remote, path", (_remote,)),
    ("Workload, process", (_owner,)),
)
