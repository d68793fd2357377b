"""
Which connections the path has forgotten while they were open: the truth about idle drops.
"""

import contextlib
import threading
from collections.abc import Iterator

from tests.clients.client_site import ADDRESSES, Site

_INTERVAL = 0.4


class Deaths:
    """
    The local ports, by client, of connections that were established here when the NAT did not know
    them any more.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._ports: dict[str, set[int]] = {name: set() for name in ADDRESSES}
        self._lock = threading.Lock()

    def look(self) -> dict[str, set[int]]:
        """
        Those that are established now.
        """
        # In this order: a connection has its mapping before it is established.
        sockets, mapped = self._site.sockets(), self._site.mapped()
        if mapped is None:
            return {name: set() for name in sockets}
        now = {name: {*lines} - mapped for name, lines in sockets.items()}
        with self._lock:
            for name, ports in now.items():
                self._ports[name] |= ports
        return now

    def count(self, client: str) -> int:
        """
        The number of a client's connections that have died so far.
        """
        with self._lock:
            return len(self._ports[client])


@contextlib.contextmanager
def watched(site: Site) -> Iterator[Deaths]:
    """
    Look several times a second until the end of the block.
    """
    deaths, stop = Deaths(site), threading.Event()

    def look() -> None:
        while not stop.wait(_INTERVAL):
            deaths.look()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield deaths
    finally:
        stop.set()
        thread.join()
