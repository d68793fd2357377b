"""
A lab to look around in: `python -m tests.lab --help`.
"""

import argparse
import contextlib
import shlex
import subprocess
import time
from dataclasses import dataclass
from socket import AF_INET, AF_INET6

from .labs import NatLab, nat_lab
from .traffic import Connection, Keepalive

HINTS = """
Client {client}, NAT {nat}, server {server}.
The NAT forgets what is idle for {idle_timeout} s.

Look at it from another terminal:
  connections of the client  ip netns exec {client} ss --tcp --options --info
  ... and of the server      ip netns exec {server} ss --tcp --options --info
  what the NAT remembers     ip netns exec {nat} conntrack --dump
  every segment              ip netns exec {nat} tcpdump -ni inside tcp
Change it:
  the idle timeout           ip netns exec {nat} sysctl net.netfilter.nf_conntrack_tcp_timeout_established=60
  forget everything          ip netns exec {nat} conntrack --flush
  the client's keepalive     ip netns exec {client} sysctl net.ipv4.tcp_keepalive_time=5
Connect more:
  listen                     ip netns exec {server} nc -lk 203.0.113.10 8000
  connect                    ip netns exec {client} nc 203.0.113.10 8000
"""  # noqa: E501 - commands are for copying


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of client: its keepalive and its address family.
    """

    name: str
    keepalive: Keepalive | None
    family: int


def kinds(idle_timeout: int) -> list[Kind]:
    """
    Good and bad clients for a NAT with an idle timeout of so many seconds.
    """
    in_time = Keepalive(time=max(1, idle_timeout // 2), interval=1, probes=8)
    late = Keepalive(time=idle_timeout + 2, interval=1, probes=8)
    return [
        Kind("IPv4, keepalive in time", in_time, AF_INET),
        Kind("IPv6, keepalive in time", in_time, AF_INET6),
        Kind("IPv4, keepalive too late", late, AF_INET),
        Kind("IPv6, keepalive too late", late, AF_INET6),
        Kind("IPv4, keepalive by sysctl", Keepalive(), AF_INET),
        Kind("IPv4, no keepalive", None, AF_INET),
    ]


def visit(lab: NatLab, kind: Kind, connection: Connection) -> Connection:
    """
    Use a connection after its idle spell, say how it fared, and return one for the next spell.

    One that is not answered is kept, so that its retransmissions can be watched to their end.
    """
    if error := connection.client_error():
        fate = f"ended by {error}, connecting anew"
        connection.close()
        connection = lab.connect(keepalive=kind.keepalive, family=kind.family)
    elif connection.reaches_server(within=0.3):
        fate = "alive"
    else:
        fate = "sends, but is not answered"
    print(f"{time.strftime('%H:%M:%S')}  {kind.name:26} {fate}", flush=True)
    return connection


def observe(lab: NatLab, command: str) -> subprocess.Popen[str]:
    """
    Run what watches the traffic where the traffic is, with its output on this terminal.
    """
    return lab.client.start(shlex.split(command))


def main() -> None:
    """
    Keep a lab open with traffic in it, until Ctrl-C.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=main.__doc__)
    parser.add_argument("--idle-timeout", type=int, default=20, metavar="SECONDS")
    parser.add_argument("--on-timeout", choices=["drop", "reset"], default="drop")
    parser.add_argument(
        "--observe", metavar="COMMAND", help="run in the client's namespace, such as the exporter"
    )
    options = parser.parse_args()
    with nat_lab(idle_timeout=options.idle_timeout, on_timeout=options.on_timeout) as lab:
        # Retransmission then gives up after some 10 s instead of 15 minutes.
        lab.client.sysctl("net.ipv4.tcp_retries2", 5)
        print(
            HINTS.format(
                client=lab.client.name,
                nat=lab.nat.name,
                server=lab.server.name,
                idle_timeout=options.idle_timeout,
            )
        )
        if options.observe:
            observe(lab, options.observe)
        clients = {
            kind: lab.connect(keepalive=kind.keepalive, family=kind.family)
            for kind in kinds(options.idle_timeout)
        }
        spell = 2 * options.idle_timeout
        print(f"Every connection is used once in {spell} s. Ctrl-C ends the lab.", flush=True)
        while True:
            time.sleep(spell)
            for kind, connection in clients.items():
                clients[kind] = visit(lab, kind, connection)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
