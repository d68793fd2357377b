"""
Ordinary traffic through a NAT: clients that use their connection again after a while, and connect
anew when that fails.
"""

import random
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.lab import Host, NatLab

_PORT = 8000
_ANSWER = 1.0
"""Seconds in which a client wants to be answered."""
_LOOK_EVERY = 0.05
_SECOND_ADDRESS = "203.0.113.11"
SYSCTLS = {
    "tcp_retries2": 3,  # unanswered data ends a connection after 6.4 s
    "tcp_orphan_retries": 2,  # ... and after 3.2 s if its application has let go of it
}
"""The client's, under net.ipv4: the kernel's defaults take a quarter of an hour."""


@dataclass
class Client:
    """
    One connection, when it is to be used next, and since when an answer is waited for.
    """

    address: tuple[str, int]
    sock: socket.socket
    use_at: float
    asked_at: float | None = None


@dataclass
class Traffic:
    """
    Clients that leave their connections alone for up to longest seconds.
    """

    lab: NatLab
    longest: float
    clients: list[Client] = field(default_factory=list)

    def run(self, over: threading.Event) -> None:
        """
        Use the connections until it is over.
        """
        while not over.wait(_LOOK_EVERY):
            now = time.monotonic()
            for client in self.clients:
                if client.asked_at is None and now >= client.use_at:
                    client.asked_at = now
                    with suppress(OSError):
                        client.sock.send(b"x")
                elif client.asked_at is not None:
                    self._expect_answer(client, now, client.asked_at)

    def connect(self, address: str, number: int) -> None:
        """
        Add so many clients of a server.
        """
        for _ in range(number):
            target = (address, _PORT)
            sock = self._connect(target)
            self.clients.append(Client(target, sock, time.monotonic() + self._spell()))

    def _expect_answer(self, client: Client, now: float, asked_at: float) -> None:
        try:
            answered = client.sock.recv(100, socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            if now < asked_at + _ANSWER:
                return
            answered = False
        except OSError:
            answered = False
        if not answered:
            client.sock.close()
            client.sock = self._connect(client.address)
        client.asked_at, client.use_at = None, now + self._spell()

    def _connect(self, address: tuple[str, int]) -> socket.socket:
        return self.lab.client.connect(*address)

    def _spell(self) -> float:
        return random.uniform(0.1, self.longest)


@contextmanager
def ordinary_traffic(lab: NatLab, longest: float, clients: int) -> Iterator[None]:
    """
    Have so many clients of each of three addresses of the server, until the block is left.
    """
    for name, value in SYSCTLS.items():
        lab.client.sysctl(f"net.ipv4.{name}", value)
    lab.server.ip(f"addr add {_SECOND_ADDRESS}/32 dev eth0")
    over = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        try:
            tasks = [pool.submit(_echo, lab.server, _listeners(lab.server), over)]
            traffic = Traffic(lab, longest)
            for address in (lab.server.address, _SECOND_ADDRESS, lab.server.address6):
                traffic.connect(address, clients)
            tasks.append(pool.submit(traffic.run, over))
            yield
        finally:
            over.set()
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


def _echo(server: Host, listeners: list[socket.socket], over: threading.Event) -> None:
    """
    Answer with what comes, until it is over.
    """
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            selector.register(listener, selectors.EVENT_READ, listener)
        while not over.is_set():
            for key, _ in selector.select(_LOOK_EVERY):
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
