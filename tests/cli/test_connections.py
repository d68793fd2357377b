"""
The command `connections`, as people and scripts run it.
"""

import contextlib
import errno
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.cli.connections import connections
from tests.exporter_process import COMMAND, ROOT, run_exporter

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")

_LOOKS_WITHIN = 20.0


@pytest.fixture
def server() -> Iterator[tuple[int, socket.socket]]:
    """
    The port of a connection to ourselves, and its client's end, with a keepalive time of 77 s.
    """
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0],
    ):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
        yield listener.getsockname()[1], client


def look(*flags: str) -> Any:
    """
    The document that the command writes.
    """
    ended = CliRunner().invoke(main, ["connections", "--format=json", *flags])
    assert (ended.exit_code, ended.stderr) == (0, "")
    return json.loads(ended.stdout)


def test_finds_a_connection(server: tuple[int, socket.socket]) -> None:
    """
    With its process, and the options that it really has.
    """
    port, client = server
    (found,) = look("--all", f"--remote=127.0.0.1:{port}")["connections"]
    assert found["process"] == {"pid": os.getpid(), "name": found["process"]["name"]}
    assert found["local"] == {"address": "127.0.0.1", "port": client.getsockname()[1]}
    assert found["keepalive"]["exact"]
    assert found["keepalive"]["on"]
    assert found["keepalive"]["time_seconds"] == 77
    assert (found["path"], found["risk"], found["uid"]) == ("none", "no_path", os.getuid())


def test_filters(server: tuple[int, socket.socket]) -> None:
    """
    What crosses no path needs no look; of what is asked for, as many as are wanted.
    """
    remote = f"--remote=:{server[0]}"
    assert look(remote)["matching"] == 0
    assert look("--all", remote, "--path=azure-outbound")["matching"] == 0
    assert look("--all", remote, "--workload=nobody.service")["matching"] == 0
    assert look("--all", remote, "--path=none", "--workload=*")["matching"] == 1
    whole = look("--all", "--limit=1", "--sort=idle")
    assert len(whole["connections"]) == 1
    assert sum(whole["connections_by_risk"].values()) == whole["matching"] >= 2


def test_table(server: tuple[int, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Into a pipe goes one line a connection.
    """
    monkeypatch.setenv("COLUMNS", "")  # libreadline, which pytest loads, sets it behind our back
    monkeypatch.delenv("COLUMNS")
    remote = f"127.0.0.1:{server[0]}"
    ended = run_exporter("connections", "--all", f"--remote={remote}")
    assert (ended.returncode, ended.stderr) == (0, "")
    (line,) = [line for line in ended.stdout.splitlines() if remote in line]
    assert line.startswith("no path")
    assert f"[{os.getpid()}]" in line


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--path=azure",),
            "there is no path 'azure'; there are azure-outbound, azure-inbound, none",
        ),
        (("--remote=example.com",), "'example.com' does not appear to be an IPv4 or IPv6 network"),
        (("--remote=:0",), "ports go from 1 to 65535"),
        (("--watch", "--interval=5"), "'5' is no duration; write it like 350s"),
        (("--sort=age",), "'age' is not one of"),
        (("--limit=-1",), "-1 is not in the range"),
        (("--config.file=/no/such.yml",), "/no/such.yml: cannot be read"),
        (("--format=xml",), "'xml' is not one of"),
    ],
)
def test_wrong_flags(flags: tuple[str, ...], message: str) -> None:
    """
    What cannot be used is said, with what is allowed; exit code 2.
    """
    ended = CliRunner().invoke(main, ["connections", *flags])
    assert ended.exit_code == 2
    assert message in " ".join(ended.stderr.split())


def test_netlink_refused() -> None:
    """
    Without netlink there is nothing to show, and it is said why; exit code 2.
    """
    refused = (sys.executable, "-m", "tests.e2e.refuse_netlink", str(errno.EPERM), *COMMAND)
    ended = run_exporter("connections", command=refused)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: netlink is not permitted here")


def test_every_flag_has_help() -> None:
    """
    No flag stands there without a word of what it does.
    """
    assert isinstance(connections, click.Command)
    for option in connections.params:
        assert isinstance(option, click.Option)
        assert option.help, option.name
    shown = CliRunner().invoke(main, ["--help"]).stdout
    assert re.search(r"connections +Show connections, the worst first", shown)


def test_watch(server: tuple[int, socket.socket]) -> None:
    """
    --watch looks again and again, each time knowing what it saw before, until it is interrupted.
    """
    flags = ["--format=json", "--watch", "--interval=200ms", "--all", f"--remote=:{server[0]}"]
    with subprocess.Popen(
        [*COMMAND, "connections", *flags], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        looks = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(_LOOKS_WITHIN) == 0
    assert [len(each["connections"]) for each in looks] == [1, 1, 1]
    first = [any("first look" in note for note in each["notes"]) for each in looks]
    assert first == [True, False, False]


def test_watch_on_a_terminal(server: tuple[int, socket.socket]) -> None:
    """
    On a terminal it takes the screen, keeps the table up to date, and gives the screen back.
    """
    remote = f"127.0.0.1:{server[0]}"
    flags = ["--watch", "--interval=200ms", "--all", f"--remote={remote}"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "connections", *flags],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        seen = read_until(ours, lambda text: text.count(f"-> {remote}") >= 2)
        process.send_signal(signal.SIGINT)
        seen += read_until(ours, lambda text: "\x1b[?1049l" in text)
        assert process.wait(_LOOKS_WITHIN) == 0
    os.close(ours)
    assert "\x1b[?1049h" in seen
    assert "Traceback" not in seen


def read_until(terminal: int, enough: Any) -> str:
    """
    What is written to the terminal until that is enough.
    """
    text = ""
    end = time.monotonic() + _LOOKS_WITHIN
    while not enough(text):
        assert time.monotonic() < end, text
        if select.select([terminal], [], [], 1)[0]:
            with contextlib.suppress(OSError):
                text += os.read(terminal, 65536).decode(errors="replace")
    return text
