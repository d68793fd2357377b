"""
The text output of `check`.
"""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.analysis.coverage import Coverage
from exporter.analysis.groups import (
    FindingGroup,
    SettingsGroup,
    group_findings,
    group_settings,
)
from exporter.analysis.report import PathReport, Report, Verdict
from exporter.model import Finding, Recommended, Settings, Severity
from exporter.text.wording import abridged, plural, seconds

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
    Print the explanation of the profile, the settings, the findings, and one summary line per
    outcome at the end, so that it stays visible. What is equal in several namespaces is printed
    once.

    The console defaults to standard output.
    """
    if console is None:
        console = Console(highlight=False, emoji=False)
        console.width = min(console.width, _WIDEST)
    console.print(Text(profile))
    console.print()
    for group in group_settings(reports):
        console.print(Text(_heading(group), "bold"))
        _print_indented(console, _settings_and_paths(group, recommended))
    findings = group_findings(finding for report in reports for finding in report.findings)
    if findings and len(reports) > 1:
        console.print(Text("findings", "bold"))
    _print_indented(console, _findings(findings, name_all=len(reports) > 1))
    outcomes: dict[tuple[Verdict, str], list[str]] = {}
    for report in reports:
        outcomes.setdefault((report.verdict, report.outcome), []).append(report.netns)
    for (verdict, outcome), netns in outcomes.items():
        summary = f"{abridged(netns)}: {outcome}"
        console.print(Text(summary, _COLOURS[verdict]), soft_wrap=True)


def _print_indented(console: Console, parts: Iterable[RenderableType]) -> None:
    for part in parts:
        console.print(Padding.indent(part, 2))
        console.print()


def _heading(group: SettingsGroup) -> str:
    names = abridged(group.netns)
    return names if len(group.netns) == 1 else f"{group.where}: {names}"


def _settings_and_paths(group: SettingsGroup, recommended: Recommended) -> Iterator[RenderableType]:
    yield _settings(group.settings, recommended)
    if group.paths:
        yield _paths(group.settings, group.paths)


def _findings(groups: Iterable[FindingGroup], *, name_all: bool) -> Iterator[RenderableType]:
    first_with: dict[tuple[str, tuple[str, ...]], str] = {}
    for group in groups:
        finding = group.finding
        first = first_with.setdefault((finding.remedy, group.netns), finding.id)
        whose = f" for {group.concerned}" if group.concerned and len(group.netns) > 1 else ""
        remedy = f"Remedy{whose}: {finding.remedy}"
        if first != finding.id:
            remedy = f"Remedy: see {first}."
        yield _finding(finding, group.where if name_all else None, remedy)


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


def _finding(finding: Finding, where: str | None, remedy: str) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(
        Text(finding.id, _COLOURS[finding.severity]),
        Text(f"{finding.severity}: {finding.title}", _COLOURS[finding.severity]),
    )
    if where is not None:
        grid.add_row("", Text(f"In {where}."))
    grid.add_row("", Text(finding.problem))
    grid.add_row("", Text(remedy))
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
