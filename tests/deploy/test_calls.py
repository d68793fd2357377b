"""
The systemd service is not too tight for the exporter: what it does is what the unit leaves.
"""

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.unit import NAMESPACES, SERVICE, Unit
from tests.e2e.node import Node, inhabitants
from tests.exporter_process import AS_NOBODY, COMMAND, exporter_process
from tests.lab import LAB_MARKS

DISPENSABLE = {"mbind"}
"""OpenBLAS says where its memory should lie, and does without where it may not."""
_CALL = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?([a-z_0-9]+)\((.*)")
_STRACE = (
    *("strace", "--follow-forks", "--quiet=all"),
    *(f"--inject={name}:error=EPERM" for name in DISPENSABLE),
)


@dataclass(frozen=True)
class Run:
    """
    What an exporter did from start to scrape, and the unit that must leave it that.
    """

    unit: Unit
    calls: list[tuple[str, str]]
    """The system calls, each with its arguments."""

    @property
    def names(self) -> set[str]:
        """
        Which system calls there are.
        """
        return {name for name, _ in self.calls}


def calls(trace: Path) -> list[tuple[str, str]]:
    """
    Those of the exporter, not of what came before it: setpriv.
    """
    text = trace.read_text(errors="replace")
    own = text[text.rindex("execve(") :]
    return [(match[1], match[2]) for match in map(_CALL.match, own.splitlines()) if match]


def alone(trace: Path) -> Run:
    """
    The default unit's exporter.
    """
    as_nobody = AS_NOBODY[: -len(COMMAND)]
    command = (*_STRACE, f"--output={trace}", *as_nobody, *COMMAND)
    with exporter_process(command=command) as exporter:
        exporter.wait_for({'tcp_keepalive_collector_success{collector="sockets"}': 1}, within=60)
        assert exporter.get("/")[0] == 200
        return Run(Unit.read(SERVICE), calls(trace))


def everywhere(trace: Path) -> Run:
    """
    The drop-in's, which reads other namespaces, and the sockets of other processes.
    """
    command = (*_STRACE, f"--output={trace}", *COMMAND)
    flags = ("--namespaces=all", "--web.enable-connections")
    with ExitStack() as stack:
        node = stack.enter_context(Node())
        node.run(["ip", "netns", "add", "web"])
        holder = stack.enter_context(inhabitants(node))
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
    An exporter that has run as one of the units has it.
    """
    run: Run = request.param(tmp_path_factory.mktemp("strace") / "trace")
    return run


def test_system_calls_are_allowed(run: Run) -> None:
    """
    Under the service's filter nothing that the exporter does would fail.
    """
    assert run.names - run.unit.calls() <= DISPENSABLE


def test_drop_in_adds_what_it_takes(run: Run) -> None:
    """
    Whoever reads other namespaces makes every call that the drop-in adds, and nobody else does.
    """
    added = Unit.read(NAMESPACES).calls()
    assert added
    assert added & run.names == added & run.unit.calls()


def test_address_families_are_allowed(run: Run) -> None:
    """
    It opens sockets of the allowed families alone.
    """
    families = {arguments.partition(",")[0] for name, arguments in run.calls if name == "socket"}
    assert {"AF_NETLINK", "AF_INET"} <= families <= set(run.unit.words("RestrictAddressFamilies"))


def test_no_memory_is_written_and_run(run: Run) -> None:
    """
    MemoryDenyWriteExecute= refuses nothing that it does.
    """
    assert run.unit.last("MemoryDenyWriteExecute") == "yes"
    for name, arguments in run.calls:
        if name == "mmap":
            assert not {"PROT_WRITE", "PROT_EXEC"} <= set(re.findall(r"PROT_\w+", arguments))
        assert name != "mprotect" or "PROT_EXEC" not in arguments
