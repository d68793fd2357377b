"""
Imports single modules of pyroute2 without its package `__init__`, which imports every protocol that
pyroute2 supports.

Reason: the exporter needs three of its modules, for constants, message layouts and setns(2).
Measured gain (pyroute2 0.9, CPython 3.11): 10 MB of memory and 0.2 s per start. This requires that
those modules import everything that they need. pyproject.toml therefore limits pyroute2's version,
and tests/linux/test_lean_pyroute2.py fails if a new version does not allow it.
"""

import importlib.util
import sys

_PACKAGE = "pyroute2"


def install() -> None:
    """
    Install an empty module as the package, unless it is already imported or not installed.
    """
    if _PACKAGE not in sys.modules and (spec := importlib.util.find_spec(_PACKAGE)):
        sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
