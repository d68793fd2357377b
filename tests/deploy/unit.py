"""
What a systemd service may do, according to its unit and drop-ins.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.exporter_process import ROOT
from tests.lab.requirements import needs

UNITS = ROOT / "deploy/systemd"
SERVICE = UNITS / "tcp-keepalive-exporter.service"
PROTECT = UNITS / "tcp-keepalive-exporter-protect.service"
NAMESPACES = UNITS / "namespaces.conf"
_SETTING = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Unit:
    """
    The settings of a unit and its drop-ins, in the order in which systemd reads them.
    """

    settings: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, *files: Path) -> Self:
        """
        The unit in the first file, with the drop-ins in the others.
        """
        texts = (file.read_text("utf-8") for file in files)
        return cls(tuple(setting for text in texts for setting in _SETTING.findall(text)))

    def words(self, name: str) -> list[str]:
        """
        The values of a list setting. An empty value clears the previous ones.
        """
        words: list[str] = []
        for value in self._values(name):
            words = [*words, *value.split()] if value else []
        return words

    def last(self, name: str) -> str:
        """
        The value of a single-value setting.
        """
        return self._values(name)[-1]

    def capabilities(self) -> list[str]:
        """
        The capabilities of its processes, in lower case and without CAP_.
        """
        bounding, ambient = map(self.words, ("CapabilityBoundingSet", "AmbientCapabilities"))
        assert bounding == ambient, "the user is not root, so only ambient capabilities count"
        return [word.removeprefix("CAP_").lower() for word in ambient]

    def calls(self) -> set[str]:
        """
        The system calls that its filters allow.
        """
        allowed: set[str] = set()
        for value in self._values("SystemCallFilter"):
            calls = {call for word in value.removeprefix("~").split() for call in _calls_of(word)}
            allowed = allowed - calls if value.startswith("~") else allowed | calls
        return allowed

    def _values(self, name: str) -> list[str]:
        return [value for key, value in self.settings if key == name]


def _calls_of(word: str) -> Iterator[str]:
    if not word.startswith("@"):
        yield word
        return
    lines = analyze("syscall-filter", "--no-pager", word).splitlines()[1:]
    for member in (line.strip() for line in lines):
        if member and not member.startswith("#"):
            yield from _calls_of(member)


def analyze(*arguments: str) -> str:
    """
    The output of systemd-analyze, which must not print anything on standard error.
    """
    ended = subprocess.run(
        [needs("systemd-analyze"), *arguments], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout
