"""
The text output of `check`.
"""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.analysis.coverage import Coverage
from exporter.analysis.report import PathReport, Report, Verdict
from exporter.model import Finding, Recommended, Settings, Severity
from exporter.text.wording import plural, seconds

_WIDEST = 100
"""Columns. Longer lines are hard to read."""
_COLOURS: dict[str, str] = {
    Verdict.AT_RISK: "bold red",
    Verdict.DOUBTFUL: "bold yellow",
    Verdict.UNKNOWN: "bold magenta",
    Verdict.ALL_RIGHT: "bold green",
    Severity.CRITICAL: "bold red",
    Severity.WARNING: "bold yellow",
    Severity.INFO: "bold blue",
    Coverage.UNPROTECTED: "red",
    Coverage.LAPSES: "red",
    Coverage.TOO_CLOSE: "yellow",
    Coverage.SINGLE_PROBE: "yellow",
    Coverage.UNKNOWN: "magenta",
    Coverage.PROTECTED: "green",
}


def show(
    reports: Sequence[Report],
    recommended: Recommended,
    profile: str,
    console: Console | None = None,
) -> None:
    """
    Print the explanation of the profile, the reports, and one summary line per report, last so that
    the summaries stay visible.

    The console defaults to standard output.
    """
    if console is None:
        console = Console(highlight=False, emoji=False)
        console.width = min(console.width, _WIDEST)
    console.print(Text(profile))
    console.print()
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
    first_with: dict[str, str] = {}
    for finding in report.findings:
        first = first_with.setdefault(finding.remedy, finding.id)
        yield _finding(finding, finding.remedy if first == finding.id else f"see {first}.")


def _settings(settings: Settings, recommended: Recommended) -> Table:
    table = _table("setting", ">value", ">recommended")
    for name, value, expected, write in (
        ("time", settings.time, recommended.time, seconds),
        ("interval", settings.interval, recommended.interval, seconds),
        ("probes", settings.probes, recommended.probes, str),
        ("data retransmissions", settings.data_retransmissions, None, str),
    ):
        differs = expected is not None and value != expected
        table.add_row(
            name,
            Text("unreadable" if value is None else write(value), "yellow" if differs else ""),
            "" if expected is None else write(expected),
        )
    return table


def _paths(settings: Settings, paths: Iterable[PathReport]) -> Table:
    table = _table("path", "direction", ">idle timeout", "verdict")
    for each in paths:
        table.add_row(
            each.path.name,
            each.path.direction,
            seconds(each.path.idle_timeout),
            Text(_verdict(settings, each), _COLOURS[each.coverage]),
        )
    return table


def _verdict(settings: Settings, path: PathReport) -> str:
    match path.coverage:
        case Coverage.UNKNOWN:
            return "unknown"
        case Coverage.UNPROTECTED if settings.probes == 0 or (settings.time or 0) < 0:
            return "unprotected: no probes"
        case Coverage.UNPROTECTED:
            return f"unprotected: first probe after {seconds(settings.time or 0)}"
        case Coverage.LAPSES:
            return "unprotected after the first probe"
        case Coverage.TOO_CLOSE:
            return "protected only if no timer fires late"
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
    A table without lines. Headings that begin with > are right-aligned.
    """
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(
            head.removeprefix(">"), justify="right" if head[0] == ">" else "left", overflow="fold"
        )
    return table
