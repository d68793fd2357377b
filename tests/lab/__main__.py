"""
An interactive lab with the exporter at the client: `python -m tests.lab --help`.
"""

import argparse
import contextlib
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from socket import AF_INET, AF_INET6

from tests.e2e.exporter_inside import Scrape, fetch
from tests.exporter_process import ExporterProcess, exporter_process

from .hosts import Host
from .labs import NatLab, nat_lab
from .nat import OnTimeout
from .traffic import Keepalive

HINTS = """
Client {client}, NAT {nat}, server {server}.
The NAT expires mappings after {idle_timeout} s idle and {on_timeout} later segments.
The exporter runs at the client. Its path `nat` is this NAT.

Exporter (run in another terminal):
    at risk, idle drops        ip netns exec {client} curl -s {url} | grep -E '^[^#]*(connections|drops).* [1-9]'
    idle time at closure       ip netns exec {client} curl -s {url} | grep -E 'closure.*_(count|sum).*nat.* [1-9]'
    all metrics                ip netns exec {client} curl -s {url}
    log                        tail -f {log}
  Kernel and NAT:
    connections of the client  ip netns exec {client} ss --tcp --options --info
    connections of the server  ip netns exec {server} ss --tcp --options --info
    mappings of the NAT        ip netns exec {nat} conntrack --dump
    every segment              ip netns exec {nat} tcpdump -ni inside tcp
  Changes:
    idle timeout               ip netns exec {nat} sysctl net.netfilter.nf_conntrack_tcp_timeout_established=60
    remove all mappings        ip netns exec {nat} conntrack --flush
    keepalive of the client    ip netns exec {client} sysctl net.ipv4.tcp_keepalive_time=5
  More connections:
    listen                     ip netns exec {server} nc -lk 203.0.113.10 8000
    connect                    ip netns exec {client} nc 203.0.113.10 8000

  Every connection is idle for {spell} s, then used. Ctrl-C ends the lab.
"""  # noqa: E501 - commands must be copyable
ON_TIMEOUT: Mapping[OnTimeout, str] = {"drop": "silently drops", "reset": "resets"}
CONFIG = """
profile: none
paths: [{{name: nat, idle_timeout: {idle_timeout}s, on_timeout: {on_timeout}}}]
sampling: {{interval: {interval}ms, max_duty_cycle: 1}}
"""
ADDRESS = "127.0.0.1:10240"
_SPELLS = 2
"""Idle time of a client between two uses of its connection, in idle timeouts of the NAT."""
_REFRESH_SECONDS = 1.0
_CLEAR_LINE, _BOLD, _PLAIN = "\r\x1b[K", "\x1b[1m", "\x1b[m"
_ALIVE, _UNANSWERED = "alive", "no answer"
_GREEN, _YELLOW, _RED = "\x1b[32m", "\x1b[33m", "\x1b[31m"
_COLOURS = {_ALIVE: _GREEN, _UNANSWERED: _YELLOW}


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
    Protected and unprotected clients for a NAT with this idle timeout in seconds.
    """
    in_time = Keepalive(time=max(1, idle_timeout // 2), interval=1, probes=8)
    late = Keepalive(time=idle_timeout + 1, interval=1, probes=3)
    return [
        Kind("IPv4, keepalive in time", in_time, AF_INET),
        Kind("IPv6, keepalive in time", in_time, AF_INET6),
        Kind("IPv4, keepalive too late", late, AF_INET),
        Kind("IPv6, keepalive too late", late, AF_INET6),
        Kind("IPv4, keepalive by sysctl", Keepalive(), AF_INET),
        Kind("IPv4, no keepalive", None, AF_INET),
    ]


class Client:
    """
    A client that uses its connection every `spell` seconds and reconnects when it has ended.
    """

    def __init__(self, lab: NatLab, kind: Kind, spell: float) -> None:
        """
        Connect.
        """
        self._lab = lab
        self.kind = kind
        self._spell = spell
        self._connect()

    def _connect(self) -> None:
        self._connection = self._lab.connect(keepalive=self.kind.keepalive, family=self.kind.family)
        self._use_at = time.monotonic() + self._spell

    def poll(self) -> str | None:
        """
        Use the connection if that is due; returns its new state, or None if nothing happened.

        A connection without an answer is kept, so that its retransmissions can be observed.
        """
        outcome = None
        if time.monotonic() >= self._use_at:
            self._use_at += self._spell
            answered = self._connection.reaches_server(within=0.3)
            outcome = _ALIVE if answered else _UNANSWERED
        if error := self._connection.client_error():
            self._connection.close()
            self._connect()
            outcome = f"ended by {error}, reconnecting"
        return outcome


class Screen:
    """
    Scrolling lines and, on a terminal, a status line at the bottom that is replaced.
    """

    def __init__(self) -> None:
        """
        Without a terminal, print neither the status line, which could not be replaced, nor colours.
        """
        self._terminal = sys.stdout.isatty()
        self._last = ""

    def add(self, name: str, outcome: str) -> None:
        """
        Print the state of a client above the status line.
        """
        line = f"{time.strftime('%H:%M:%S')}  {name:26} "
        if self._terminal:
            colour = _COLOURS.get(outcome, _RED)
            print(f"{_CLEAR_LINE}{line}{colour}{outcome}{_PLAIN}")
        else:
            print(line + outcome, flush=True)
        self.replace(self._last)

    def replace(self, last: str) -> None:
        """
        Replace the status line.
        """
        self._last = last[: shutil.get_terminal_size().columns - 1]
        if self._terminal:
            print(_CLEAR_LINE + _BOLD + self._last + _PLAIN, end="", flush=True)


def summary(scrape: Scrape) -> str:
    """
    One line with what the exporter reports about the path.
    """
    now = time.strftime("%H:%M:%S")
    if "connections" not in scrape.samples:
        return f"{now}  the exporter has no recent sample"
    protected = sum(
        scrape.total("connections", path="nat", protection=protection)
        for protection in ("own", "peer")
    )
    at_risk = scrape.total("at_risk_connections")
    stalled = scrape.total("connections", path="nat", idle_state="stalled")
    drops = scrape.by("reason", "idle_drops_total", path="nat")
    by_reason = ", ".join(f"{number:.0f} {reason}" for reason, number in drops.items())
    return (
        f"{now}  protected {protected:.0f}, at risk {at_risk:.0f},"
        f" stalled {stalled:.0f}; idle drops so far: {by_reason or 'none'}"
    )


@contextlib.contextmanager
def exporter(host: Host, idle_timeout: int, on_timeout: OnTimeout) -> Iterator[ExporterProcess]:
    """
    Run the exporter inside a host, with a path for the NAT.
    """
    interval = min(1000, 100 * idle_timeout)
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as config:
        config.write(
            CONFIG.format(idle_timeout=idle_timeout, on_timeout=on_timeout, interval=interval)
        )
        config.flush()
        flags = (f"--config.file={config.name}", f"--web.listen-address={ADDRESS}")
        with exporter_process(*flags, "--log.addresses", start=host.start) as process:
            yield process


def run_clients(lab: NatLab, idle_timeout: int) -> None:
    """
    Generate traffic in a lab until Ctrl-C, and print the state of the connections.
    """
    clients = [Client(lab, kind, _SPELLS * idle_timeout) for kind in kinds(idle_timeout)]
    screen = Screen()
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            for client in clients:
                if outcome := client.poll():
                    screen.add(client.kind.name, outcome)
            text, _ = fetch(lab.client, f"http://{ADDRESS}/metrics")
            screen.replace(summary(Scrape.of(text)))
            time.sleep(_REFRESH_SECONDS)
    screen.replace("Removing the lab.\n")


def main() -> None:
    """
    Open a NAT with an idle timeout, protected and unprotected clients behind it, and the exporter.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=main.__doc__)
    parser.add_argument(
        "--idle-timeout", type=int, default=10, metavar="SECONDS", help="default: %(default)s"
    )
    parser.add_argument("--on-timeout", choices=list(ON_TIMEOUT), default="drop")
    parser.add_argument(
        "--observe", metavar="COMMAND", help="command to run at the client, such as tcpdump"
    )
    options = parser.parse_args()
    idle_timeout, on_timeout = options.idle_timeout, options.on_timeout
    with (
        nat_lab(idle_timeout=idle_timeout, on_timeout=on_timeout) as lab,
        exporter(lab.client, idle_timeout, on_timeout) as process,
    ):
        # With 5, retransmission gives up after about 12 s instead of 15 minutes.
        lab.client.sysctl("net.ipv4.tcp_retries2", 5)
        hints = HINTS.format(
            client=lab.client.name,
            nat=lab.nat.name,
            server=lab.server.name,
            url=f"{ADDRESS}/metrics",
            log=process.log_file,
            idle_timeout=idle_timeout,
            on_timeout=ON_TIMEOUT[on_timeout],
            spell=_SPELLS * idle_timeout,
        )
        print(hints, flush=True)
        if options.observe:
            lab.client.start(shlex.split(options.observe))
        run_clients(lab, idle_timeout)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
