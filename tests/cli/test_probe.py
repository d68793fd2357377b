"""
The command `probe`: flags, output and error messages.
"""

import fcntl
import io
import json
import os
import pty
import re
import socket
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from exporter.cli import main
from exporter.cli.probe_screen import ScreenReporter
from exporter.config.schema import load
from exporter.probe.plan import Plan
from tests.exporter_process import COMMAND, ROOT, run_exporter
from tests.probe.outcomes import measurement

pytestmark = pytest.mark.system

FAST = ("--from=1s", "--to=3s", "--step=1s", "--resolution=2s")
TIMEOUT = 60.0


@pytest.fixture
def server() -> Iterator[str]:
    """
    A server on this host that sends nothing.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def closed_port() -> str:
    """
    An address on which nothing listens.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ((), ("Missing argument 'HOST:PORT...'",)),
        (("db.example.com",), ("'db.example.com'", "db.example.com:5432")),
        (("db:http",), ("'db:http'", "db.example.com:5432")),
        (("db:70000",), ("'db:70000'", "db.example.com:5432")),
        (("::1:80",), ("'::1:80'", "brackets", "[2001:db8::10]:443")),
        (("nowhere.invalid:80",), ("nowhere.invalid:80: ",)),
        (("a..b:80",), ("a..b:80: ",)),
        (("db:1", "--from=30"), ("'30'", "duration", "350s", "500ms")),
        (("db:1", "--from=0s"), ("shortest idle time", "at least 1s", "0s")),
        (("db:1", "--to=20s"), ("longest idle time", "20s", "shortest", "30s")),
        (("db:1", "--step=2s"), ("573", "--parallel=64", "--step", "--resolution")),
        (("db:1", "db:2"), ("40", "2 servers", "--parallel=64")),
        (("db:1", "--source=eth0"), ("'eth0' does not appear to be an IPv4 or IPv6 address",)),
        (("db:1", "--write", "--format=json"), ("--write", "--format=json")),
        (("db:1", "--config.file=/absent.yml"), ("/absent.yml: ", "No such file")),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], facts: tuple[str, ...]) -> None:
    """
    Wrong usage leads to exit code 2. The message names the value and what is allowed.
    """
    result = CliRunner().invoke(main, ["probe", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    *_, last = result.stderr.splitlines()
    assert last.startswith("Error: ")
    assert all(fact in last for fact in facts)


def test_json(server: str) -> None:
    """
    Standard output is a document with the keys of docs/probe.md, and nothing else.
    """
    ended = run_exporter("probe", server, *FAST, "--format=json", within=TIMEOUT)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    (found,) = document["servers"]
    assert (document["schema_version"], document["command"]) == (1, "probe")
    assert found["server"] == server
    assert found["address"] == found["own_address"] == "127.0.0.1"
    assert found["as_narrow_as_asked"]
    assert 3 <= found["longest_idle_survived_seconds"] < 3.5
    assert found["shortest_idle_fatal_seconds"] is None
    assert found["on_timeout"] is found["protection"] is None
    assert found["path"]["idle_timeout_seconds"] == 3
    assert {each["outcome"] for each in found["connections"]} == {"answered"}
    assert sorted(each["planned_idle_seconds"] for each in found["connections"]) == [
        *(1, 1, 2, 2, 3, 3)
    ]


def test_text(server: str) -> None:
    """
    Progress goes to standard error, results go to standard output.
    """
    closed = closed_port()
    ended = run_exporter("probe", server, closed, *FAST, within=TIMEOUT)
    assert ended.returncode == 2
    first, result, counts, second, failure = filter(str.strip, ended.stdout.splitlines())
    assert (first, second) == (server, closed)
    assert "3 s" in result
    assert counts.split() == ["connections", "6", "answered"]
    assert "connection refused" in failure
    lines = ended.stderr.splitlines()
    assert lines[:2] == [f"{server}, from 127.0.0.1", f"{closed}: connection refused"]
    assert lines[2].startswith("7 ")
    assert " 0:58 " in lines[2]
    assert "Ctrl-C" in lines[2]
    assert len(lines) == 3 + 6
    assert re.fullmatch(rf" +\d\.\d s  {server}  idle for 1 s: answered", lines[3])


def test_write(server: str, tmp_path: Path) -> None:
    """
    With --write, standard output can be appended to the config file.
    """
    ended = run_exporter("probe", server, *FAST, "--write", within=TIMEOUT)
    assert "connections  6 answered" in ended.stderr
    file = tmp_path / "config.yml"
    file.write_text(f"profile: none\n{ended.stdout}")
    (path,) = load(file).paths
    assert (path.name, path.remote, path.idle_timeout) == ("to-127.0.0.1", ("127.0.0.1",), 3.0)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--source=203.0.113.99",), "cannot assign requested address"),
        (("--interface=absent0",), "no such device"),
    ],
)
def test_no_such_source(server: str, flags: tuple[str, ...], reason: str) -> None:
    """
    A source address or interface that does not exist is reported.
    """
    ended = run_exporter("probe", server, *FAST, *flags, within=TIMEOUT)
    assert ended.returncode == 2
    assert ended.stderr == f"{server}: {reason}\n"


def test_terminal(server: str) -> None:
    """
    A terminal shows a mark per connection, and the result below at the end.
    """
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    argv = [*COMMAND, "probe", server, *FAST]
    environment = {**os.environ, "TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1"}
    with subprocess.Popen(
        argv, cwd=ROOT, stdout=terminal, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        shown = read_all(controller)
    os.close(controller)
    assert process.returncode == 0
    frames = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).replace("\r", "")
    assert "round 1, at most 0:5" in frames
    assert "  1 s ······ 3 s\n" in frames
    assert "  1 s ●●●●●● 3 s\n" in frames
    assert frames.index("at least 3 s") < frames.index("connections  6 answered")


def test_more_connections_than_columns() -> None:
    """
    Marks that do not fit into a line continue on the next one.
    """
    found, file = measurement(plan=Plan(30, 300, 2, 2)), io.StringIO()
    with ScreenReporter(Console(file=file, width=80)) as screen:
        screen.begin([found])
    rows = [row for row in file.getvalue().splitlines() if "··" in row]
    assert [row[:8] for row in rows] == ["   30 s ", *[" " * 8] * (len(rows) - 1)]
    assert sum(row[8:].count("·") for row in rows) == len(found.times)


def read_all(controller: int) -> str:
    """
    The output on a terminal until its last user closes it.
    """
    parts = []
    while True:
        try:
            part = os.read(controller, 4096)
        except OSError:  # EIO on Linux
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()
