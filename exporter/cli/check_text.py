"""
What `check` found, for people.
"""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.analysis.coverage import Cover
from exporter.analysis.findings.phrases import plural, seconds
from exporter.analysis.report import PathReport, Report, Verdict
from exporter.model import Finding, Recommended, Settings, Severity

_WIDEST = 100
"""Columns; longer lines are hard to read."""
_COLOURS: dict[str, str] = {
    Verdict.AT_RISK: "bold red",
    Verdict.DOUBTFUL: "bold yellow",
    Verdict.UNKNOWN: "bold magenta",
    Verdict.ALL_RIGHT: "bold green",
    Severity.CRITICAL: "bold red",
    Severity.WARNING: "bold yellow",
    Severity.INFO: "bold blue",
    Cover.UNPROTECTED: "red",
    Cover.LAPSES: "red",
    Cover.TOO_CLOSE: "yellow",
    Cover.SINGLE_PROBE: "yellow",
    Cover.UNKNOWN: "magenta",
    Cover.PROTECTED: "green",
}


def show(
    reports: Sequence[Report], recommended: Recommended, console: Console | None = None
) -> None:
    """
    Print the reports and, last, where it is still to be seen, a line for each of them.

    The console is standard output unless another one is given.
    """
    if console is None:
        console = Console(highlight=False, emoji=False)
        console.width = min(console.width, _WIDEST)
    for report in reports:
        console.print(Text(report.netns, "bold"))
        for part in _parts(report, recommended):
            console.print(Padding.indent(part, 2))
            console.print()
    for report in reports:
        console.print(Text(report.summary, _COLOURS[report.verdict]), soft_wrap=True)


def _parts(report: Report, recommended: Recommended) -> Iterator[RenderableType]:
    yield _settings(report.settings, recommended)
    if report.paths:
        yield _paths(report.settings, report.paths)
    told: dict[str, str] = {}
    for finding in report.findings:
        first = told.setdefault(finding.remedy, finding.id)
        yield _finding(finding, finding.remedy if first == finding.id else f"as for {first}.")


def _settings(settings: Settings, recommended: Recommended) -> Table:
    table = _table("setting", ">value", ">recommended")
    for name, value, wanted, write in (
        ("time", settings.time, recommended.time, seconds),
        ("interval", settings.interval, recommended.interval, seconds),
        ("probes", settings.probes, recommended.probes, str),
        ("data retransmissions", settings.data_retransmissions, None, str),
    ):
        differs = wanted is not None and value != wanted
        table.add_row(
            name,
            Text("unreadable" if value is None else write(value), "yellow" if differs else ""),
            "" if wanted is None else write(wanted),
        )
    return table


def _paths(settings: Settings, paths: Iterable[PathReport]) -> Table:
    table = _table("path", "direction", ">idle timeout", "verdict")
    for each in paths:
        table.add_row(
            each.path.name,
            each.path.direction,
            seconds(each.path.idle_timeout),
            Text(_words(settings, each), _COLOURS[each.cover]),
        )
    return table


def _words(settings: Settings, path: PathReport) -> str:
    match path.cover:
        case Cover.UNKNOWN:
            return "cannot tell"
        case Cover.UNPROTECTED if settings.probes == 0 or (settings.time or 0) < 0:
            return "unprotected: no probe"
        case Cover.UNPROTECTED:
            return f"unprotected: first probe after {seconds(settings.time or 0)}"
        case Cover.LAPSES:
            return "unprotected after the first probe"
        case Cover.TOO_CLOSE:
            return "protected, if no timer is late"
        case _:
            return f"protected by {plural(path.probes or 0, 'probe')}"


def _finding(finding: Finding, remedy: str) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(
        Text(finding.id, _COLOURS[finding.severity]),
        Text(f"{finding.severity}: {finding.title}", _COLOURS[finding.severity]),
    )
    grid.add_row("", Text(finding.problem))
    grid.add_row("", Text(f"Remedy: {remedy}"))
    grid.add_row("", Text(finding.docs, "dim"))
    return grid


def _table(*heads: str) -> Table:
    """
    A table without lines; what begins with > is a column of figures.
    """
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(
            head.removeprefix(">"), justify="right" if head[0] == ">" else "left", overflow="fold"
        )
    return table
