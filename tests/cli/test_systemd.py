"""
systemd notification and socket activation.
"""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.exporter_process import COMMAND, ROOT, exporter_process, fetch, run_exporter
from tests.lab.requirements import needs

pytestmark = pytest.mark.system

WATCHDOG = 0.2


@contextmanager
def systemd() -> Iterator[socket.socket]:
    """
    The notification socket of a stand-in for systemd.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(str(Path(folder) / "notify"))
        receiver.settimeout(10)
        yield receiver


def receive(receiver: socket.socket) -> str:
    """
    The next notification.
    """
    return receiver.recv(4096).decode()


def test_ready_alive_and_stopping() -> None:
    """
    READY=1 follows the first sample, then WATCHDOG=1 repeats, and STOPPING=1 is last.
    """
    with systemd() as receiver:
        command = (
            "env",
            f"NOTIFY_SOCKET={receiver.getsockname()}",
            f"WATCHDOG_USEC={WATCHDOG * 1e6:.0f}",
            *COMMAND,
        )
        with exporter_process(command=command) as exporter:
            assert receive(receiver) == "READY=1"
            assert exporter.get("/-/ready")[0] == 200
            assert [receive(receiver), receive(receiver)] == ["WATCHDOG=1", "WATCHDOG=1"]
            assert exporter.end()[0] == 0
            last = receive(receiver)
            while last == "WATCHDOG=1":
                last = receive(receiver)
            assert last == "STOPPING=1"


def test_nobody_listens() -> None:
    """
    A missing notification socket is ignored.
    """
    with exporter_process(command=("env", "NOTIFY_SOCKET=/nowhere/notify", *COMMAND)) as exporter:
        assert exporter.get("/-/healthy")[0] == 200


def test_takes_the_socket() -> None:
    """
    With socket activation, the first scrape starts the exporter and is answered.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "{}:{}".format(*free.getsockname())
    activation = (needs("systemd-socket-activate"), f"--listen={address}")
    with subprocess.Popen(
        [*activation, *COMMAND, "--web.systemd-socket"], cwd=ROOT, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stderr is not None
            process.stderr.readline()  # "Listening on ..."
            assert fetch(f"http://{address}/-/healthy")[0] == 200
        finally:
            process.kill()


def test_no_socket() -> None:
    """
    Without a socket from systemd, startup fails with the reason.
    """
    ended = run_exporter("--web.systemd-socket")
    assert ended.returncode == 1
    assert 'msg="startup failed"' in ended.stderr
    assert "--web.systemd-socket" in ended.stderr
