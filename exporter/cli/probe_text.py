"""
What `probe` has found, for people.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.analysis.findings.phrases import plural, seconds
from exporter.cli.probe_lines import FATES
from exporter.model import Recommended, Settings
from exporter.probe import format as words
from exporter.probe.measurement import Found, Measurement, Unreachable
from exporter.probe.outcome import Fate
from exporter.probe.report import Configured, advice, comparison

_WIDEST = 100
"""Columns; longer lines are hard to read."""

Row = tuple[str, Text]


def show(found: Sequence[Found], configured: Configured, console: Console) -> None:
    """
    Print what is known of each path, and what follows from it for this host.
    """
    console.width = min(console.width, _WIDEST)
    for each in found:
        console.print()
        console.print(Text(each.target.name, "bold"))
        if isinstance(each, Unreachable):
            console.print(Text(f"  It cannot be connected to: {each.reason}.", "bold red"))
            continue
        style = "bold green" if each.is_narrow else "bold yellow"
        console.print(Padding.indent(Text(words.sentence(each), style), 2))
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for row in (*_evidence(each), *_consequences(each, configured)):
            grid.add_row(*row)
        console.print(Padding(grid, (1, 0, 0, 2)))


def _evidence(found: Measurement) -> Iterator[Row]:
    fates = Counter(outcome.fate for outcome in found.outcomes)
    counted = [
        f"{fates[fate]} {text}"
        for fate, text in FATES.items()
        if fates[fate] and fate is not Fate.SPOKE
    ]
    if counted:
        yield "connections", Text(", ".join(counted))
    for remark in words.remarks(found):
        yield "mind", Text(remark, "yellow")


def _consequences(found: Measurement, configured: Configured) -> Iterator[Row]:
    if compared := comparison(found, configured.paths):
        yield "configured", Text(compared)
    to_do = advice(found, configured)
    if to_do is None:
        return
    protecting = to_do.protecting
    yield (
        "would protect",
        Text("no keepalive time in whole seconds" if protecting is None else _settings(protecting)),
    )
    own = configured.settings
    if to_do.is_protected is None:
        yield "this host", Text("its settings cannot be read", "yellow")
    elif to_do.is_protected:
        yield "this host", Text(f"protects those that have keepalive on: {_settings(own)}", "green")
    else:
        yield "this host", Text(to_do.problem, "red")
        yield "remedy", Text(to_do.remedy)


def _settings(values: Recommended | Settings) -> str:
    return (
        f"time {seconds(values.time or 0)}, interval {seconds(values.interval or 0)},"
        f" {plural(values.probes or 0, 'probe')}"
    )
