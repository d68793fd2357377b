"""
Both of the exporter's threads can begin at the same moment.
"""

import subprocess
import sys

import pytest

from exporter.linux import SUPPORTED

_PROGRAM = """
import sys
import exporter.cli.serve
known = set(sys.modules)
from exporter.linux import open_closures
open_closures().close()
print(*(name for name in set(sys.modules) - known if name.startswith(("exporter", "pyroute2"))))
"""


@pytest.mark.skipif(not SUPPORTED, reason="closures are told on Linux only")
def test_closures_import_nothing_late() -> None:
    """
    Opening the stream imports nothing: pyroute2's modules import one another, and two threads that
    import them for the first time at once (the sampler's is the other) break each other's imports.
    """
    argv = [sys.executable, "-c", _PROGRAM]
    finished = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)
    assert finished.stdout.split() == []
