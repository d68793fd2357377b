"""
What the exporter tells systemd, and the sockets it takes from it.
"""

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.exporter_process import COMMAND, ROOT, exporter_process, fetch, run_exporter

WATCHDOG = 0.2


@contextmanager
def systemd() -> Iterator[socket.socket]:
    """
    The socket on which systemd hears its services.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear,
    ):
        ear.bind(str(Path(folder) / "notify"))
        ear.settimeout(10)
        yield ear


def hear(ear: socket.socket) -> str:
    """
    The next thing that a service says.
    """
    return ear.recv(4096).decode()


def test_ready_alive_and_stopping() -> None:
    """
    It says when the first sample is there, then that it lives, and at last that it ends.
    """
    with systemd() as ear:
        command = (
            "env",
            f"NOTIFY_SOCKET={ear.getsockname()}",
            f"WATCHDOG_USEC={WATCHDOG * 1e6:.0f}",
            *COMMAND,
        )
        with exporter_process(command=command) as exporter:
            assert hear(ear) == "READY=1"
            assert exporter.get("/-/ready")[0] == 200
            assert [hear(ear), hear(ear)] == ["WATCHDOG=1", "WATCHDOG=1"]
            assert exporter.end()[0] == 0
            last = hear(ear)
            while last == "WATCHDOG=1":
                last = hear(ear)
            assert last == "STOPPING=1"


def test_nobody_listens() -> None:
    """
    A socket that is not there is nothing to fail for.
    """
    with exporter_process(command=("env", "NOTIFY_SOCKET=/nowhere/notify", *COMMAND)) as exporter:
        assert exporter.get("/-/healthy")[0] == 200


def test_takes_the_socket() -> None:
    """
    It is started by the first scrape, and answers it.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "{}:{}".format(*free.getsockname())
    activation = ("systemd-socket-activate", f"--listen={address}")
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
    Without one it says so, and does not start.
    """
    ended = run_exporter("--web.systemd-socket")
    assert ended.returncode == 1
    assert "systemd has handed over no socket; is there a .socket unit?" in ended.stderr
