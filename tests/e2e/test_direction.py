"""
Inbound and outbound connections whose ports are misleading.
"""

import socket
import time
from collections.abc import Callable

import pytest

from tests.e2e.exporting import Scrape, exporter_inside
from tests.lab import LAB_MARKS, NatLab, nat_lab

pytestmark = LAB_MARKS

CONFIG = """
profile: none
sampling: {interval: 500ms, max_duty_cycle: 1}
paths:
- {name: in, direction: inbound, remote: any, idle_timeout: 240s}
- {name: out, direction: outbound, remote: any, idle_timeout: 240s}
"""

Opened = tuple[socket.socket, socket.socket]
"""The end at the exporter's host, and the other one."""


def closed_listener(lab: NatLab) -> Opened:
    """
    A server accepts one connection and stops listening at once, as FTP does for data.
    """
    with lab.server.listener() as listener:
        client = lab.client.connect(*listener.getsockname())
        server, _ = listener.accept()
    return lab.server.adopt(server), client


def shared_port(lab: NatLab) -> Opened:
    """
    A connection is opened from a port on which the host listens at another address.
    """
    other = lab.server.call(socket.create_server, ("127.0.0.1", 0))
    port = lab.server.adopt(other).getsockname()[1]
    with lab.nat.listener() as listener:
        sock = lab.server.socket(socket.AF_INET)
        sock.bind((lab.server.address, port))
        sock.connect(listener.getsockname())
        accepted, _ = listener.accept()
    return sock, lab.nat.adopt(accepted)


@pytest.mark.parametrize("exchange", [b"", b"hello"])
@pytest.mark.parametrize(
    ("opens", "path"), [(closed_listener, "in"), (shared_port, "out")], ids=["in", "out"]
)
def test_direction(opens: Callable[[NatLab], Opened], path: str, exchange: bytes) -> None:
    """
    The direction is that of the SYN, whether data was exchanged or not, in samples and closures.
    """
    with nat_lab(idle_timeout=60) as lab:
        here, there = opens(lab)
        if exchange:
            here.send(exchange)
            there.recv(len(exchange))
            there.send(exchange)
            here.recv(len(exchange))
        with exporter_inside(lab.server, CONFIG) as exporter:
            assert by_path(exporter.scrape(), "connections") == {path: 1}
            there.close()
            here.close()
            time.sleep(1)
            assert by_path(exporter.scrape(), "closure_idle_seconds_count") == {path: 1}


def by_path(scrape: Scrape, name: str) -> dict[str, int]:
    """
    Connections or closures by path, without those on none.
    """
    sums = scrape.by("path", name)
    return {path: number for path, number in sums.items() if path != "none"}
