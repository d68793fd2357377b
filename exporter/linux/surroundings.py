"""
What must be known of the thread's namespace to tell which paths its connections cross.
"""

from exporter.linux.netlink.dump import LISTENING, dump
from exporter.paths.interfaces import own_addresses
from exporter.paths.matching import Surroundings


def read_surroundings() -> Surroundings:
    """
    The ports the namespace listens on and its interfaces' addresses. Raises CollectorError.
    """
    # First, because it explains best why netlink is refused, which psutil uses too.
    listening_ports = frozenset(
        port for table in dump(LISTENING) for port in table.local_port.tolist()
    )
    return Surroundings(listening_ports=listening_ports, own_addresses=own_addresses())
