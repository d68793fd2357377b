"""
Real cgroups, made by hand below a directory of the test's own, and processes that are born in them.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Host

_INSIDE = 'echo $$ >"$0/cgroup.procs" && exec "$@"'


def writable() -> Path | None:
    """
    Where a cgroup2 file system is mounted that can be written to, if anywhere.
    """
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            top = Path(place.split()[4])
            return top if os.access(top, os.W_OK) else None
    return None


@contextmanager
def cgroup_tree() -> Iterator[Path]:
    """
    A new cgroup to make others in, which all go when the block is left.
    """
    top = writable()
    if top is None:
        pytest.skip("this test needs a cgroup2 file system that can be written to")
    tree = top / f"lab-{os.getpid()}"
    tree.mkdir()
    try:
        yield tree
    finally:
        for place, _, _ in os.walk(tree, topdown=False):
            Path(place).rmdir()


def start_in(
    cgroup: Path, host: Host, argv: Sequence[str], **options: Any
) -> "subprocess.Popen[str]":
    """
    Start a process in a cgroup, which is made if need be, and inside a host.
    """
    cgroup.mkdir(parents=True, exist_ok=True)
    return host.start(["sh", "-c", _INSIDE, str(cgroup), *argv], **options)
