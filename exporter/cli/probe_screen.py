"""
How `probe` fares, on a terminal: a mark for each connection, the bounds so far, the time left.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from exporter.cli.probe_lines import clock, introduction
from exporter.probe.measurement import Found, Measurement
from exporter.probe.outcome import DEAD, Fate, Outcome
from exporter.probe.words import seconds

_WIDEST = 100
_MARKS = {
    "answered": ("●", "o", "green"),
    "died": ("✕", "x", "bold red"),
    "closed by the server": ("◆", "c", "yellow"),
    "idle": ("·", ".", "dim"),
}
"""On a terminal with and without Unicode, and its style."""


class Screen:
    """
    The picture, while the block is not left; after it the last one stays.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._console.width = min(self._console.width, _WIDEST)
        self._measurements: list[Measurement] = []
        self._told: defaultdict[tuple[str, int], list[Outcome]] = defaultdict(list)
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
        if self._measurements:
            self._live.start(refresh=True)

    def tell(self, found: Measurement, outcome: Outcome) -> None:
        """
        Note what is known.
        """
        if outcome.fate is not Fate.SPOKE:
            self._told[found.target.name, found.round].append(outcome)

    def _render(self) -> RenderableType:
        return Group(*map(self._picture, self._measurements), self._legend())

    def _picture(self, found: Measurement) -> RenderableType:
        left = clock(max(found.deadline - time.monotonic(), 0))
        heading = Table.grid(expand=True)
        heading.add_column(ratio=1)
        heading.add_column(justify="right")
        state = "done" if found.is_over else f"round {found.round}, at most {left} left"
        heading.add_row(Text(found.target.name, "bold"), Text(state, "dim"))
        return Group(Text(), heading, self._marks(found), Text(_so_far(found)))

    def _marks(self, found: Measurement) -> Text:
        told = defaultdict(list)
        for outcome in self._told[found.target.name, found.round].copy():
            told[outcome.planned].append(_kind(outcome.fate))
        times = sorted(found.times)
        marks = Text(f"  {seconds(times[0])} ", "dim")
        for planned in times:
            marks.append(*self._mark(told[planned].pop() if told[planned] else "idle"))
        return marks.append(f" {seconds(times[-1])}", "dim")

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
    fatal = "" if bounds.fatal is None else f", forgotten by {seconds(bounds.fatal)}"
    return f"  remembered for {seconds(bounds.survived)}{fatal}"
