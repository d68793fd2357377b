"""
Files of Debian packages that are unpacked, not installed.
"""

from pathlib import Path

import pytest

from tests.exporter_process import ROOT

_DIRECTORY = ROOT / "build" / "debian"


def unpacked(file: str) -> Path:
    """
    The path of a file, given relative to /. Without the packages, the test is skipped.
    """
    if not (_DIRECTORY / "complete").exists():
        pytest.skip("needs Debian's packages: tests/unpack-packages")
    return _DIRECTORY / file
