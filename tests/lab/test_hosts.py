"""
The hosts of the lab: functions, commands, sysctls and sockets inside namespaces.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import (
    Connection,
    Host,
    requires_lab,
)
from tests.lab.watching import FAMILIES

CURRENT_NAMESPACE = Path("/proc/thread-self/ns/net")


@requires_lab
class TestHost:
    """
    Operations inside one namespace.
    """

    @pytest.fixture
    def host(self) -> Iterator[Host]:
        """
        Create a bare namespace.
        """
        with Host() as host:
            yield host

    def test_call_runs_inside(self, host: Host) -> None:
        """
        A function runs in the namespace, and the caller's thread does not change its own.
        """
        before = CURRENT_NAMESPACE.readlink()
        inside = host.call(CURRENT_NAMESPACE.readlink)
        assert str(inside) == f"net:[{(Path('/run/netns') / host.name).stat().st_ino}]"
        assert CURRENT_NAMESPACE.readlink() == before != inside

    def test_call_raises_what_the_function_raised(self, host: Host) -> None:
        """
        An exception inside the namespace is raised in the caller.
        """
        with pytest.raises(ZeroDivisionError):
            host.call(divmod, 1, 0)

    def test_run_runs_inside(self, host: Host) -> None:
        """
        The process of a command is in the namespace, not only its sockets.
        """
        output = host.run(["readlink", "/proc/self/ns/net"]).stdout.strip()
        assert output == str(host.call(CURRENT_NAMESPACE.readlink))

    def test_run_passes_input_and_output(self, host: Host) -> None:
        """
        A command reads its input, and stdout and stderr are returned.
        """
        finished = host.run(["sh", "-c", "cat; echo complaint >&2"], input="words")
        assert (finished.stdout, finished.stderr) == ("words", "complaint\n")

    def test_error_includes_stderr(self, host: Host) -> None:
        """
        The error includes the stderr of a failing command.
        """
        with pytest.raises(subprocess.CalledProcessError) as failure:
            host.run(["sh", "-c", "echo the reason >&2; exit 3"])
        assert failure.value.returncode == 3
        assert failure.value.__notes__ == ["the reason\n"]

    def test_run_kills_at_the_timeout(self, host: Host) -> None:
        """
        A command is killed at its timeout.
        """
        with pytest.raises(subprocess.TimeoutExpired):
            host.run(["sleep", "60"], timeout=0.1)
        assert subprocess.check_output(["ip", "netns", "pids", host.name]) == b""

    def test_sysctls_start_at_the_defaults(self, host: Host) -> None:
        """
        A namespace does not inherit keepalive settings.
        """
        settings = ("time", "intvl", "probes")
        found = [host.sysctl(f"net.ipv4.tcp_keepalive_{setting}") for setting in settings]
        assert found == ["7200", "75", "9"]

    def test_sysctls_are_per_namespace(self, host: Host) -> None:
        """
        A setting changes only in its namespace.
        """
        outside = Path("/proc/sys/net/ipv4/tcp_keepalive_intvl").read_text()
        with Host() as neighbour:
            assert neighbour.sysctl("net.ipv4.tcp_keepalive_intvl", 33) == "33"
            assert neighbour.sysctl("net.ipv4.tcp_keepalive_intvl") == "33"
            assert host.sysctl("net.ipv4.tcp_keepalive_intvl") == "75"
            assert Path("/proc/sys/net/ipv4/tcp_keepalive_intvl").read_text() == outside

    @pytest.mark.parametrize("family", FAMILIES)
    def test_sockets_belong_to_the_namespace(self, host: Host, family: int) -> None:
        """
        Hosts listen on the same address and port without conflict, and loopback works.
        """
        with Host() as neighbour:
            for here in (host, neighbour):
                listener = here.listener(family, port=7000)
                client = here.connect(here.address_of(family), 7000)
                server, _ = listener.accept()
                assert Connection(client, here.adopt(server)).reaches_server()
                listener.close()

    def test_process_can_reach_a_listener(self, host: Host) -> None:
        """
        A process in the namespace connects to a socket that the test holds.
        """
        listener = host.listener()
        listener.settimeout(5)
        code = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])))"
        process = host.start([sys.executable, "-c", code, str(listener.getsockname()[1])])
        host.adopt(listener.accept()[0])
        assert process.wait(timeout=5) == 0
