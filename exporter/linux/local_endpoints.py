"""
Listening ports and addresses of the calling thread's network namespace.
"""

from exporter.linux.netlink.dump import LISTENING, dump
from exporter.paths.interfaces import own_addresses
from exporter.paths.matching import LocalEndpoints


def read_local_endpoints() -> LocalEndpoints:
    """
    The ports that the namespace listens on, and its interfaces' addresses. Raises CollectorError.
    """
    # First, because it has the best error message if netlink is refused; psutil needs netlink too.
    listening_ports = frozenset(
        port for table in dump(LISTENING) for port in table.local_port.tolist()
    )
    return LocalEndpoints(listening_ports=listening_ports, own_addresses=own_addresses())
