"""
The systemd unit of `protect`: valid, hardened, disabled by default, and it allows what it does.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.deploy.sandbox import privileges, python, sandbox
from tests.deploy.test_calls import DISPENSABLE, calls
from tests.deploy.unit import PROTECT, UNITS, Unit, analyze
from tests.e2e.protecting import config_with
from tests.exporter_process import COMMAND, NO_CLOUD, ROOT
from tests.lab import LAB_MARKS, NatLab, nat_lab
from tests.lab.requirements import needs

pytestmark = LAB_MARKS

DYNAMIC_USER = 61184
"""The first uid that systemd assigns to services with DynamicUser=."""
MOST_EXPOSED = 2.0
"""On systemd's scale from 0 to 10."""
FLAGS = ("--apply", "--watch", "--format=json", NO_CLOUD)


def test_valid_and_little_exposed(tmp_path: Path) -> None:
    """
    Systemd reports no problem, and a low exposure score.
    """
    unit = tmp_path / PROTECT.name
    text = PROTECT.read_text("utf-8")
    unit.write_text(text.replace("/usr/bin/tcp-keepalive-exporter", sys.executable))
    analyze("verify", "--man=no", str(unit))
    score = analyze("security", "--offline=yes", "--no-pager", "--threshold=100", str(PROTECT))
    match = re.search(r"exposure level for .*: ([0-9.]+) ", score)
    assert match
    assert float(match[1]) <= MOST_EXPOSED


def test_disabled_by_default() -> None:
    """
    No other unit starts it, and the exporter's own unit gets no privilege for it.
    """
    others = [file for file in UNITS.iterdir() if file != PROTECT and file.suffix != ".md"]
    assert others
    assert not [file.name for file in others if PROTECT.stem in file.read_text("utf-8")]
    words = Unit.read(PROTECT).last("ExecStart").split()
    assert words[1:4] == ["protect", "--apply", "--watch"]


@contextmanager
def protecting(
    lab: NatLab, folder: Path, prefix: Sequence[str], command: Sequence[str]
) -> Iterator[None]:
    """
    Run the unit's command with a prefix in the client until a connection is protected.
    """
    config = folder / "config.yml"
    config.write_text(config_with(240))
    config.chmod(0o644)
    folder.chmod(0o755)
    connection = lab.connect()
    process = lab.client.start(
        [*prefix, *command, "protect", *FLAGS, f"--config.file={config}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    (row,) = json.loads(process.stdout.readline())["connections"]
    assert row["outcome"] == "protected", row
    assert connection.client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    yield
    os.killpg(process.pid, signal.SIGTERM)  # strace itself ignores it
    assert process.wait(20) == 0


def test_system_calls_are_allowed(tmp_path: Path) -> None:
    """
    The unit allows every system call and every address family of a run that changes a socket.
    """
    trace = tmp_path / "trace"
    strace = (needs("strace"), "--follow-forks", "--quiet=all", f"--output={trace}")
    with nat_lab(idle_timeout=240) as lab, protecting(lab, tmp_path, strace, COMMAND):
        pass
    made = calls(trace)
    unit = Unit.read(PROTECT)
    names = {name for name, _ in made}
    assert "pidfd_getfd" in names
    assert names - unit.calls() <= DISPENSABLE
    families = {arguments.partition(",")[0] for name, arguments in made if name == "socket"}
    assert families <= set(unit.words("RestrictAddressFamilies"))


@pytest.mark.parametrize("missing", [None, "sys_ptrace"])
def test_confined(missing: str | None) -> None:
    """
    With the unit's user, capabilities and filters it protects a connection of another user, which
    needs all of its capabilities.
    """
    unit = Unit.read(PROTECT)
    assert set(unit.capabilities()) == {"sys_ptrace", "dac_read_search"}
    kept = [each for each in unit.capabilities() if each != missing]
    prefix = (
        *sandbox(),
        *privileges(DYNAMIC_USER, kept),
        *python("tests.deploy.seccomp"),
        str(PROTECT.relative_to(ROOT)),
    )
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as folder,  # the sandbox has its own /tmp
        nat_lab(idle_timeout=240) as lab,
        pytest.raises(json.JSONDecodeError) if missing else nullcontext(),
        protecting(lab, Path(folder), prefix, python("exporter")),
    ):
        pass
