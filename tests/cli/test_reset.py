"""
The command `reset`: its output, its log, exit codes and errors.
"""

import io
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from rich.console import Console

from exporter.cli import main
from exporter.cli.reset import exit_code
from exporter.cli.reset_json import document
from exporter.cli.reset_table import render
from exporter.linux.netlink import destroy_request
from exporter.protect.hanging import HangingListing
from exporter.protect.recheck import ResetOutcome
from tests.exporter_process import AS_NOBODY, COMMAND, NO_CLOUD, ROOT
from tests.lab import Connection, Keepalive, NatLab, nat_lab, requires_lab
from tests.lab.watching import soon
from tests.protect.hanging_listing import REFUSAL, dry_run, ended

pytestmark = pytest.mark.system

ELSEWHERE = "--remote=192.0.2.99"
"""Matches no connection of this machine, so that no test ends one."""
ENDED, RECOVERED, CLOSED, NOT_PERMITTED, FAILED = (
    ResetOutcome.ENDED,
    ResetOutcome.RECOVERED,
    ResetOutcome.CLOSED,
    ResetOutcome.NOT_PERMITTED,
    ResetOutcome.FAILED,
)


@dataclass(frozen=True)
class HangingClients:
    """
    A lab with connections that hang: over IPv4, IPv6 and IPv4-mapped; and one that does not.
    """

    lab: NatLab
    hanging: list[Connection]
    kept: Connection
    config: Path

    def run(
        self, *flags: str, command: tuple[str, ...] = COMMAND
    ) -> "subprocess.CompletedProcess[str]":
        """
        Run `reset` at the client.
        """
        argv = [*command, "reset", f"--config.file={self.config}", NO_CLOUD, *flags]
        return self.lab.client.run(argv, cwd=ROOT, check=False)

    def ports(self) -> set[int]:
        """
        The local ports of those that hang.
        """
        return {each.client.getsockname()[1] for each in self.hanging}


@pytest.fixture
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HangingClients]:
    """
    Wait until the connections hang.
    """
    folder = tmp_path_factory.mktemp("config")
    config = folder / "exporter.yml"
    config.write_text("profile: none\npaths: [{name: nat, remote: public, idle_timeout: 3s}]\n")
    with nat_lab(idle_timeout=3) as lab:
        mapped = lab.client.socket(socket.AF_INET6)
        listener = lab.server.listener()
        mapped.connect((f"::ffff:{lab.server.address}", listener.getsockname()[1]))
        hanging = [
            lab.connect(),
            lab.connect(family=socket.AF_INET6),
            Connection(mapped, lab.server.adopt(listener.accept()[0])),
        ]
        kept = lab.connect(keepalive=Keepalive(1, 1, 8))
        time.sleep(4)
        for each in hanging:
            each.client.send(b"x")
        found = HangingClients(lab, hanging, kept, config)
        assert soon(
            lambda: len(json.loads(found.run("--format=json").stdout)["connections"]) == 3, 20
        )
        yield found


def ports(printed: dict[str, Any]) -> set[int]:
    """
    The local ports in a document.
    """
    return {each["local"]["port"] for each in printed["connections"]}


@requires_lab
def test_dry_run_and_apply(clients: HangingClients) -> None:
    """
    Without --apply nothing changes. With it, the connections that hang end, and each is logged.
    """
    dry = clients.run("--format=json")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert ports(json.loads(dry.stdout)) == clients.ports()
    assert [each.client_error() for each in clients.hanging] == [None] * 3
    applied = clients.run("--format=json", "--apply")
    assert applied.returncode == 0, applied.stderr
    printed = json.loads(applied.stdout)
    assert {each["outcome"] for each in printed["connections"]} == {"ended"}
    assert ports(printed) == clients.ports()
    assert [each.client_error() for each in clients.hanging] == ["ECONNABORTED"] * 3
    assert clients.kept.reaches_server()
    log = applied.stderr.splitlines()
    assert len(log) == 3
    for line in log:
        assert 'level=info msg="connection ended" previous_state=stalled netns=host' in line
    for port in clients.ports():
        assert any(f":{port} remote=" in line for line in log)
    again = clients.run("--apply")
    assert (again.returncode, again.stdout.strip()) == (0, "0 of 1 connection hang.")


@requires_lab
def test_unprivileged(clients: HangingClients) -> None:
    """
    Any user may look. --apply without CAP_NET_ADMIN is an error, and ends nothing.
    """
    dry = clients.run(command=AS_NOBODY)
    assert dry.returncode == 0
    assert f"--apply cannot end connections here: {REFUSAL}." in " ".join(dry.stdout.split())
    applied = clients.run("--apply", command=AS_NOBODY)
    assert (applied.returncode, applied.stderr) == (2, f"Error: {REFUSAL}\n")
    assert [each.client_error() for each in clients.hanging] == [None] * 3


def test_kernel_without_support(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A kernel that cannot end connections is an error, whatever hangs.
    """
    monkeypatch.setattr(destroy_request, "_FAMILIES", {4: socket.AF_UNIX})
    printed = CliRunner().invoke(main, ["reset", NO_CLOUD, ELSEWHERE, "--apply"])
    assert printed.exit_code == 2
    assert "CONFIG_INET_DIAG_DESTROY" in printed.stderr


@pytest.mark.parametrize(
    "flags", [["--path=nowhere"], ["--remote=nowhere"], ["--config.file=/nowhere"], ["--no-flag"]]
)
def test_usage(flags: list[str]) -> None:
    """
    Wrong flags are errors.
    """
    printed = CliRunner().invoke(main, ["reset", NO_CLOUD, ELSEWHERE, *flags])
    assert printed.exit_code == 2
    assert "Error: " in printed.stderr


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((), 0),
        ((ENDED, RECOVERED, CLOSED), 0),
        ((ENDED, NOT_PERMITTED), 1),
        ((ENDED, FAILED), 1),
        ((FAILED,), 1),
        ((NOT_PERMITTED, RECOVERED), 2),
        ((NOT_PERMITTED, FAILED), 1),
    ],
)
def test_exit_code(outcomes: tuple[ResetOutcome, ...], code: int) -> None:
    """
    0: all that still hang were ended, 1: some were not, 2: none is permitted.
    """
    assert exit_code(ended(*outcomes)) == code


def test_unread_namespace() -> None:
    """
    If a network namespace could not be read, there may be connections that still hang.
    """
    from exporter.collectors.namespace_visits import NamespaceProblem  # noqa: PLC0415

    problem = NamespaceProblem(names={"pod"})
    assert exit_code(ended(ENDED, unread={"denied": problem})) == 1


def lines(found: HangingListing, width: int, *, applied: bool) -> list[str]:
    """
    The lines on a terminal of this width.
    """
    console = Console(file=io.StringIO(), width=width, highlight=False)
    with console.capture() as text:
        console.print(render(found, width, applied=applied))
    return [line.rstrip() for line in text.get().splitlines()]


@pytest.mark.parametrize("width", [40, 80, 149, 150, 250])
def test_fits(width: int) -> None:
    """
    No line is wider than the terminal.
    """
    for found, applied in ((dry_run(), False), (ended(*ResetOutcome), True)):
        assert max(map(cell_len, lines(found, width, applied=applied))) <= width


def test_narrow() -> None:
    """
    Below 150 columns, each connection has two lines.
    """
    assert lines(dry_run(), 80, applied=False) == [
        "2 of 7 connections hang. Dry run: nothing was changed; --apply ends them.",
        "",
        "State           Hangs for   Remote, path",
        "outcome         silent for  workload, process",
        "─" * 80,
        "stalled         >= 1m11s    -> 203.0.113.80:443 azure-outbound",
        "would be ended  5m47s       shop/checkout-6d5f7c9b4-x2x7q node[5120] node-http?",
        "unanswered      >= 2m8s     -> 203.0.113.10:5432 azure-outbound",
        "would be ended  2m11s       billing.service java[4211] pgjdbc?",
    ]


def test_wide() -> None:
    """
    Otherwise it has one line.
    """
    shown = lines(ended(ENDED, FAILED, RECOVERED), 160, applied=True)
    assert shown[0] == "3 of 3 connections hung: 1 ended, 1 recovered, 1 failed."
    assert " ".join(shown[4].split()) == (
        "unanswered ended >= 2m8s 2m11s -> 203.0.113.10:5432 azure-outbound"
        " billing.service java[4211] pgjdbc?"
    )
    assert shown[-1] == f"{REFUSAL}."


def test_json() -> None:
    """
    Each connection has the keys that `connections` has, and how long it hung and its outcome.
    """
    found = document(ended(ENDED, NOT_PERMITTED), applied=True)
    assert (found["command"], found["applied"], found["schema_version"]) == ("reset", True, 1)
    assert found["connections_by_outcome"] == {
        "hangs": 0,
        "ended": 1,
        "recovered": 0,
        "closed": 0,
        "not_permitted": 1,
        "failed": 0,
    }
    first, second = found["connections"]
    assert (first["outcome"], first["error"], first["hanging_seconds"]) == ("ended", None, 127.8)
    assert (second["outcome"], second["error"]) == ("not_permitted", REFUSAL)
    assert (first["risk"], first["process"]["pid"]) == ("unanswered", 4211)
    assert found["notes"] == [f"{REFUSAL}."]
    json.dumps(found, allow_nan=False)
