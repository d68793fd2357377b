"""
The table of results: each budget, the measured value, and whether it is within the budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.budgets import BUDGETS, Budget

_HEADINGS = ("what", "measured", "budget", "", "details")


@dataclass(frozen=True, slots=True)
class Row:
    """
    One budget and the measured value. details are the measurements behind the value.
    """

    budget: Budget
    value: float
    details: str = ""

    @property
    def is_kept(self) -> bool:
        """
        Whether the value is within the budget.
        """
        return self.budget.is_kept_by(self.value)


def render(rows: Sequence[Row]) -> str:
    """
    Render the rows in the order of the budgets, as text in aligned columns.
    """
    ordered = sorted(rows, key=lambda row: BUDGETS.index(row.budget))
    cells = [_HEADINGS, *map(_cells, ordered)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    places = max(0, 3 - len(str(int(row.value))))
    return (
        row.budget.what,
        f"{row.value:.{places}f} {row.budget.unit}",
        str(row.budget),
        "ok" if row.is_kept else "OVER",
        row.details,
    )
