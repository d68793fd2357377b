"""
Nothing of a lab remains, whatever ends it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.exporter_process import INTERRUPTIBLE
from tests.lab import (
    Connection,
    Host,
    nat_lab,
    requires_lab,
)
from tests.lab.watching import namespaces, running, soon

PROJECT = Path(__file__).parents[2]


@requires_lab
class TestCleanup:
    """
    Nothing of a lab remains after each way to end it.
    """

    @pytest.mark.parametrize("ending", [None, RuntimeError, KeyboardInterrupt])
    def test_leaving_the_block_removes_everything(self, ending: type[BaseException] | None) -> None:
        """
        Namespaces, processes with their children, and sockets are gone, also after an exception.
        """

        def stay() -> None:
            with nat_lab(idle_timeout=600) as lab:
                hosts.extend([lab.client.name, lab.nat.name, lab.server.name])
                process = lab.server.start(
                    ["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE
                )
                assert process.stdout is not None
                pids.extend([process.pid, int(process.stdout.readline())])
                assert all(map(running, pids))
                connections.append(lab.connect())
                if ending is not None:
                    raise ending

        hosts: list[str] = []
        pids: list[int] = []
        connections: list[Connection] = []
        if ending is None:
            stay()
        else:
            with pytest.raises(ending):
                stay()
        assert len(hosts) == 3
        assert not set(hosts) & set(namespaces(os.getpid()))
        assert len(pids) == 2
        assert soon(lambda: not any(map(running, pids)))
        assert connections[0].client.fileno() == connections[0].server.fileno() == -1

    def test_process_that_ignores_sigterm_is_killed(self) -> None:
        """
        SIGKILL follows when a process ignores SIGTERM.
        """
        with Host() as host:
            process = host.start(
                ["sh", "-c", "trap '' TERM; echo; sleep 60"], stdout=subprocess.PIPE
            )
            assert process.stdout is not None
            process.stdout.readline()
        assert process.returncode == -signal.SIGKILL

    def test_namespace_is_destroyed_and_not_only_unnamed(self) -> None:
        """
        The kernel destroys it at once, even with connections open whose NAT mappings are gone.
        """
        with nat_lab(idle_timeout=600) as lab:
            lab.connect()
            lab.nat.flush()
            lab.client.close()
            # A veth device is removed with the namespace of its other end.
            assert soon(lambda: "inside" not in lab.nat.run(["ip", "-o", "link"]).stdout)

    @pytest.mark.parametrize(
        "end",
        [
            pytest.param(lambda process: process.send_signal(signal.SIGINT), id="SIGINT"),
            pytest.param(lambda process: process.terminate(), id="SIGTERM"),
            pytest.param(lambda process: process.kill(), id="SIGKILL"),
            pytest.param(lambda process: process.communicate("\n"), id="end of program"),
        ],
    )
    def test_ending_python_removes_everything(
        self, end: Callable[[subprocess.Popen[str]], object]
    ) -> None:
        """
        Namespaces and their processes end with the process that created them, closed or not.
        """
        program = (
            "from tests.lab import Host\n"
            "print(Host().start(['sleep', '60']).pid, flush=True)\n"
            "input()\n"
        )
        with subprocess.Popen(
            [*INTERRUPTIBLE, sys.executable, "-c", program],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            sleeper = int(process.stdout.readline())
            assert running(sleeper)
            assert namespaces(process.pid)
            end(process)
            process.wait(timeout=10)
        assert soon(lambda: not running(sleeper) and not namespaces(process.pid))

    def test_demonstration_ends_cleanly(self) -> None:
        """
        `python -m tests.lab` prints commands for inspection and removes everything at Ctrl-C.
        """
        command = (sys.executable, "-m", "tests.lab")
        with subprocess.Popen(
            [*INTERRUPTIBLE, *command, "--idle-timeout=2", "--observe=echo observed"],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            lines: list[str] = []
            while "no keepalive" not in (line := process.stdout.readline()):
                assert process.poll() is None, "".join(lines)
                lines.append(line)
            process.send_signal(signal.SIGINT)
            remainder, _ = process.communicate(timeout=10)
        output = "".join(lines)
        assert f"ip netns exec lab-{process.pid}-1-client ss" in output
        assert "observed\n" in output
        assert "IPv4, keepalive in time    alive" in output
        assert "no answer" in line
        assert remainder == ""
        assert process.returncode == 0
        assert not namespaces(process.pid)
