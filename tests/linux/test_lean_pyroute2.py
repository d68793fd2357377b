"""
pyroute2 without its package: works, and is worth it.
"""

import subprocess
import sys

import pytest

from tests.exporter_process import ROOT

pytestmark = pytest.mark.system

_USED = "exporter.collectors.operating_system"
_COUNT = "print(sum(name.startswith('pyroute2') for name in sys.modules))"


def modules_after(statement: str) -> int:
    """
    How many of pyroute2's modules a fresh interpreter has after a statement.
    """
    command = [sys.executable, "-c", f"import sys\n{statement}\n{_COUNT}"]
    return int(subprocess.check_output(command, cwd=ROOT, text=True))


def test_few_modules() -> None:
    """
    All that the exporter uses can be imported, and it is a small part of the package.
    """
    assert 0 < modules_after(f"import {_USED}") < modules_after("import pyroute2") / 3


def test_imported_before() -> None:
    """
    In a process that has imported the package, the exporter uses it as it is.
    """
    modules_after(f"import pyroute2\nimport {_USED}\nassert pyroute2.IPRoute")
