"""
Command lines help to recognise clients and are shown nowhere.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.exporter_process import ROOT
from tests.lab import LAB_MARKS, pair

pytestmark = LAB_MARKS

SECRET = "--password=hunter2-\x1b[31m"
_PROGRAM = """
import socket, sys
held = socket.create_connection((sys.argv[1], 6379))
held.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
held.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 300)
print("connected", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("arguments", [["--format=json"], []], ids=["JSON", "table"])
def test_password_is_not_shown(tmp_path: Path, arguments: list[str]) -> None:
    """
    A client is recognised by its command line, of which no output has a word.
    """
    config = tmp_path / "exporter.yml"
    config.write_text("profile: none\npaths: [{name: nat, remote: public, idle_timeout: 4m}]\n")
    java = tmp_path / "java"
    java.symlink_to(sys.executable)
    jar = "-Xlog:lettuce-core-7.4.jar"
    with pair() as lab:
        listener = lab.server.listener(port=6379)
        client = lab.client.start(
            [str(java), "-c", _PROGRAM, lab.server.address, jar, SECRET],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert client.stdout is not None
        assert client.stdout.readline() == "connected\n"
        listing = [sys.executable, "-m", "exporter", "connections", "--all"]
        finished = lab.client.run([*listing, f"--config.file={config}", *arguments], cwd=ROOT)
        listener.close()
    assert "hunter2" not in finished.stdout + finished.stderr
    assert "lettuce-core" not in finished.stdout
    if arguments:
        (row,) = json.loads(finished.stdout)["connections"]
        assert row["client"] == {"id": "lettuce", "name": "Lettuce", "probable": True}
    else:
        shown = " ".join(finished.stdout.split())
        assert "java -> :6379, probably Lettuce: set SocketOptions" in shown
