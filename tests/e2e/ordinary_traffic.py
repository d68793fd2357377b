"""
Ordinary traffic through a NAT: clients that use their connections after idle times, and reconnect
when that fails.
"""

import random
import selectors
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.lab import Host, NatLab

_PORT = 8000
_ANSWER = 1.0
"""Seconds in which a client expects an answer."""
_POLL_INTERVAL = 0.05
_SECOND_ADDRESS = "203.0.113.11"
ANY_FAMILY = ("203.0.113.10", _SECOND_ADDRESS, "2001:db8::10")
"""Three addresses of a lab's server."""
SYSCTLS = {
    "tcp_retries2": 3,  # unanswered data ends a connection after 6.4 s
    "tcp_orphan_retries": 2,  # ... and after 3.2 s if the application has closed it
}
"""Of the client, below net.ipv4. With the kernel's defaults it would take a quarter of an hour."""


@dataclass
class Client:
    """
    One connection, with the times of its next use and of a request that waits for an answer.
    """

    address: tuple[str, int]
    sock: socket.socket
    use_at: float
    sent_at: float | None = None


@dataclass
class Traffic:
    """
    Clients that leave their connections idle for at most `longest` seconds.

    Without giving_up, they wait for an answer until the kernel gives up, as pools do whose clients
    have no timeout. These open another connection meanwhile.
    """

    lab: NatLab
    longest: float
    giving_up: bool = True
    clients: list[Client] = field(default_factory=list)
    waiting: list[socket.socket] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """
        Use the connections until the event is set.
        """
        while not stop.wait(_POLL_INTERVAL):
            now = time.monotonic()
            for client in self.clients:
                if client.sent_at is None and now >= client.use_at:
                    client.sent_at = now
                    with suppress(OSError):
                        client.sock.send(b"x")
                elif client.sent_at is not None:
                    self._expect_answer(client, now, client.sent_at)

    def connect(self, address: str, number: int) -> None:
        """
        Add this many clients of a server.
        """
        for _ in range(number):
            target = (address, _PORT)
            sock = self._connect(target)
            self.clients.append(Client(target, sock, time.monotonic() + self._spell()))

    def _expect_answer(self, client: Client, now: float, sent_at: float) -> None:
        try:
            answered = client.sock.recv(100, socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            if now < sent_at + _ANSWER:
                return
            answered = False
        except OSError:
            answered = False
        if not answered:
            if self.giving_up:
                client.sock.close()
            else:
                self.waiting.append(client.sock)
            with suppress(OSError):  # until the end of an outage
                client.sock = self._connect(client.address)
        client.sent_at, client.use_at = None, now + self._spell()

    def _connect(self, address: tuple[str, int]) -> socket.socket:
        return self.lab.client.connect(*address)

    def _spell(self) -> float:
        return random.uniform(0.1, self.longest)


@contextmanager
def ordinary_traffic(
    lab: NatLab,
    longest: float,
    clients: int,
    addresses: Sequence[str] = ANY_FAMILY,
    *,
    giving_up: bool = True,
) -> Iterator[None]:
    """
    Run this many clients for each of the server's addresses, until the end of the block. Only with
    giving_up, the kernel gives up soon, too.
    """
    if giving_up:
        for name, value in SYSCTLS.items():
            lab.client.sysctl(f"net.ipv4.{name}", value)
    lab.server.ip(f"addr add {_SECOND_ADDRESS}/32 dev eth0")
    stop = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        try:
            tasks = [pool.submit(_echo, lab.server, _listeners(lab.server), stop)]
            traffic = Traffic(lab, longest, giving_up)
            for address in addresses:
                traffic.connect(address, clients)
            tasks.append(pool.submit(traffic.run, stop))
            yield
        finally:
            stop.set()
        for task in tasks:
            task.result()


def _listeners(server: Host) -> list[socket.socket]:
    """
    Listen on all addresses of the server.
    """
    listeners = [server.socket(socket.AF_INET), server.socket(socket.AF_INET6)]
    listeners[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    for listener in listeners:
        listener.bind(("", _PORT))
        listener.listen(128)
    return listeners


def _echo(server: Host, listeners: list[socket.socket], stop: threading.Event) -> None:
    """
    Echo all data until the event is set.
    """
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            selector.register(listener, selectors.EVENT_READ, listener)
        while not stop.is_set():
            for key, _ in selector.select(_POLL_INTERVAL):
                sock: socket.socket = key.data
                if sock in listeners:
                    client, _ = sock.accept()
                    selector.register(server.adopt(client), selectors.EVENT_READ, client)
                    continue
                try:
                    data = sock.recv(100)
                    sock.send(data)
                except OSError:
                    data = b""
                if not data:
                    selector.unregister(sock)
                    sock.close()
