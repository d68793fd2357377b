"""
Tests without the marker `system` are kept from starting processes and opening sockets.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.exporter_process import ROOT

TESTS = """
import contextlib, os, socket, subprocess
import pytest

@pytest.fixture
def server():
    return socket.create_server(("127.0.0.1", 0))

def test_fixture(server):
    pass

def test_process():
    subprocess.run(["true"])

def test_fork():
    if os.fork() == 0:
        os._exit(0)

def test_caught():
    with contextlib.suppress(BaseException):
        socket.socket()

def test_name():
    socket.getaddrinfo("localhost", 80)

def test_pair():
    for end in socket.socketpair():
        end.close()

async def test_event_loop():
    pass

@pytest.mark.system
def test_marked():
    socket.socket().close()
    subprocess.run(["true"])
"""
CONFIG = """
[pytest]
asyncio_mode = auto
markers =
    system
"""


@pytest.mark.system
def test_unmarked_tests_fail(tmp_path: Path) -> None:
    """
    They fail with a message that says what they did, even if they catch the exception.
    """
    (tmp_path / "pytest.ini").write_text(CONFIG)
    file = tmp_path / "test_unmarked.py"
    file.write_text(TESTS)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.fast_tier", "-rA", "--tb=line", file],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    outcomes = re.findall(r"^(PASSED|FAILED|ERROR) .*::test_(\w+)", run.stdout, re.MULTILINE)
    assert {test: outcome for outcome, test in outcomes} == {
        "fixture": "ERROR",
        "process": "FAILED",
        "fork": "FAILED",
        "caught": "FAILED",
        "name": "FAILED",
        "pair": "PASSED",
        "event_loop": "PASSED",
        "marked": "PASSED",
    }, run.stdout
    assert "started a process (subprocess.Popen: ('true', ['true']))" in run.stdout
    assert "opened a socket of family 2 without the marker `system`" in run.stdout
