"""
The systemd units: right, tight, and not too tight for the exporter.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exporter_process import AS_NOBODY, COMMAND, ROOT, exporter_process

UNITS = ROOT / "deploy/systemd"
SERVICE = "tcp-keepalive-exporter.service"
MOST_EXPOSED = 2.0
"""On systemd's scale from 0 to 10; node_exporter's own unit has 9.2."""
FAMILIES = {"AF_INET", "AF_INET6", "AF_NETLINK", "AF_UNIX"}
DISPENSABLE = {"mbind"}
"""OpenBLAS says where its memory should lie, and does without where it may not."""
_CALL = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?([a-z_0-9]+)\((.*)")


def analyze(*arguments: str) -> str:
    """
    What systemd-analyze prints, which must have nothing to say on standard error.
    """
    ended = subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """
    The units in a folder, with a command that exists here.
    """
    for unit in UNITS.glob("tcp-keepalive-exporter.*"):
        text = unit.read_text("utf-8").replace("/usr/bin/tcp-keepalive-exporter", sys.executable)
        (tmp_path / unit.name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("unit", [SERVICE, "tcp-keepalive-exporter.socket"])
def test_verify(installed: Path, unit: str) -> None:
    """
    Systemd has nothing to say about a unit.
    """
    analyze("verify", "--man=no", str(installed / unit))


def exposure(unit: Path) -> float:
    """
    Systemd's score of a unit's exposure.
    """
    text = analyze("security", "--offline=yes", "--no-pager", "--threshold=100", str(unit))
    match = re.search(r"exposure level for .*: ([0-9.]+) ", text)
    assert match
    return float(match[1])


def test_little_exposed() -> None:
    """
    The service is among the least exposed that there are.
    """
    assert exposure(UNITS / SERVICE) <= MOST_EXPOSED


def test_drop_in_is_more_exposed(installed: Path) -> None:
    """
    What other namespaces take shows in the score, but leaves it below what is common.
    """
    drop_in = installed / f"{SERVICE}.d/namespaces.conf"
    drop_in.parent.mkdir()
    drop_in.write_text((UNITS / "namespaces.conf").read_text("utf-8"))
    assert MOST_EXPOSED < exposure(installed / SERVICE) < 4


def allowed_calls() -> set[str]:
    """
    The system calls that the service's filters leave.
    """
    text = (UNITS / SERVICE).read_text("utf-8")
    allowed: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", text, re.MULTILINE):
        groups = line.removeprefix("~").split()
        calls = {call for group in groups for call in _members(group)}
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def _members(group: str) -> Iterator[str]:
    lines = analyze("syscall-filter", "--no-pager", group).splitlines()[1:]
    for member in (line.strip() for line in lines):
        if member.startswith("@"):
            yield from _members(member)
        elif member and not member.startswith("#"):
            yield member


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """
    Name and arguments of each system call of an exporter that starts, is scraped and ends.
    """
    trace = tmp_path_factory.mktemp("strace") / "trace"
    refusing = [f"--inject={name}:error=EPERM" for name in DISPENSABLE]
    strace = ("strace", "--follow-forks", "--quiet=all", f"--output={trace}", *refusing)
    as_nobody = AS_NOBODY[: -len(COMMAND)]
    with exporter_process(command=(*strace, *as_nobody, *COMMAND)) as exporter:
        exporter.wait_for({'tcp_keepalive_collector_success{collector="sockets"}': 1}, within=60)
        assert exporter.get("/")[0] == 200
        text = trace.read_text(errors="replace")
    own = text[text.rindex("execve(") :]  # not what came before it: setpriv
    return [(match[1], match[2]) for match in map(_CALL.match, own.splitlines()) if match]


def test_system_calls_are_allowed(calls: list[tuple[str, str]]) -> None:
    """
    Under the service's filter nothing that the exporter does would fail.
    """
    refused = {name for name, _ in calls} - allowed_calls()
    assert refused <= DISPENSABLE


def test_address_families_are_allowed(calls: list[tuple[str, str]]) -> None:
    """
    It opens sockets of the allowed families alone.
    """
    families = {arguments.partition(",")[0] for name, arguments in calls if name == "socket"}
    assert {"AF_NETLINK", "AF_INET"} <= families <= FAMILIES


def test_no_memory_is_written_and_run(calls: list[tuple[str, str]]) -> None:
    """
    MemoryDenyWriteExecute= refuses nothing that it does.
    """
    for name, arguments in calls:
        if name == "mmap":
            assert not {"PROT_WRITE", "PROT_EXEC"} <= set(re.findall(r"PROT_\w+", arguments))
        assert name != "mprotect" or "PROT_EXEC" not in arguments
