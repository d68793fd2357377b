"""
Whatever ends a lab, nothing of it is left.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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
    Nothing is left of a lab, however it ends.
    """

    @pytest.mark.parametrize("ending", [None, RuntimeError, KeyboardInterrupt])
    def test_leaving_the_block_removes_everything(self, ending: type[BaseException] | None) -> None:
        """
        Namespaces, processes with their children, and sockets go, also after an exception.
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
        A process that will not end is made to.
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
        The kernel lets go of it at once, with connections open through a forgetful NAT.
        """
        with nat_lab(idle_timeout=600) as lab:
            lab.connect()
            lab.nat.flush()
            lab.client.close()
            # A veth device goes when the namespace of its other end does.
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
        Namespaces and what runs in them go with the process that made them, closed or not.
        """
        program = (
            "from tests.lab import Host\n"
            "print(Host().start(['sleep', '60']).pid, flush=True)\n"
            "input()\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program],
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
        `python -m tests.lab` says where to look and takes all down at Ctrl-C.
        """
        with subprocess.Popen(
            [sys.executable, "-m", "tests.lab", "--idle-timeout=2", "--observe=echo observed"],
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
        assert "sends, but is not answered" in line
        assert remainder == ""
        assert process.returncode == 0
        assert not namespaces(process.pid)
