"""
Servers that end connections, and real servers, behind a NAT with a known idle timeout, measured by
`probe`.
"""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.known_paths import FLAGS, SERVERS, listen
from tests.e2e.probing import Probed, probe
from tests.e2e.proxies import start_nginx
from tests.e2e.servers import software, wait_for_ports
from tests.lab import Pair, nat_lab, pair
from tests.lab.traffic import abort

_POLL_INTERVAL = 0.05
_PORTS = {"PostgreSQL": 5432, "Redis": 6379, "OpenSSH": 22}
_NGINX, _PROBING_REDIS = 80, 6380
_CLOSING = {
    "PostgreSQL": "authentication_timeout = 5s",
    "Redis": "timeout 4",
    "OpenSSH": "LoginGraceTime 4",  # OpenSSH 9.8 adds up to 4 s to it
}
"""Settings with which servers close connections of silent clients within seconds."""
_SEGMENTS_IN = struct.Struct("=140x I")
"""tcpi_segs_in in struct tcp_info."""


def ending_server(after: float, timeout: int, *, reset: bool = False) -> Probed:
    """
    A server that ends each connection after this many seconds, with a FIN or a reset.
    """
    with nat_lab(idle_timeout=timeout) as lab, _ending(lab, after, reset=reset):
        return probe(lab.client, *SERVERS, *FLAGS[timeout].split())


def resetting_path(timeout: float) -> Probed:
    """
    A load balancer that resets idle connections without being probed.

    It is implemented in the server, because it ends connections there. Like a path, it considers
    all segments that arrive, including probes.
    """
    with pair() as lab, _ending(lab, timeout, reset=True, spare_busy=True):
        return probe(lab.client, *SERVERS, *FLAGS[8].split())


def real_servers(timeout: int, *, by_themselves: bool) -> Probed:
    """
    PostgreSQL, Redis, sshd and nginx with default configurations; or, by_themselves, configured to
    close silent clients, with a second Redis that probes its clients.
    """
    with (
        TemporaryDirectory(prefix="servers-") as files,
        software(Path(files)) as kinds,
        nat_lab(idle_timeout=timeout) as lab,
    ):
        for name, port in _PORTS.items():
            kinds[name].start(lab.server, port, _CLOSING[name] if by_themselves else "")
        words = "; client_header_timeout 5s;" if by_themselves else ";"
        start_nginx(lab.server, Path(files), {_NGINX: words})
        ports = [*_PORTS.values(), _NGINX]
        if by_themselves:
            kinds["Redis"].start(lab.server, _PROBING_REDIS, "tcp-keepalive 4")
            ports.append(_PROBING_REDIS)
        wait_for_ports(lab.server, ports)
        servers = [f"203.0.113.10:{port}" for port in ports]
        return probe(lab.client, *servers, *FLAGS[8].split(), "--parallel=100")


@contextmanager
def _ending(lab: Pair, after: float, *, reset: bool, spare_busy: bool = False) -> Iterator[None]:
    """
    A server that ends each connection this many seconds after it was accepted or, with spare_busy,
    after the last segment arrived.
    """
    stop = threading.Event()
    end = abort if reset else socket.socket.close

    def serve(listener: socket.socket) -> None:
        clients: dict[socket.socket, tuple[int, float]] = {}
        listener.settimeout(_POLL_INTERVAL)
        while not stop.is_set():
            with suppress(TimeoutError):
                client, _ = listener.accept()
                clients[lab.server.adopt(client)] = 0, time.monotonic()
            for client, (segments, since) in list(clients.items()):
                now, present = time.monotonic(), _segments(client) if spare_busy else 0
                if present != segments:
                    clients[client] = present, now
                elif now > since + after:
                    end(client)
                    del clients[client]

    listeners = listen(lab.server)
    with ThreadPoolExecutor(len(listeners)) as pool:
        served = [pool.submit(serve, listener) for listener in listeners]
        try:
            yield
        finally:
            stop.set()
        for each in served:
            each.result()


def _segments(client: socket.socket) -> int:
    info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SEGMENTS_IN.size)
    (segments,) = _SEGMENTS_IN.unpack(info)
    return int(segments)
