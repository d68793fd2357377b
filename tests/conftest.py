"""
What a test starts ends with it, whatever happens.
"""

import ctypes
import os
import sys
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import settings

from tests.lab.guard import is_guard

pytest_plugins = ["tests.distribution", "tests.fast_tier"]

settings.register_profile("full", deadline=None)  # a loaded machine exceeds any deadline
settings.register_profile("fast", deadline=None, max_examples=20, derandomize=True)
settings.load_profile("full")

# libreadline, which pytest loads, sets them for the workers, whose ps would cut its lines by them.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE = 10.0
"""Seconds for processes that are ending, such as a browser."""


@pytest.fixture(scope="session", autouse=True)
def _adoption() -> None:
    """
    The child of a process that has ended becomes this one's, where it would become init's.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


@pytest.fixture(scope="module", autouse=True)
def _no_process_left(_adoption: None) -> Iterator[None]:
    """
    Fail if a process is left when a module's tests and fixtures are done, and end it.
    """
    yield
    children = [child for child in psutil.Process().children() if not is_guard(child)]
    offspring = [each for child in children for each in _offspring(child)]
    _, left = psutil.wait_procs([*children, *offspring], _PATIENCE)
    names = [name for each in left if (name := _command(each))]
    for process in left:
        process.kill()
    assert not names, f"left running: {names}"


def _offspring(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())  # a zombie has none
    except psutil.NoSuchProcess:
        return ""
