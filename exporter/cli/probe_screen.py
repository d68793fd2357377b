"""
Progress of `probe` on a terminal: a mark per connection, the bounds so far, the time left.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from exporter.cli.probe_lines import clock, introduction
from exporter.probe.format import at_least, at_most, seconds
from exporter.probe.inference import DEAD, Outcome, OutcomeKind
from exporter.probe.measurement import Measurement, ProbeResult

_WIDEST = 100
_LABEL = 7
"""Columns for the shortest time of a round."""
_MARKS = {
    "answered": ("●", "o", "green"),
    "dropped": ("✕", "x", "bold red"),
    "closed by the server": ("◆", "c", "yellow"),
    "idle": ("·", ".", "dim"),
}
"""The mark with Unicode, the mark in ASCII, and the style."""


@dataclass(frozen=True, slots=True)
class _RoundMarks:
    """
    The idle times of one round, and the finished ones with their result.
    """

    times: tuple[float, ...]
    results: list[tuple[float, str]] = field(default_factory=list)


class ScreenReporter:
    """
    A live display inside the `with` block. The last state stays on the screen.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._console.width = min(console.width, _WIDEST)
        self._measurements: list[Measurement] = []
        self._rounds: defaultdict[str, dict[int, _RoundMarks]] = defaultdict(dict)
        # Live draws in its own thread.
        self._live = Live(console=self._console, get_renderable=self._render)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def begin(self, found: Sequence[ProbeResult]) -> None:
        """
        Print what is measured, and start the display.
        """
        for line in introduction(found):
            self._console.print(Text(line))
        self._measurements = [each for each in found if isinstance(each, Measurement)]
        for each in self._measurements:
            self._round(each)
        if self._measurements:
            self._live.start(refresh=True)

    def tell(self, found: Measurement, outcome: Outcome) -> None:
        """
        Add an outcome to the display.
        """
        if outcome.kind is not OutcomeKind.SPOKE:
            self._round(found).results.append((outcome.planned, _kind(outcome.kind)))

    def _round(self, found: Measurement) -> _RoundMarks:
        return self._rounds[found.target.name].setdefault(found.round, _RoundMarks(found.times))

    def _render(self) -> RenderableType:
        return Group(*map(self._measurement, self._measurements), self._legend())

    def _measurement(self, found: Measurement) -> RenderableType:
        left = clock(max(found.deadline - time.monotonic(), 0))
        heading = Table.grid(expand=True)
        heading.add_column(ratio=1)
        heading.add_column(justify="right")
        state = "done" if found.is_over else f"round {found.round}, at most {left} left"
        heading.add_row(Text(found.target.name, "bold"), Text(state, "dim"))
        rounds = map(self._marks, list(self._rounds[found.target.name].values()))
        return Group(Text(), heading, *rounds, Text(_bounds(found)))

    def _marks(self, one: _RoundMarks) -> Table:
        left = Counter(one.results.copy())
        times = sorted(one.times)
        marks = Text()
        for planned in times:
            kind = next((kind for kind in _MARKS if left[planned, kind]), "idle")
            left[planned, kind] -= 1
            marks.append(*self._mark(kind))
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_column(style="dim", justify="right", no_wrap=True, width=_LABEL)
        row.add_column(overflow="fold")
        row.add_column(style="dim", vertical="bottom", no_wrap=True)
        row.add_row(seconds(times[0]), marks, seconds(times[-1]))
        return row

    def _legend(self) -> Text:
        legend = Text("\n  ")
        for kind in _MARKS:
            legend.append(*self._mark(kind)).append(f" {kind}   ", "dim")
        return legend

    def _mark(self, kind: str) -> tuple[str, str]:
        unicode, ascii_, style = _MARKS[kind]
        return (unicode if self._console.encoding.startswith("utf") else ascii_), style


def _kind(kind: OutcomeKind) -> str:
    if kind in DEAD:
        return "dropped"
    return "answered" if kind is OutcomeKind.ANSWERED else "closed by the server"


def _bounds(found: Measurement) -> str:
    bounds = found.bounds
    fatal = "" if bounds.fatal is None else f", at most {at_most(bounds.fatal)}"
    return f"  idle timeout at least {at_least(bounds.survived)}{fatal}"
