"""
Paths whose idle timeout is known, and what `probe` finds it to be.
"""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.e2e.probing import Probed, Running, probe
from tests.e2e.proxies import start_nginx
from tests.e2e.servers import OpenSSH, PostgreSQL, Redis, Software, wait_for_ports
from tests.lab import Host, OnTimeout, Pair, nat_lab, nats_in_a_row, pair
from tests.lab.traffic import abort

PORT = 5432
SERVERS = (f"203.0.113.10:{PORT}", f"[2001:db8::10]:{PORT}")
"""Over IPv4 and IPv6."""
FLAGS = {
    5: "--from=2s --to=8s --step=2s --resolution=1s",
    8: "--from=3s --to=12s --step=3s --resolution=1500ms",
    13: "--from=10s --to=16s --step=2s --resolution=2s",
    30: "--from=25s --to=37s --step=3s --resolution=3s",
}
"""By the path's timeout; of the last two the first round is fine enough to be the only one."""
ON_TIMEOUT: tuple[OnTimeout, ...] = ("drop", "reset")
CLOSES_AFTER = 6.0
_LOOK_EVERY = 0.2


@dataclass(frozen=True)
class Scenario:
    """
    A path that forgets after timeout seconds (None: never), and how it is measured.

    is_narrow tells whether the bounds are as narrow as was asked for, None: they may be. Where not,
    the words say why. code is the exit code.
    """

    name: str
    timeout: float | None
    measure: Callable[[], Probed]
    is_narrow: bool | None = True
    words: str = ""
    code: int = 0

    def __str__(self) -> str:
        """
        Name the test.
        """
        return self.name


def listen(server: Host) -> None:
    """
    Listen, and leave it to the kernel to be a server: it needs no more to answer probes.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        server.listener(family, PORT)


def through_nat(timeout: int, on_timeout: OnTimeout, loss: int) -> Probed:
    """
    One NAT, which may lose some percent of all segments.
    """
    with nat_lab(idle_timeout=timeout, on_timeout=on_timeout) as lab:
        listen(lab.server)
        if loss:
            lab.nat.lose(loss)
        return probe(lab.client, *SERVERS, *FLAGS[timeout].split())


def through_two_nats(*timeouts: int) -> Probed:
    """
    NATs in a row, of which the least patient decides.
    """
    with nats_in_a_row(*timeouts) as lab:
        listen(lab.server)
        return probe(lab.client, *SERVERS, *FLAGS[min(timeouts)].split())


def without_nat() -> Probed:
    """
    Nothing that forgets; from a source and an interface that are given.
    """
    with pair() as lab:
        listen(lab.server)
        source = ("--source=10.0.0.2", "--interface=eth0")
        return probe(lab.client, SERVERS[0], *FLAGS[5].split(), *source)


def closing_server(after: float) -> Probed:
    """
    A server that closes idle clients before the NAT forgets them.
    """
    with nat_lab(idle_timeout=13) as lab, _closing(lab, after):
        return probe(lab.client, SERVERS[0], *FLAGS[8].split())


def resetting_server() -> Probed:
    """
    One that resets them.
    """
    with nat_lab(idle_timeout=13) as lab, _closing(lab, CLOSES_AFTER, reset=True):
        return probe(lab.client, SERVERS[0], *FLAGS[8].split())


def flushed_nat(on_timeout: OnTimeout) -> Probed:
    """
    The NAT is restarted in the middle of the first round.
    """
    with nat_lab(idle_timeout=8, on_timeout=on_timeout) as lab:
        listen(lab.server)

        def restart(running: Running) -> None:
            running.wait_for("idle for 3 s: answered")
            lab.nat.flush()

        return probe(lab.client, SERVERS[0], *FLAGS[8].split(), incident=restart)


def flushed_nat_later() -> Probed:
    """
    The NAT is restarted in the middle of the second round.
    """
    with nat_lab(idle_timeout=8) as lab:
        listen(lab.server)

        def restart(running: Running) -> None:
            running.wait_for("no answer", times=2)
            running.wait_for("answered", times=len(_answered(running)) + 1)
            lab.nat.flush()

        return probe(lab.client, SERVERS[0], *FLAGS[8].split(), incident=restart)


def outage() -> Probed:
    """
    For two seconds nothing at all comes through, while connections are probed that the NAT has
    forgotten when it is over.
    """
    with nat_lab(idle_timeout=13) as lab:
        listen(lab.server)

        def block(running: Running) -> None:
            running.wait_for("idle for 10 s: answered", times=2)
            time.sleep(1)
            lab.nat.block()
            time.sleep(2)
            lab.nat.heal()

        return probe(lab.client, SERVERS[0], *FLAGS[13].split(), incident=block)


def interrupted() -> Probed:
    """
    Ctrl-C when two times are known.
    """
    with pair() as lab:
        listen(lab.server)

        def interrupt(running: Running) -> None:
            running.wait_for("answered", times=2)
            running.process.send_signal(signal.SIGINT)

        flags = ("--from=1s", "--to=10m", "--step=15s", "--resolution=10s")
        return probe(lab.client, SERVERS[0], *flags, incident=interrupt)


def closed_port() -> Probed:
    """
    Nobody listens.
    """
    with pair() as lab:
        return probe(lab.client, SERVERS[0])


def silent_host() -> Probed:
    """
    Nobody answers.
    """
    with nat_lab(idle_timeout=600) as lab:
        lab.nat.block()
        return probe(lab.client, SERVERS[0])


def real_servers(postgresql: PostgreSQL, directory: Path, *, by_themselves: bool) -> Probed:
    """
    Servers as they come, behind a NAT of 8 s; or such as act by themselves before their NAT does.
    """
    kinds: dict[str, tuple[Software, str]] = {
        "5432": (postgresql, "authentication_timeout = 5s"),
        "6379": (Redis(directory), "timeout 4"),
        "22": (OpenSSH(directory), "LoginGraceTime 5"),
    }
    with nat_lab(idle_timeout=30 if by_themselves else 8) as lab:
        for port, (kind, setting) in kinds.items():
            kind.start(lab.server, int(port), setting if by_themselves else "")
        words = "; client_header_timeout 5s" if by_themselves else ""
        start_nginx(lab.server, directory, {80: words})
        ports = [*kinds, "80"]
        if by_themselves:
            Redis(directory).start(lab.server, 6380, "tcp-keepalive 4")
            ports.append("6380")
        wait_for_ports(lab.server, [int(port) for port in ports])
        servers = [f"203.0.113.10:{port}" for port in ports]
        return probe(lab.client, *servers, *FLAGS[8].split(), "--parallel=100")


def _answered(running: Running) -> list[str]:
    return [line for line in running.lines if "answered" in line]


@contextmanager
def _closing(lab: Pair, after: float, *, reset: bool = False) -> Iterator[None]:
    """
    A server that ends each connection so many seconds after it was accepted.
    """
    over = threading.Event()
    listener = lab.server.listener(port=PORT)
    listener.settimeout(_LOOK_EVERY)
    end = abort if reset else socket.socket.close

    def serve() -> None:
        clients: list[tuple[float, socket.socket]] = []
        while not over.is_set():
            with suppress(TimeoutError):
                client, _ = listener.accept()
                clients.append((time.monotonic() + after, lab.server.adopt(client)))
            while clients and clients[0][0] < time.monotonic():
                end(clients.pop(0)[1])

    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve)
        try:
            yield
        finally:
            over.set()
        served.result()


NATS = [
    Scenario(
        f"{on_timeout}{f', {loss} % loss' if loss else ''}",
        timeout,
        partial(through_nat, timeout, on_timeout, loss),
        is_narrow=None if loss else True,
    )
    for timeout in FLAGS
    for on_timeout in ON_TIMEOUT
    for loss in (0, 1)
]
OTHERS = [
    Scenario("NAT of 20 s behind one of 8 s", 8, partial(through_two_nats, 8, 20)),
    Scenario("NAT of 8 s behind one of 20 s", 8, partial(through_two_nats, 20, 8)),
    Scenario("no NAT", None, without_nat, words="idle for 8 s, the most tried"),
    Scenario(
        "server closes at once",
        13,
        partial(closing_server, 0.0),
        is_narrow=False,
        words="Nothing is known of this path: the server closes idle clients by itself, after 0",
        code=1,
    ),
    Scenario(
        "server closes after 6 s",
        13,
        partial(closing_server, CLOSES_AFTER),
        is_narrow=False,
        words="the server closes idle clients by itself, after 6",
        code=1,
    ),
    Scenario(
        "server resets after 6 s",
        13,
        resetting_server,
        is_narrow=False,
        words="the server closes idle clients by itself, after 6",
        code=1,
    ),
    Scenario("NAT restarted, drop", 8, partial(flushed_nat, "drop"), None, "the path lost even"),
    Scenario("NAT restarted, reset", 8, partial(flushed_nat, "reset"), None, "the path lost even"),
    Scenario("NAT restarted later", 8, flushed_nat_later, None, "the path lost even"),
    Scenario("outage of 2 s", 13, outage, is_narrow=None),
    Scenario("interrupted", None, interrupted, False, "the measurement was interrupted", code=1),
]
UNREACHABLE = [
    Scenario("closed port", None, closed_port, words="connection refused", code=2),
    Scenario("host that never answers", None, silent_host, words="no answer within 5 s", code=2),
]
