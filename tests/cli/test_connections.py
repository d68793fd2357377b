"""
The command `connections`: output for terminals and scripts, flags and errors.
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
from tests.cgroups import needs_cgroups
from tests.exporter_process import COMMAND, INTERRUPTIBLE, NO_CLOUD, ROOT, run_exporter

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux"),
]

_TIMEOUT = 20.0


@pytest.fixture
def server() -> Iterator[tuple[int, socket.socket]]:
    """
    A connection to this process: its port and its client socket, with a keepalive time of 77 s.
    """
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0],
    ):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
        yield listener.getsockname()[1], client


def list_connections(*flags: str) -> Any:
    """
    The JSON document that the command prints.
    """
    ended = CliRunner().invoke(main, ["connections", NO_CLOUD, "--format=json", *flags])
    assert (ended.exit_code, ended.stderr) == (0, "")
    return json.loads(ended.stdout)


def test_finds_a_connection(server: tuple[int, socket.socket]) -> None:
    """
    A connection is listed with its process and its actual socket options.
    """
    port, client = server
    (found,) = list_connections("--all", f"--remote=127.0.0.1:{port}")["connections"]
    assert found["process"] == {"pid": os.getpid(), "name": found["process"]["name"]}
    assert found["local"] == {"address": "127.0.0.1", "port": client.getsockname()[1]}
    assert found["keepalive"]["exact"]
    assert found["keepalive"]["on"]
    assert found["keepalive"]["time_seconds"] == 77
    assert (found["path"], found["risk"], found["uid"]) == ("none", "no_path", os.getuid())


def test_filters(server: tuple[int, socket.socket]) -> None:
    """
    Connections on no path require --all. Filters combine, and --limit applies to the result.
    """
    needs_cgroups()
    remote = f"--remote=:{server[0]}"
    assert list_connections(remote)["matching"] == 0
    assert list_connections("--all", remote, "--path=azure-outbound")["matching"] == 0
    assert list_connections("--all", remote, "--workload=nobody.service")["matching"] == 0
    assert list_connections("--all", remote, "--path=none", "--workload=*")["matching"] == 1
    listing = list_connections("--all", "--limit=1", "--sort=idle")
    assert len(listing["connections"]) == 1
    assert sum(listing["connections_by_risk"].values()) == listing["matching"] >= 2


def test_destinations(server: tuple[int, socket.socket]) -> None:
    """
    --group-by destination counts the connections to an address and port, with the same filters.
    """
    port = server[0]
    with socket.create_connection(("127.0.0.1", port)):
        listing = list_connections("--all", f"--remote=:{port}", "--group-by=destination")
        assert list_connections(f"--remote=:{port}", "--group-by=destination")["matching"] == 0
    (found,) = listing["destinations"]
    assert found["remote"] == {"address": "127.0.0.1", "port": port}
    assert (found["path"], found["connections"]) == ("none", 2)
    assert sum(each["connections"] for each in found["workloads"]) in (0, 2)
    assert (listing["matching"], listing["matching_destinations"]) == (2, 1)


def test_table_of_destinations(server: tuple[int, socket.socket]) -> None:
    """
    A pipe receives one line per destination.
    """
    remote = f"127.0.0.1:{server[0]}"
    ended = run_exporter("connections", "--all", f"--remote={remote}", "--group-by=destination")
    assert (ended.returncode, ended.stderr) == (0, "")
    (line,) = [line for line in ended.stdout.splitlines() if remote in line]
    assert line.split()[:5] == ["1", "0", "0", remote, "none"]


def test_table(server: tuple[int, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A pipe receives one line per connection.
    """
    monkeypatch.setenv("COLUMNS", "")  # libreadline, loaded by pytest, sets it
    monkeypatch.delenv("COLUMNS")
    remote = f"127.0.0.1:{server[0]}"
    ended = run_exporter("connections", "--all", f"--remote={remote}")
    assert (ended.returncode, ended.stderr) == (0, "")
    (line,) = [line for line in ended.stdout.splitlines() if remote in line]
    assert line.startswith("no path")
    assert f"[{os.getpid()}]" in line


@pytest.mark.parametrize(
    ("flags", "facts"),
    [
        (("--path=azure",), ("'azure'", "azure-outbound, azure-inbound, none")),
        (("--remote=example.com",), ("'example.com'", "203.0.113.0/24", "public", ":5432")),
        (("--remote=:0",), ("':0'", "1", "65535")),
        (("--watch", "--interval=5"), ("'5'", "duration", "350s")),
        (("--sort=age",), ("'age' is not one of",)),
        (("--limit=-1",), ("-1 is not in the range",)),
        (("--group-by=owner",), ("'owner' is not", "destination")),
        (("--group-by=destination", "--sort=idle"), ("--sort", "--group-by")),
        (("--config.file=/no/such.yml",), ("/no/such.yml: ", "No such file")),
        (("--format=xml",), ("'xml' is not one of",)),
    ],
)
def test_wrong_flags(flags: tuple[str, ...], facts: tuple[str, ...]) -> None:
    """
    A wrong flag leads to exit code 2. The message names the value and what is allowed.
    """
    ended = CliRunner().invoke(main, ["connections", NO_CLOUD, *flags])
    assert ended.exit_code == 2
    message = " ".join(ended.stderr.split())
    assert all(fact in message for fact in facts)


def test_netlink_refused() -> None:
    """
    If netlink is refused, the command prints the reason and exits with 2.
    """
    refused = (sys.executable, "-m", "tests.e2e.refuse_netlink", str(errno.EPERM), *COMMAND)
    ended = run_exporter("connections", command=refused)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: netlink ")


def test_every_flag_has_help() -> None:
    """
    Every flag has a help text.
    """
    assert isinstance(connections, click.Command)
    for option in connections.params:
        assert isinstance(option, click.Option)
        assert option.help, option.name
    shown = CliRunner().invoke(main, ["--help"]).stdout
    assert re.search(r"connections +List connections", shown)


def test_watch(server: tuple[int, socket.socket]) -> None:
    """
    --watch refreshes until interrupted, and each refresh uses the earlier ones.
    """
    flags = ["--format=json", "--watch", "--interval=200ms", "--all", f"--remote=:{server[0]}"]
    with subprocess.Popen(
        [*INTERRUPTIBLE, *COMMAND, "connections", NO_CLOUD, *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        listings = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(_TIMEOUT) == 0
    assert [len(each["connections"]) for each in listings] == [1, 1, 1]


def test_watch_on_a_terminal(server: tuple[int, socket.socket]) -> None:
    """
    On a terminal, --watch uses the alternate screen, updates the table, and restores the screen.
    """
    remote = f"127.0.0.1:{server[0]}"
    flags = ["--watch", "--interval=200ms", "--all", f"--remote={remote}"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*INTERRUPTIBLE, *COMMAND, "connections", NO_CLOUD, *flags],
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
        assert process.wait(_TIMEOUT) == 0
    os.close(ours)
    assert "\x1b[?1049h" in seen
    assert "Traceback" not in seen


def read_until(terminal: int, enough: Any) -> str:
    """
    The terminal output until enough() accepts it.
    """
    text = ""
    end = time.monotonic() + _TIMEOUT
    while not enough(text):
        assert time.monotonic() < end, text
        if select.select([terminal], [], [], 1)[0]:
            with contextlib.suppress(OSError):
                text += os.read(terminal, 65536).decode(errors="replace")
    return text
