"""
Wine's registry and the Windows programs that change it.
"""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.windows.registry_values import REG_DWORD, REG_SZ

_TYPES = {"REG_SZ": REG_SZ, "REG_DWORD": REG_DWORD}
_VALUE = re.compile(r"^ {4}(\w+) {4}(REG_\w+) {4}(.*?)\r?$", re.MULTILINE)


def find_wine() -> Path | None:
    """
    The path of Wine, which Debian's wine64 installs outside PATH.
    """
    for place in ("/usr/lib/wine/wine64", shutil.which("wine64"), shutil.which("wine")):
        if place and Path(place).exists():
            return Path(place)
    return None


@dataclass(frozen=True)
class Wine:
    """
    A separate Windows environment in a directory.
    """

    program: Path
    directory: Path

    def run(self, command: str) -> str:
        """
        Run a Windows command in the directory. Returns its output; fails if it fails.
        """
        # str.split() keeps backslashes, and no argument needs quotes.
        return self._run(str(self.program), *command.split())

    def server(self, flag: str) -> None:
        """
        Start or stop the server that emulates the Windows kernel.
        """
        self._run(str(self.program.with_name("wineserver")), flag)

    def values(self, key: str) -> dict[str, tuple[object, int]]:
        """
        The text and DWORD values of a key, in the format of winreg.
        """
        return {
            name: (int(data, 16) if kind == "REG_DWORD" else data, _TYPES[kind])
            for name, kind, data in _VALUE.findall(self.run(rf"reg query {key}"))
            if kind in _TYPES
        }

    def _run(self, *argv: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory),  # of the directory with wineserver's socket
            "WINEPREFIX": str(self.directory / "prefix"),
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree,mshtml=;winemenubuilder.exe=d",  # prevents downloads
        }
        # Not a pipe, because services started by the first command would keep it open.
        with tempfile.TemporaryFile("w+") as output:
            subprocess.run(
                argv,
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=120,
                check=True,
            )
            output.seek(0)
            return output.read()


@contextlib.contextmanager
def wine(program: Path, directory: Path) -> Iterator[Wine]:
    """
    Create an environment of about 700 MB, removed at the end of the block.
    """
    windows = Wine(program, directory)
    (directory / "prefix").mkdir()
    windows.server("--persistent")  # otherwise each program starts its own
    try:
        windows.run("wineboot --init")
        yield windows
    finally:
        windows.server("--kill")
        shutil.rmtree(directory / "prefix", ignore_errors=True)
