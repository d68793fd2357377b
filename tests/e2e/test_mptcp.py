"""
Connections of Multipath TCP.
"""

import socket
import time

import pytest

from tests.e2e.exporting import Exporter, exporter_inside, with_paths
from tests.lab import LAB_MARKS, Host, pair

pytestmark = LAB_MARKS

IPPROTO_MPTCP = 262  # include/uapi/linux/in.h
NEAR_LIMIT = 1.5


def mptcp_socket(host: Host) -> socket.socket:
    """
    A socket of Multipath TCP.
    """
    try:
        return host.adopt(host.call(socket.socket, type=socket.SOCK_STREAM, proto=IPPROTO_MPTCP))
    except OSError as error:
        pytest.skip(f"needs a kernel with Multipath TCP: {error}")


@pytest.mark.parametrize("exchange", [b"", b"hello"])
@pytest.mark.parametrize("first", ["client", "server"])
def test_closed_in_order(first: str, exchange: bytes) -> None:
    """
    A connection that both ends close in order is closed normally at both, also after idling.
    """
    with pair() as lab:
        listener = mptcp_socket(lab.server)
        listener.bind((lab.server.address, 0))
        listener.listen()
        client = mptcp_socket(lab.client)
        client.connect(listener.getsockname())
        server = lab.server.adopt(listener.accept()[0])
        if exchange:
            client.send(exchange)
            server.recv(len(exchange))
            server.send(exchange)
            client.recv(len(exchange))
        paths = {"client": lab.client.address, "server": lab.server.address}
        config = with_paths(paths, 2, 0.3)
        with (
            exporter_inside(lab.client, config) as client_side,
            exporter_inside(lab.server, config) as server_side,
        ):
            time.sleep(NEAR_LIMIT + 0.5)
            for end in (client, server) if first == "client" else (server, client):
                end.close()
                time.sleep(0.5)
            time.sleep(0.5)
            assert reasons(client_side) == reasons(server_side) == {"normal": 1}


def reasons(exporter: Exporter) -> dict[str, int]:
    """
    The number of closures on paths by reason.
    """
    scrape = exporter.scrape()
    assert scrape.total("idle_drops_total") == 0
    sums = {"normal": 0.0, "abort": 0.0, "reset": 0.0}
    for path in ("client", "server"):
        for reason in sums:
            name = "closure_idle_seconds_count"
            sums[reason] += scrape.total(name, path=path, reason=reason)
    return {reason: int(number) for reason, number in sums.items() if number}
