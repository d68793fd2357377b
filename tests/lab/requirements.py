"""
What tests need from the machine: a lab, a command, open files. Without it, they are skipped.
"""

import os
import shutil
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import psutil
import pytest

PACKAGES = {"ip": "iproute2", "nft": "nftables", "conntrack": "conntrack"}
"""
The commands a lab runs and the Debian packages they come in.
"""
_OTHER_PACKAGES = {
    "amtool": "prometheus-alertmanager",
    "promtool": "prometheus",
    "systemd-analyze": "systemd",
    "systemd-socket-activate": "systemd",
}
"""
The same for commands of single tests, where command and package have different names.
"""

_Test = TypeVar("_Test", bound=Callable[..., Any])


class LabError(Exception):
    """
    A lab cannot be built here. The message names what is missing.
    """


def is_root() -> bool:
    """
    Whether this process can be expected to create network namespaces.
    """
    # Windows has no geteuid, and these tests are also collected there.
    return hasattr(os, "geteuid") and os.geteuid() == 0


def missing() -> list[str]:
    """
    List what is missing for a lab: root, packages.
    """
    absent = [] if is_root() else ["root"]
    return absent + [
        package for command, package in PACKAGES.items() if shutil.which(command) is None
    ]


def skip_reason() -> str | None:
    """
    Why lab tests are skipped here, or None if they run.

    Only missing root skips a test. With root, a missing package fails it: a build that runs these
    tests must not pass by skipping them.
    """
    if is_root():
        return None
    return f"needs root, {', '.join(PACKAGES.values())}: sudo make test"


def needs(command: str) -> str:
    """
    The path of a command that a test runs.
    """
    return shutil.which(command) or lacks(command)


def lacks(command: str) -> NoReturn:
    """
    Skip the test because the command is missing. As root it fails, as labs do.
    """
    package = _OTHER_PACKAGES.get(command, command)
    reason = f"needs {command}: sudo apt-get install {package}"
    if is_root():
        pytest.fail(reason)
    pytest.skip(reason)


def needs_files(count: int) -> None:
    """
    Raise this process's limit of open files if `count` more would exceed it, or skip the test.
    """
    process = psutil.Process()
    soft, hard = process.rlimit(psutil.RLIMIT_NOFILE)
    needed = process.num_fds() + count + 64
    if soft >= needed:
        return
    try:
        process.rlimit(psutil.RLIMIT_NOFILE, (needed, max(needed, hard)))
    except psutil.AccessDenied:  # beyond the hard limit, without CAP_SYS_RESOURCE
        pytest.skip(f"needs {needed} open files: sudo prlimit --pid $$ --nofile={needed}")


def require() -> None:
    """
    Raise LabError unless a lab can be built here.
    """
    if absent := missing():
        raise LabError(f"a lab needs {', '.join(absent)}")


_REASON = skip_reason()
LAB_MARKS = [
    pytest.mark.privileged,
    pytest.mark.system,
    pytest.mark.skipif(_REASON is not None, reason=_REASON or ""),
]
"""
For modules in which every test uses a lab: `pytestmark = LAB_MARKS`.
"""


def requires_lab(test: _Test) -> _Test:
    """
    Mark one test or test class as privileged, and skip it without root.
    """
    for mark in LAB_MARKS:
        test = mark(test)
    return test
