"""
What a lab needs from the machine, and how a test says that it needs one.
"""

import os
import shutil
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

PACKAGES = {"ip": "iproute2", "nft": "nftables", "conntrack": "conntrack"}
"""
The commands a lab runs and the Debian packages they come in.
"""

_Test = TypeVar("_Test", bound=Callable[..., Any])


class LabError(Exception):
    """
    A lab cannot be built here; the message says what is missing.
    """


def is_root() -> bool:
    """
    Whether this process may be expected to make network namespaces.
    """
    # Windows has no geteuid, and these tests are collected there too.
    return hasattr(os, "geteuid") and os.geteuid() == 0


def missing() -> list[str]:
    """
    List what must still be had before a lab can be built: root, packages.
    """
    lacking = [] if is_root() else ["root"]
    return lacking + [
        package for command, package in PACKAGES.items() if shutil.which(command) is None
    ]


def skip_reason() -> str | None:
    """
    Why lab tests are skipped here, or None where they run.

    Only the lack of root skips. With root a missing package fails the test instead: a build that
    means to run these tests must not pass by leaving them out.
    """
    if is_root():
        return None
    return f"a lab needs root, {', '.join(PACKAGES.values())}; here lacks {', '.join(missing())}"


def require() -> None:
    """
    Raise LabError unless a lab can be built here.
    """
    if lacking := missing():
        raise LabError(f"a lab needs {', '.join(lacking)}")


_REASON = skip_reason()
LAB_MARKS = [pytest.mark.privileged, pytest.mark.skipif(_REASON is not None, reason=_REASON or "")]
"""
For a module in which every test uses a lab: `pytestmark = LAB_MARKS`.
"""


def requires_lab(test: _Test) -> _Test:
    """
    Mark one test or test class as privileged, and skip it without root.
    """
    for mark in LAB_MARKS:
        test = mark(test)
    return test
