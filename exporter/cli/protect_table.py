"""
The report of `protect` on a terminal: the connections, a summary by workload, and how to go on.
"""

from collections.abc import Iterator, Sequence

from rich.console import ConsoleRenderable, Group
from rich.table import Table
from rich.text import Text

from exporter.cli.page import empty_table, more
from exporter.connections import format as words
from exporter.connections.listing import unread_sentences
from exporter.model import Protection
from exporter.protect.attempts import (
    WORDS,
    Attempt,
    ProtectOutcome,
    ProtectReport,
    WorkloadSummary,
    by_workload,
)
from exporter.protect.candidates import LeftAlone
from exporter.protect.permanent import UNDO, permanent_changes
from exporter.text.escaping import printable
from exporter.text.wording import duration, listing

_WIDE = 170
"""Minimum columns for one line per connection."""
_STYLES = {
    ProtectOutcome.PLANNED: "yellow",
    ProtectOutcome.PROTECTED: "green",
    ProtectOutcome.FAILED: "bold red",
    ProtectOutcome.GONE: "dim",
}
_OUTCOMES = {
    ProtectOutcome.PLANNED: "would be protected",
    ProtectOutcome.PROTECTED: "protected",
    ProtectOutcome.FAILED: "cannot be protected",
    ProtectOutcome.GONE: "closed meanwhile",
}
"""As in: 5 would be protected."""
_SHORT = _OUTCOMES | {
    ProtectOutcome.PLANNED: "planned",
    ProtectOutcome.FAILED: "failed",
    ProtectOutcome.GONE: "closed",
}
_LEFT_ALONE = {
    LeftAlone.OWN: "already protected by keepalive",
    LeftAlone.PEER: "already protected by the peer",
    LeftAlone.PEER_CLOSED: "closed by the peer",
    LeftAlone.NO_PATH: "on no path",
}
_PAST_TIMEOUT = (
    "Past the timeout: the path may have dropped the connection already. If so, keepalive finds out"
    " within interval x probes."
)
_HOW_TO_APPLY = "Nothing was changed. --apply sets these values."


def render(report: ProtectReport, width: int, limit: int | None) -> ConsoleRenderable:
    """
    The report for a terminal of this width, with at most limit connections.
    """
    shown = report.attempts[:limit]
    parts: list[ConsoleRenderable] = [_heading(report)]
    if shown:
        parts += [Text(), _table(shown, width)]
    if missing := len(report.attempts) - len(shown):
        parts.append(more(missing))
    if report.attempts:
        parts += [Text(), _summaries(by_workload(report))]
    if sentences := list(_sentences(report)):
        parts += [Text(), _notes(sentences)]
    return Group(*parts)


def _heading(report: ProtectReport) -> Text:
    numbers = [(report.by_outcome[each], _OUTCOMES[each], _STYLES[each]) for each in ProtectOutcome]
    numbers += [(report.left_alone[each], _LEFT_ALONE[each], "dim") for each in _LEFT_ALONE]
    numbers.append((report.settled, "handled before", "dim"))
    total = sum(number for number, _, _ in numbers)
    text = Text(f"{total:,} connection{'s' * (total != 1)}")
    separator = ": "
    for number, what, style in numbers:
        if number:
            text.append(separator)
            text.append(f"{number:,} {what}", style=style)
            separator = ", "
    text.append(".")
    if not report.attempts:
        text.append(" Nothing to do.")
    return text


def _table(attempts: Sequence[Attempt], width: int) -> Table:
    table = empty_table()
    cells = [_cells(attempt) for attempt in attempts]
    if width >= _WIDE:
        for title in ("Result", "Why", "Idle", "", "Keepalive", "New", "Remote", "Path"):
            table.add_column(title, overflow="fold")
        for title in ("Workload", "Process"):
            table.add_column(title, overflow="fold")
        for row in cells:
            table.add_row(*row)
        return table
    for title in ("Result\nwhy", "Idle\n", "Keepalive\nnew", "Remote, path\nworkload, process"):
        table.add_column(title, overflow="fold")
    for result, why, idle, past, old, new, remote, path, workload, process in cells:
        table.add_row(
            Text("\n").join((result, why)),
            Text("\n").join((idle, past)),
            Text("\n").join((old, new)),
            Text("\n").join((Text(" ").join((remote, path)), Text(" ").join((workload, process)))),
        )
    return table


def _cells(attempt: Attempt) -> tuple[Text, ...]:
    row, values = attempt.row, attempt.values
    new = f"{duration(values.time)} + {values.probes} x {values.interval}s" if values else ""
    return (
        Text(_SHORT[attempt.outcome], style=_STYLES[attempt.outcome]),
        Text(_why(attempt)),
        Text(words.idle(row)),
        Text("past timeout" * attempt.is_past_timeout, style="red"),
        Text(words.keepalive(row)),
        Text(new, style="green"),
        Text(words.remote(row)),
        Text(words.path(row), style="dim"),
        Text(words.workload(row)),
        Text(words.process(row), style="dim"),
    )


def _why(attempt: Attempt) -> str:
    row, options = attempt.row, attempt.options
    if row.protection is Protection.NONE:
        return "keepalive off"
    if row.path is None or options is None:
        return row.protection.name.lower()
    period = max(options.time, options.interval)
    return "too late" if period >= row.path.idle_timeout else "timer too late"


def _summaries(summaries: Sequence[WorkloadSummary]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for summary in summaries:
        numbers = [
            f"{number:,} {_OUTCOMES[outcome]}"
            for outcome, number in summary.outcomes.items()
            if outcome is not ProtectOutcome.FAILED
        ]
        numbers += [
            f"{number:,} {_OUTCOMES[ProtectOutcome.FAILED]} ({WORDS[problem]})"
            for problem, number in summary.problems.items()
        ]
        name = "?" if summary.name is None else printable(summary.name)
        grid.add_row(Text(name), Text(f"{listing(numbers)}."))
    return grid


def _notes(sentences: Sequence[str]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column()
    grid.add_column(overflow="fold")  # a URL can be longer than a line
    for sentence in sentences:
        grid.add_row(Text("note", style="dim"), Text(sentence, style="dim"))
    return grid


def _sentences(report: ProtectReport) -> Iterator[str]:
    outcomes = report.by_outcome
    if any(each.is_past_timeout for each in report.attempts):
        yield _PAST_TIMEOUT
    if outcomes[ProtectOutcome.PLANNED]:
        yield _HOW_TO_APPLY
    if outcomes[ProtectOutcome.PROTECTED]:
        yield UNDO
    if outcomes[ProtectOutcome.PROTECTED] or outcomes[ProtectOutcome.PLANNED]:
        yield from permanent_changes(each.row for each in report.attempts)
    yield from unread_sentences(report.unnamed, report.unread)
