"""
The exporter's two threads can start at the same time.
"""

import subprocess
import sys

import pytest

from exporter.collectors.operating_system import SUPPORTED

pytestmark = pytest.mark.system

_PROGRAM = """
import sys
import exporter.cli.serve
loaded = set(sys.modules)
from exporter.collectors.operating_system import open_closures
open_closures().close()
print(*(name for name in set(sys.modules) - loaded if name.startswith(("exporter", "pyroute2"))))
"""


@pytest.mark.skipif(not SUPPORTED, reason="closure events exist only on Linux")
def test_closures_import_nothing_late() -> None:
    """
    Opening the stream of closure events imports no modules. pyroute2's modules import each other,
    and two threads that import them for the first time concurrently break each other's imports. The
    other thread is that of the sampler.
    """
    argv = [sys.executable, "-c", _PROGRAM]
    finished = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True)
    assert finished.stdout.split() == []
