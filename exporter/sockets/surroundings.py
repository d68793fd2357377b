"""
What must be known of the thread's namespace to tell which paths its connections cross.
"""

import ipaddress
import socket

import psutil

from exporter.model import CollectorError
from exporter.paths import Surroundings, halves
from exporter.sockets.diag import LISTENING, dump

_SERVICES = "kube-ipvs0"
"""Where kube-proxy puts the addresses of all services, wherever those run."""


def read_surroundings() -> Surroundings:
    """
    The ports the namespace listens on and its interfaces' addresses. Raises CollectorError.
    """
    # First, because it explains best why netlink is refused, which psutil uses too.
    listening_ports = frozenset(
        port for table in dump(LISTENING) for port in table.local_port.tolist()
    )
    try:
        interfaces = psutil.net_if_addrs()
    except OSError as error:
        raise CollectorError(f"cannot list the interfaces' addresses: {error}") from error
    return Surroundings(
        listening_ports=listening_ports,
        own_addresses=frozenset(
            halves(ipaddress.ip_address(address.address.partition("%")[0]))
            for interface, addresses in interfaces.items()
            if interface != _SERVICES
            for address in addresses
            if address.family in (socket.AF_INET, socket.AF_INET6)
        ),
    )
