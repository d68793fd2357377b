"""
Files of Debian packages that tests use without installing them.
"""

from pathlib import Path

import pytest

from tests.exporter_process import ROOT

_DIRECTORY = ROOT / "build" / "debian"


def unpacked(file: str) -> Path:
    """
    The file, given relative to the root; without the packages the test is skipped.
    """
    if not (_DIRECTORY / "complete").exists():
        pytest.skip("tests/unpack-packages has not been run, or had no Debian packages")
    return _DIRECTORY / file
