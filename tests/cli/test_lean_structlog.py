"""
structlog without the packages that it imports where they are installed.
"""

import subprocess
import sys

import pytest

from tests.exporter_process import ROOT

pytestmark = pytest.mark.system

_RUN = "import sys, {first}\nimport exporter.cli\n"


@pytest.mark.parametrize("hidden", ["rich", "greenlet"])
def test_not_imported(hidden: str) -> None:
    """
    Serving imports neither of them, and structlog is there.
    """
    run(_RUN.format(first="os"), f"assert {hidden!r} not in sys.modules", "import structlog")


def test_still_available() -> None:
    """
    Commands import rich afterwards, and what was imported before stays.
    """
    run(_RUN.format(first="os"), "import rich.console")
    run(_RUN.format(first="rich"), "assert 'rich' in sys.modules")


def run(*statements: str) -> None:
    """
    Execute the statements in a fresh interpreter.
    """
    subprocess.run([sys.executable, "-c", "\n".join(statements)], cwd=ROOT, check=True)
