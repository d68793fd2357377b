"""
What `probe` has found, for people.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.cli.probe_lines import FATES
from exporter.judge.findings.words import number, plural, seconds
from exporter.model import Path, Recommended, Settings
from exporter.probe import words
from exporter.probe.measurement import Measurement
from exporter.probe.outcome import DEAD, Fate
from exporter.probe.report import advice, comparison, measured_path
from exporter.probe.session import Unreachable

_WIDEST = 100
"""Columns; longer lines are hard to read."""

Row = tuple[str, Text]


def show(
    found: "Sequence[Measurement | Unreachable]",
    settings: Settings,
    recommended: Recommended,
    paths: Sequence[Path],
    *,
    to_stderr: bool,
) -> None:
    """
    Print what is known of each path; settings are this host's, paths those that are configured.
    """
    console = Console(stderr=to_stderr, highlight=False, emoji=False)
    console.width = min(console.width, _WIDEST)
    for each in found:
        console.print()
        console.print(Text(each.target.name, "bold"))
        if isinstance(each, Unreachable):
            console.print(Text(f"  Cannot be connected to: {each.reason}.", "bold red"))
            continue
        style = "bold green" if each.is_narrow else "bold yellow"
        console.print(Padding.indent(Text(words.sentence(each), style), 2))
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for row in (*_evidence(each), *_consequences(each, settings, recommended, paths)):
            grid.add_row(*row)
        console.print(Padding(grid, (1, 0, 0, 2)))


def _evidence(found: Measurement) -> Iterator[Row]:
    bounds = found.bounds
    fates = Counter(outcome.fate for outcome in found.outcomes)
    if number_answered := fates[Fate.ANSWERED]:
        yield (
            "remembered",
            Text(f"{words.seconds(bounds.survived)}: {plural(number_answered, 'connection')} answered"),
        )
    for fate in DEAD:
        if fates[fate]:
            yield "forgotten", Text(f"{plural(fates[fate], 'connection')}: {FATES[fate]}")
    if fates[Fate.CLOSED]:
        yield "closed", Text(f"{plural(fates[Fate.CLOSED], 'connection')} by the server itself")
    for remark in words.remarks(found):
        yield "mind", Text(remark, "yellow")
