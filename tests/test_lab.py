"""
The lab does what it says: what the other tests conclude from it rests on these.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.lab import (
    Connection,
    Host,
    Keepalive,
    LabError,
    NatLab,
    OnTimeout,
    nat_lab,
    nats_in_a_row,
    pair,
    requires_lab,
)
from tests.lab.requirements import skip_reason

PROJECT = Path(__file__).parents[1]
CURRENT_NAMESPACE = Path("/proc/thread-self/ns/net")
FAMILIES = [
    pytest.param(socket.AF_INET, id="IPv4"),
    pytest.param(socket.AF_INET6, id="IPv6"),
]


def namespaces(pid: int) -> list[str]:
    """
    Name the namespaces of the labs that a process has opened.
    """
    return [path.name for path in Path("/run/netns").glob(f"lab-{pid}-*")]


def running(pid: int) -> bool:
    """
    Whether a process still runs; one that has ended may have to wait for init to reap it.
    """
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def soon(condition: Callable[[], bool], within: float = 5) -> bool:
    """
    Whether a condition comes true within so many seconds.
    """
    end = time.monotonic() + within
    while not (true := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return true


def arrived(receivers: Sequence[socket.socket]) -> int:
    """
    Count the sockets that have data waiting.
    """
    count = 0
    for receiver in receivers:
        try:
            count += len(receiver.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK))
        except BlockingIOError:
            continue
    return count


@dataclass(frozen=True)
class Idlers:
    """
    Connections of one address family through one NAT, all idle for equally long.
    """

    written: Connection
    pushed: Connection
    early: Connection
    late: Connection


@pytest.fixture(scope="module")
def after_nine_idle_seconds() -> Iterator[dict[tuple[OnTimeout, int], Idlers]]:
    """
    Open connections through NATs that forget after 5 s, and let all idle for 9 s at once.

    Then the client writes to one, and the server to another; neither has a keepalive.
    """

    def idlers(lab: NatLab, family: int) -> Idlers:
        return Idlers(
            written=lab.connect(family=family),
            pushed=lab.connect(family=family),
            early=lab.connect(family=family, keepalive=Keepalive(time=2, interval=1, probes=3)),
            late=lab.connect(family=family, keepalive=Keepalive(time=8, interval=1, probes=3)),
        )

    with (
        nat_lab(idle_timeout=5, on_timeout="drop") as silent,
        nat_lab(idle_timeout=5, on_timeout="reset") as resetting,
    ):
        for lab in (silent, resetting):
            # Retransmission gives up after some 3 s instead of 15 minutes.
            lab.client.sysctl("net.ipv4.tcp_retries2", 2)
        families: tuple[int, ...] = (socket.AF_INET, socket.AF_INET6)
        labs: dict[OnTimeout, NatLab] = {"drop": silent, "reset": resetting}
        connections = {
            (on_timeout, family): idlers(lab, family)
            for on_timeout, lab in labs.items()
            for family in families
        }
        time.sleep(9)
        for idle in connections.values():
            idle.written.client.send(b"x")
            idle.pushed.server.send(b"x")
        yield connections


@requires_lab
@pytest.mark.parametrize("family", FAMILIES)
class TestIdleTimeout:
    """
    What becomes of connections that a NAT has had 9 s to forget, at a timeout of 5 s.
    """

    @pytest.fixture
    def dropped(
        self, after_nine_idle_seconds: dict[tuple[OnTimeout, int], Idlers], family: int
    ) -> Idlers:
        """
        Those whose NAT is silent.
        """
        return after_nine_idle_seconds["drop", family]

    @pytest.fixture
    def reset(
        self, after_nine_idle_seconds: dict[tuple[OnTimeout, int], Idlers], family: int
    ) -> Idlers:
        """
        Those whose NAT answers with a reset.
        """
        return after_nine_idle_seconds["reset", family]

    def test_early_keepalive_survives(self, dropped: Idlers) -> None:
        """
        Probes every 2 s keep the mapping, so data arrives both ways.
        """
        assert dropped.early.reaches_server()
        assert dropped.early.reaches_client()

    def test_early_keepalive_survives_a_resetting_nat(self, reset: Idlers) -> None:
        """
        A NAT that resets what it has forgotten leaves alone what it remembers.
        """
        assert reset.early.reaches_server()
        assert reset.early.client_error() is None

    def test_late_keepalive_dies_by_keepalive(self, dropped: Idlers) -> None:
        """
        First probed at 8 s, it gives up 3 unanswered probes later without ever sending.
        """
        assert dropped.late.client_error(within=4) == "ETIMEDOUT"
        assert arrived([dropped.late.server]) == 0

    def test_late_keepalive_meets_a_reset(self, reset: Idlers) -> None:
        """
        A resetting NAT answers the first probe that comes too late.
        """
        assert reset.late.client_error() == "ECONNRESET"

    def test_silent_nat_swallows_the_next_write(self, dropped: Idlers) -> None:
        """
        What the client sends never arrives, and retransmission ends the connection.
        """
        assert dropped.written.client_error(within=5) == "ETIMEDOUT"
        assert arrived([dropped.written.server]) == 0

    def test_silent_nat_swallows_what_the_server_pushes(self, dropped: Idlers) -> None:
        """
        The server is told nothing either, although it talks to the NAT's own address.
        """
        assert dropped.pushed.server_error(within=0.2) is None
        assert arrived([dropped.pushed.client]) == 0

    def test_resetting_nat_resets_the_next_write(self, reset: Idlers) -> None:
        """
        The client learns at once that its connection is forgotten; the server does not.
        """
        assert reset.written.client_error() == "ECONNRESET"
        assert reset.written.server_error() is None
        assert arrived([reset.written.server]) == 0

    def test_resetting_nat_resets_what_the_server_pushes(self, reset: Idlers) -> None:
        """
        The server learns it as well, when it is the one to send.
        """
        assert reset.pushed.server_error() == "ECONNRESET"
        assert reset.pushed.client_error() is None
        assert arrived([reset.pushed.client]) == 0


@requires_lab
class TestNat:
    """
    What a test can do to the NAT.
    """

    @pytest.fixture
    def lab(self) -> Iterator[NatLab]:
        """
        Stand behind a NAT that forgets nothing of itself.
        """
        with nat_lab(idle_timeout=600) as lab:
            yield lab

    @pytest.mark.parametrize("family", FAMILIES)
    def test_server_sees_the_nat(self, lab: NatLab, family: int) -> None:
        """
        The client's address is hidden behind the NAT's.
        """
        connection = lab.connect(family=family)
        assert connection.client.getsockname()[0] == lab.client.address_of(family)
        assert connection.server.getpeername()[0] == lab.nat.address_of(family)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_nats_in_a_row(self, family: int) -> None:
        """
        The server sees the far NAT's address, which is not one of the near one's.
        """
        with nats_in_a_row(600, 600) as lab:
            connection = lab.connect(family=family)
            assert connection.reaches_server()
            assert connection.reaches_client()
            seen = connection.server.getpeername()[0]
            assert seen == lab.nat.address_of(family)
            near = lab.nat.run(["ip", "-brief", "address"]).stdout
            assert seen not in near.replace("/", " ").split()

    @pytest.mark.parametrize("family", FAMILIES)
    def test_flush_forgets_everything(self, lab: NatLab, family: int) -> None:
        """
        After a flush an open connection is dead, and a new one works.
        """
        connection = lab.connect(family=family)
        assert connection.reaches_server()
        lab.nat.flush()
        assert not connection.reaches_server(within=0.5)
        assert lab.connect(family=family).reaches_server()

    def test_idle_timeout_can_be_changed(self, lab: NatLab) -> None:
        """
        The new timeout holds for a connection from its next segment on.
        """
        refreshed, untouched = lab.connect(), lab.connect()
        lab.nat.forget_idle_after(1)
        assert refreshed.reaches_server()
        time.sleep(1.5)
        assert not refreshed.reaches_server(within=0.5)
        assert untouched.reaches_server()

    @pytest.mark.parametrize("family", FAMILIES)
    def test_lose_loses_a_share_both_ways(self, lab: NatLab, family: int) -> None:
        """
        At 50 percent some segments get through and some do not; healed, all do.
        """
        connections = lab.connections(40, family=family)
        clients = [connection.client for connection in connections]
        servers = [connection.server for connection in connections]
        lab.nat.lose(50)
        for sock in clients + servers:
            sock.send(b"x")
        # Before the first retransmission, which comes after 0.2 s at the earliest.
        time.sleep(0.1)
        assert 4 <= arrived(servers) <= 36
        assert 4 <= arrived(clients) <= 36
        lab.nat.heal()
        assert soon(lambda: arrived(servers) == arrived(clients) == 40)

    def test_block_silences_and_heal_restores(self, lab: NatLab) -> None:
        """
        Blocked, nothing arrives either way and nobody is told; healed, it is retransmitted.
        """
        connection = lab.connect()
        lab.nat.block()
        assert not connection.reaches_server(within=0.2)
        assert not connection.reaches_client(within=0.2)
        lab.nat.heal()
        assert connection.reaches_server()
        assert connection.reaches_client()
        assert connection.client_error() is None

    def test_blocked_probes_refresh_nothing(self, lab: NatLab) -> None:
        """
        What is lost on its way to the NAT cannot keep a mapping alive.
        """
        lab.nat.forget_idle_after(2)
        connection = lab.connect(keepalive=Keepalive(time=1, interval=1, probes=20))
        lab.nat.block()
        time.sleep(3)
        lab.nat.heal()
        assert not connection.reaches_server(within=0.5)


@requires_lab
class TestHost:
    """
    What a test can do in a namespace.
    """

    @pytest.fixture
    def host(self) -> Iterator[Host]:
        """
        Make a bare namespace.
        """
        with Host() as host:
            yield host

    def test_call_runs_inside(self, host: Host) -> None:
        """
        A function runs in the namespace, and the caller's thread stays where it was.
        """
        before = CURRENT_NAMESPACE.readlink()
        inside = host.call(CURRENT_NAMESPACE.readlink)
        assert str(inside) == f"net:[{(Path('/run/netns') / host.name).stat().st_ino}]"
        assert CURRENT_NAMESPACE.readlink() == before != inside

    def test_call_raises_what_the_function_raised(self, host: Host) -> None:
        """
        An exception inside is the caller's.
        """
        with pytest.raises(ZeroDivisionError):
            host.call(divmod, 1, 0)

    def test_run_runs_inside(self, host: Host) -> None:
        """
        A command's process is in the namespace, not only its sockets.
        """
        output = host.run(["readlink", "/proc/self/ns/net"]).stdout.strip()
        assert output == str(host.call(CURRENT_NAMESPACE.readlink))

    def test_run_passes_input_and_output(self, host: Host) -> None:
        """
        A command reads what it is given, and both its outputs are returned.
        """
        finished = host.run(["sh", "-c", "cat; echo complaint >&2"], input="words")
        assert (finished.stdout, finished.stderr) == ("words", "complaint\n")

    def test_run_says_why_a_command_failed(self, host: Host) -> None:
        """
        What a failing command wrote to stderr is part of the error.
        """
        with pytest.raises(subprocess.CalledProcessError) as failure:
            host.run(["sh", "-c", "echo the reason >&2; exit 3"])
        assert failure.value.returncode == 3
        assert failure.value.__notes__ == ["the reason\n"]

    def test_run_ends_what_takes_too_long(self, host: Host) -> None:
        """
        A command that outlasts its timeout is killed.
        """
        with pytest.raises(subprocess.TimeoutExpired):
            host.run(["sleep", "60"], timeout=0.1)
        assert subprocess.check_output(["ip", "netns", "pids", host.name]) == b""

    def test_sysctls_start_at_the_defaults(self, host: Host) -> None:
        """
        A namespace inherits no keepalive setting.
        """
        settings = ("time", "intvl", "probes")
        found = [host.sysctl(f"net.ipv4.tcp_keepalive_{setting}") for setting in settings]
        assert found == ["7200", "75", "9"]

    def test_sysctls_are_its_own(self, host: Host) -> None:
        """
        A setting is changed in its namespace and nowhere else.
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
        Hosts listen on the same address and port without meeting, and loopback works.
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
        A process in the namespace talks to a socket that the test holds.
        """
        listener = host.listener()
        listener.settimeout(5)
        code = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])))"
        process = host.start([sys.executable, "-c", code, str(listener.getsockname()[1])])
        host.adopt(listener.accept()[0])
        assert process.wait(timeout=5) == 0


@requires_lab
class TestLabs:
    """
    Labs next to each other and next to the rest of the machine.
    """

    @pytest.mark.parametrize("family", FAMILIES)
    def test_pair_has_nothing_between(self, family: int) -> None:
        """
        Client and server of a pair see each other's own addresses.
        """
        with pair() as lab:
            connection = lab.connect(family=family)
            assert connection.client.getpeername()[0] == lab.server.address_of(family)
            assert connection.server.getpeername()[0] == lab.client.address_of(family)
            assert connection.reaches_server()
            assert connection.reaches_client()

    @pytest.fixture
    def file_limit(self) -> Iterator[tuple[int, int]]:
        """
        Restore the limit of open files afterwards.
        """
        limit = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)
        yield limit
        psutil.Process().rlimit(psutil.RLIMIT_NOFILE, limit)

    def test_many_connections_are_cheap(self, file_limit: tuple[int, int]) -> None:
        """
        Two thousand connections take a second or two, whatever the limit of open files is.
        """
        psutil.Process().rlimit(psutil.RLIMIT_NOFILE, (256, file_limit[1]))
        with nat_lab(idle_timeout=600) as lab:
            start = time.monotonic()
            connections = lab.connections(2000, keepalive=Keepalive(time=60))
            assert time.monotonic() - start < 5
            assert connections[-1].reaches_server()
            idle_times = {
                connection.client.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
                for connection in connections
            }
            assert idle_times == {60}

    def test_parallel_labs_do_not_disturb_each_other(self) -> None:
        """
        One NAT forgets, then blocks; the other, at the same addresses, carries on.
        """
        with nat_lab(idle_timeout=600) as broken, nat_lab(idle_timeout=600) as sound:
            doomed, safe = broken.connect(), sound.connect()
            assert doomed.client.getpeername()[0] == safe.client.getpeername()[0]
            broken.nat.flush()
            assert not doomed.reaches_server(within=0.2)
            assert safe.reaches_server()
            broken.nat.block()
            assert safe.reaches_server()
            assert sound.connect().reaches_server()

    def test_machine_is_left_alone(self) -> None:
        """
        Devices, addresses, routes, rules and forwarding outside a lab do not change.
        """

        def machine() -> list[str]:
            commands = ("ip -o link", "ip -o address", "ip route", "ip -6 route", "nft list tables")
            return [
                *(subprocess.check_output(command.split(), text=True) for command in commands),
                Path("/proc/sys/net/ipv4/ip_forward").read_text(),
                Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text(),
            ]

        before = machine()
        with nat_lab(idle_timeout=600) as lab:
            lab.nat.lose(10)
            assert machine() == before
        assert machine() == before


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


class TestRequirements:
    """
    What the tests say where no lab can be built.
    """

    def test_without_root_the_reason_says_what_is_needed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A skipped test tells how it can be made to run.
        """
        monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
        reason = skip_reason()
        assert reason is not None
        assert "needs root, iproute2, nftables, conntrack; here lacks root" in reason

    def test_with_root_a_missing_package_does_not_skip(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        It fails instead, and names the package.
        """
        monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
        monkeypatch.setattr(
            shutil, "which", lambda command: None if command == "nft" else f"/sbin/{command}"
        )
        assert skip_reason() is None
        with pytest.raises(LabError, match="a lab needs nftables"):
            Host()
