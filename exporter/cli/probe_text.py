"""
The text output of `probe`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.cli.probe_lines import OUTCOME_WORDS
from exporter.model import Recommended, Settings
from exporter.probe import format as words
from exporter.probe.inference import OutcomeKind
from exporter.probe.measurement import Measurement, ProbeResult, Unreachable
from exporter.probe.report import Configured, advice, comparison
from exporter.text.wording import plural, seconds

_WIDEST = 100
"""Columns. Longer lines are hard to read."""

Row = tuple[str, Text]


def show(found: Sequence[ProbeResult], configured: Configured, console: Console) -> None:
    """
    Print the result for each path, and what it means for this host.
    """
    console.width = min(console.width, _WIDEST)
    for each in found:
        console.print()
        console.print(Text(each.target.name, "bold"))
        if isinstance(each, Unreachable):
            console.print(Text(f"  Connection failed: {each.reason}.", "bold red"))
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
    counts = Counter(outcome.kind for outcome in found.outcomes)
    counted = [
        f"{counts[kind]} {text}"
        for kind, text in OUTCOME_WORDS.items()
        if counts[kind] and kind is not OutcomeKind.SPOKE
    ]
    if counted:
        yield "connections", Text(", ".join(counted))
    for remark in words.remarks(found):
        yield "note", Text(remark, "yellow")


def _consequences(found: Measurement, configured: Configured) -> Iterator[Row]:
    if compared := comparison(found, configured.paths):
        yield "configured", Text(compared)
    advised = advice(found, configured)
    if advised is None:
        return
    protecting = advised.protecting
    yield (
        "sufficient settings",
        Text("no keepalive time in whole seconds" if protecting is None else _settings(protecting)),
    )
    own = configured.settings
    if advised.is_protected is None:
        yield "this host", Text("settings unreadable", "yellow")
    elif advised.is_protected:
        yield (
            "this host",
            Text(f"protects connections with keepalive on: {_settings(own)}", "green"),
        )
    else:
        yield "this host", Text(advised.problem, "red")
        yield "remedy", Text(advised.remedy)


def _settings(values: Recommended | Settings) -> str:
    return (
        f"time {seconds(values.time or 0)}, interval {seconds(values.interval or 0)},"
        f" {plural(values.probes or 0, 'probe')}"
    )
