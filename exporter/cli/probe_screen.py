"""
How `probe` fares, on a terminal: a mark for each connection, the bounds so far, the time left.
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
from exporter.probe.measurement import Found, Measurement
from exporter.probe.outcome import DEAD, Fate, Outcome

_WIDEST = 100
_LABEL = 7
"""Columns, for the shortest time of a round."""
_MARKS = {
    "answered": ("●", "o", "green"),
    "died": ("✕", "x", "bold red"),
    "closed by the server": ("◆", "c", "yellow"),
    "idle": ("·", ".", "dim"),
}
"""On a terminal with and without Unicode, and its style."""


@dataclass(frozen=True, slots=True)
class _Round:
    """
    The idle times of one round, and those that are over with what came of them.
    """

    times: tuple[float, ...]
    told: list[tuple[float, str]] = field(default_factory=list)


class Screen:
    """
    The picture, while the block is not left; after it the last one stays.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._console.width = min(console.width, _WIDEST)
        self._measurements: list[Measurement] = []
        self._rounds: defaultdict[str, dict[int, _Round]] = defaultdict(dict)
        # It draws in a thread of its own.
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

    def begin(self, found: Sequence[Found]) -> None:
        """
        Say what is measured, and begin to show it.
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
        Note what is known.
        """
        if outcome.fate is not Fate.SPOKE:
            self._round(found).told.append((outcome.planned, _kind(outcome.fate)))

    def _round(self, found: Measurement) -> "_Round":
        return self._rounds[found.target.name].setdefault(found.round, _Round(found.times))

    def _render(self) -> RenderableType:
        return Group(*map(self._picture, self._measurements), self._legend())

    def _picture(self, found: Measurement) -> RenderableType:
        left = clock(max(found.deadline - time.monotonic(), 0))
        heading = Table.grid(expand=True)
        heading.add_column(ratio=1)
        heading.add_column(justify="right")
        state = "done" if found.is_over else f"round {found.round}, at most {left} left"
        heading.add_row(Text(found.target.name, "bold"), Text(state, "dim"))
        rounds = map(self._marks, list(self._rounds[found.target.name].values()))
        return Group(Text(), heading, *rounds, Text(_so_far(found)))

    def _marks(self, one: "_Round") -> Table:
        left = Counter(one.told.copy())
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


def _kind(fate: Fate) -> str:
    if fate in DEAD:
        return "died"
    return "answered" if fate is Fate.ANSWERED else "closed by the server"


def _so_far(found: Measurement) -> str:
    bounds = found.bounds
    fatal = "" if bounds.fatal is None else f", forgotten by {at_most(bounds.fatal)}"
    return f"  remembered for {at_least(bounds.survived)}{fatal}"
