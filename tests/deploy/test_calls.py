"""
The systemd unit allows everything the exporter does.
"""

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.unit import NAMESPACES, SERVICE, Unit
from tests.e2e.node import Node, unnamed_namespaces
from tests.exporter_process import AS_NOBODY, COMMAND, exporter_process
from tests.lab import LAB_MARKS
from tests.lab.requirements import is_root, needs

pytestmark = pytest.mark.system

DISPENSABLE = {"mbind"}
"""OpenBLAS uses mbind for memory placement, and works without it."""
_CALL = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?([a-z_0-9]+)\((.*)")
_STRACE = (
    *("strace", "--follow-forks", "--quiet=all"),
    *(f"--inject={name}:error=EPERM" for name in DISPENSABLE),
)


@dataclass(frozen=True)
class Run:
    """
    The system calls of an exporter from start to scrape, and the unit that must allow them.
    """

    unit: Unit
    calls: list[tuple[str, str]]
    """The system calls, each with its arguments."""

    @property
    def names(self) -> set[str]:
        """
        Names of the system calls.
        """
        return {name for name, _ in self.calls}


def calls(trace: Path) -> list[tuple[str, str]]:
    """
    The exporter's system calls and those of its children, without those of setpriv before it.
    """
    text = trace.read_text(errors="replace")
    starts = [each.start() for each in re.finditer(r"execve\(.*-m.*exporter", text)]
    own = text[starts[-1] :]
    return [(match[1], match[2]) for match in map(_CALL.match, own.splitlines()) if match]


def alone(trace: Path) -> Run:
    """
    The exporter with the default unit.
    """
    unprivileged = AS_NOBODY if is_root() else COMMAND
    command = (*_STRACE, f"--output={trace}", *unprivileged)
    with exporter_process(command=command) as exporter:
        exporter.wait_for({'tcp_keepalive_collector_success{collector="sockets"}': 1}, within=60)
        assert exporter.get("/")[0] == 200
        return Run(Unit.read(SERVICE), calls(trace))


def everywhere(trace: Path) -> Run:
    """
    The exporter with the drop-in, which reads other namespaces and other processes' sockets.
    """
    command = (*_STRACE, f"--output={trace}", *COMMAND)
    flags = ("--namespaces=all", "--web.enable-connections")
    with ExitStack() as stack:
        node = stack.enter_context(Node())
        node.run(["ip", "netns", "add", "web"])
        holder = stack.enter_context(unnamed_namespaces(node))
        holder.make(1, sockets=2)
        exporter = stack.enter_context(exporter_process(*flags, command=command, start=node.start))
        node.call(exporter.wait_for, {'tcp_keepalive_namespaces{readable="true"}': 3}, 60)
        assert node.call(exporter.get, "/connections?all=1")[0] == 200
        return Run(Unit.read(SERVICE, NAMESPACES), calls(trace))


@pytest.fixture(
    scope="module",
    params=[alone, pytest.param(everywhere, marks=LAB_MARKS)],
    ids=lambda f: f.__name__,
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """
    A traced run of the exporter, for each variant of the unit.
    """
    needs("strace")
    run: Run = request.param(tmp_path_factory.mktemp("strace") / "trace")
    return run


def test_system_calls_are_allowed(run: Run) -> None:
    """
    The service's filter allows every system call of the exporter.
    """
    assert run.names - run.unit.calls() <= DISPENSABLE


def test_drop_in_adds_only_what_is_needed(run: Run) -> None:
    """
    With the drop-in the exporter makes every call that it adds; without it, none of them.
    """
    added = Unit.read(NAMESPACES).calls()
    assert added
    assert added & run.names == added & run.unit.calls()


def test_address_families_are_allowed(run: Run) -> None:
    """
    The exporter opens only sockets of the allowed families.
    """
    families = {arguments.partition(",")[0] for name, arguments in run.calls if name == "socket"}
    assert {"AF_NETLINK", "AF_INET"} <= families <= set(run.unit.words("RestrictAddressFamilies"))


def test_no_memory_is_written_and_run(run: Run) -> None:
    """
    The exporter makes no call that MemoryDenyWriteExecute= denies.
    """
    assert run.unit.last("MemoryDenyWriteExecute") == "yes"
    for name, arguments in run.calls:
        if name == "mmap":
            assert not {"PROT_WRITE", "PROT_EXEC"} <= set(re.findall(r"PROT_\w+", arguments))
        assert name != "mprotect" or "PROT_EXEC" not in arguments
