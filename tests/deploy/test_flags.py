"""
The flags in deploy/ exist.
"""

import re
from pathlib import Path

import click
import pytest

from exporter.cli import main
from tests.exporter_process import ROOT

_FLAG = re.compile(r"(?<![\w-])--(?:web|log|config|collector|no-collector|namespaces)\b[\w.-]*")


@pytest.mark.parametrize(
    "file",
    [file for file in sorted((ROOT / "deploy").rglob("*")) if file.is_file()],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_flags_exist(file: Path) -> None:
    """
    Every flag in a file is a flag of the exporter's serve command.
    """
    known = {
        name
        for option in main.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    }
    assert set(_FLAG.findall(file.read_text("utf-8"))) <= known
