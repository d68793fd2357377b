"""
The report of `protect` on a terminal.
"""

import io
from collections import Counter

import pytest
from rich.cells import cell_len
from rich.console import Console

from exporter.cli.protect_table import render
from exporter.protect.attempts import ProtectReport
from exporter.protect.candidates import LeftAlone
from tests.protect.protect_report import APPLIED, PLANNED, report


def lines(shown: ProtectReport, width: int, limit: int | None = None) -> list[str]:
    """
    The lines on a terminal of this width.
    """
    console = Console(file=io.StringIO(), width=width, highlight=False)
    with console.capture() as text:
        console.print(render(shown, width, limit))
    return [line.rstrip() for line in text.get().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 160, 170, 250])
def test_fits(width: int) -> None:
    """
    No line is wider than the terminal.
    """
    for attempts in (PLANNED, APPLIED):
        assert max(map(cell_len, lines(report(*attempts), width))) <= width


def test_counts() -> None:
    """
    The heading counts every connection once, and the summary names workloads and reasons.
    """
    shown = lines(report(*APPLIED), 200)
    assert shown[0] == (
        "1,194 connections: 2 protected, 2 cannot be protected, 1 closed meanwhile, 1,100 already"
        " protected by keepalive, 89 on no path."
    )
    text = "\n".join(shown)
    assert "1 protected, 1 closed meanwhile and 1 cannot be protected (its process does" in text
    assert "Permanent change: java -> :5432 (3), probably pgjdbc" in text


def test_limit() -> None:
    """
    With a limit, the number of connections that are not shown is.
    """
    shown = lines(report(*PLANNED), 200, limit=1)
    assert any(line.startswith("... and 3 more") for line in shown)
    assert "redis-server[871]" not in "\n".join(shown)


def test_nothing_to_do() -> None:
    """
    Without connections to protect, one line remains.
    """
    left_alone = Counter({LeftAlone.PEER: 1})
    assert lines(report(left_alone=left_alone), 80) == [
        "1 connection: 1 already protected by the peer. Nothing to do."
    ]
