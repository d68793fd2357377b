"""
The runbooks, parsed: headings, PromQL, commands and the output shown for them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.alerts.rules import RUNBOOKS

FILES = sorted(RUNBOOKS.glob("*.md"))
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """
    A command in a runbook, and the output shown for it.
    """

    runbook: str
    line: str
    output: str


def headings(runbook: Path) -> list[str]:
    """
    The headings of a runbook's sections.
    """
    return re.findall(r"^## (.*)$", runbook.read_text(), re.MULTILINE)


def blocks(runbook: Path, language: str) -> list[str]:
    """
    A runbook's code blocks in a language, without indentation.
    """
    return [
        re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
        for indent, found, text in _BLOCK.findall(runbook.read_text())
        if found == language
    ]


def commands(runbook: Path) -> list[Command]:
    """
    A runbook's commands, which follow a `$` in console blocks.
    """
    return [
        Command(runbook.stem, *f"{entry}\n".split("\n", maxsplit=1))
        for text in blocks(runbook, "console")
        for entry in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    ]


QUERIES = [(file.stem, text.strip()) for file in FILES for text in blocks(file, "promql")]
COMMANDS = [command for file in FILES for command in commands(file)]
