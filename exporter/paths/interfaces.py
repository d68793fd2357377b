"""
The addresses of the network interfaces, on any operating system.
"""

import ipaddress
import socket

import psutil

from exporter.model import CollectorError
from exporter.paths.addresses import Address
from exporter.paths.matching import halves

_SERVICES = "kube-ipvs0"
"""The interface on which kube-proxy (IPVS mode) may put the addresses of all services, including
those on other hosts."""


def own_addresses() -> frozenset[Address]:
    """
    The addresses in the calling thread's network namespace. Raises CollectorError.
    """
    try:
        interfaces = psutil.net_if_addrs()
    except OSError as error:
        raise CollectorError(f"cannot list interface addresses: {error}") from error
    return frozenset(
        halves(ipaddress.ip_address(address.address.partition("%")[0]))
        for interface, addresses in interfaces.items()
        if interface != _SERVICES
        for address in addresses
        if address.family in (socket.AF_INET, socket.AF_INET6)
    )
