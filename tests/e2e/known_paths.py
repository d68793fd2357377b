"""
Paths with a known idle timeout, to servers that send nothing, measured by `probe`.
"""

import signal
import socket
import time

from tests.e2e.probing import Probed, Running, probe
from tests.lab import Host, OnTimeout, nat_lab, nats_in_a_row, pair

PORT = 5432
SERVERS = (f"203.0.113.10:{PORT}", f"[2001:db8::10]:{PORT}")
"""Over IPv4 and IPv6."""
FLAGS = {
    5: "--from=2s --to=8s --step=2s --resolution=1s",
    8: "--from=3s --to=12s --step=3s --resolution=1500ms",
    13: "--from=10s --to=16s --step=2s --resolution=3s",
    20: "--from=4s --to=24s --step=4s --resolution=2s",
    30: "--from=25s --to=37s --step=3s --resolution=4s",
}
"""By the path's timeout. With 13 and 30 s, the first round is sufficient."""


def listen(server: Host) -> list[socket.socket]:
    """
    Listen without accepting: the kernel alone completes the handshakes and answers probes.
    """
    return [server.listener(family, PORT) for family in (socket.AF_INET, socket.AF_INET6)]


def through_nat(timeout: int, on_timeout: OnTimeout, loss: int) -> Probed:
    """
    One NAT, with a loss in percent of all segments.
    """
    with nat_lab(idle_timeout=timeout, on_timeout=on_timeout) as lab:
        listen(lab.server)
        if loss:
            lab.nat.lose(loss)
        return probe(lab.client, *SERVERS, *FLAGS[timeout].split())


def through_two_nats(*timeouts: int) -> Probed:
    """
    NATs in a row. The shortest timeout decides.
    """
    with nats_in_a_row(*timeouts) as lab:
        listen(lab.server)
        return probe(lab.client, *SERVERS, *FLAGS[min(timeouts)].split())


def without_nat() -> Probed:
    """
    No NAT; with the flags for source address and interface.
    """
    with pair() as lab:
        listen(lab.server)
        source = ("--source=10.0.0.2", "--interface=eth0")
        return probe(lab.client, SERVERS[0], *FLAGS[5].split(), *source)


def flushed_nat(on_timeout: OnTimeout) -> Probed:
    """
    The NAT restarts in the middle of the first round.
    """
    with nat_lab(idle_timeout=8, on_timeout=on_timeout) as lab:
        listen(lab.server)

        def restart(running: Running) -> None:
            running.wait_for("idle for 3 s: answered")
            lab.nat.flush()

        return probe(lab.client, SERVERS[0], *FLAGS[8].split(), incident=restart)


def flushed_nat_later() -> Probed:
    """
    The NAT restarts in the middle of the second round.
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
    For two seconds all segments are lost, while connections are probed whose mappings have expired
    at the end of the outage.
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
    Ctrl-C after two results.
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
    A port without a listener.
    """
    with pair() as lab:
        return probe(lab.client, SERVERS[0])


def silent_host() -> Probed:
    """
    A host that does not answer.
    """
    with nat_lab(idle_timeout=600) as lab:
        lab.nat.block()
        return probe(lab.client, SERVERS[0])


def _answered(running: Running) -> list[str]:
    return [line for line in running.lines if "answered" in line]
