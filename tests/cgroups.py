"""
Real cgroups, created below a directory of the test, and processes started in them.
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


_MOUNT = "sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup"


def mounted() -> Path | None:
    """
    The first mount point of a cgroup2 file system, or None.
    """
    # Mount points of other tests, which run in parallel, may not be text.
    mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    for line in mounts.split("\n"):
        mount, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            return Path(mount.split()[4])
    return None


def writable() -> Path | None:
    """
    The mount point, if it is writable.
    """
    top = mounted()
    return top if top is not None and os.access(top, os.W_OK) else None


def needs_cgroups() -> None:
    """
    Skip the test where the exporter cannot name workloads.
    """
    if mounted() is None:
        pytest.skip(f"needs cgroup2: {_MOUNT}")


@contextmanager
def cgroup_tree() -> Iterator[Path]:
    """
    Create a cgroup as a parent for others. The end of the block removes it and its descendants.
    """
    top = writable()
    if top is None:
        pytest.skip(f"needs a writable cgroup2: {_MOUNT}")
    tree = top / f"lab-{os.getpid()}"
    tree.mkdir()
    try:
        yield tree
    finally:
        for directory, _, _ in os.walk(tree, topdown=False):
            Path(directory).rmdir()


def start_in(
    cgroup: Path, host: Host, argv: Sequence[str], **options: Any
) -> "subprocess.Popen[str]":
    """
    Start a process inside a host and in a cgroup, which is created if it does not exist.
    """
    cgroup.mkdir(parents=True, exist_ok=True)
    return host.start(["sh", "-c", _INSIDE, str(cgroup), *argv], **options)
