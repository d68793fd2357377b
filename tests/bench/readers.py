"""
The exporter's readers of all TCP sockets, and the bare receive loop as their minimum cost.
"""

import collections
import io
import socket
import struct

from pyroute2.netlink import NETLINK_SOCK_DIAG, NLMSG_DONE
from rich.console import Console

from exporter.cli.connections_table import render
from exporter.collectors.sampler import Sampler
from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.connections.listing import ConnectionLister
from exporter.connections.query import Query
from exporter.linux.netlink import dump as diag
from tests.linux.netlink.capture import request

_BUFFER_SIZE = 64 << 10
_DONE = struct.Struct("=IHHIIi")  # struct nlmsghdr and the result of the dump
_SHOWN = 50
"""Connections that the command shows by default."""


def bare_loop() -> None:
    """
    The minimum cost: receive a dump of each address family and detect only its end.
    """
    buffer = memoryview(bytearray(_BUFFER_SIZE))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
        for family in (socket.AF_INET, socket.AF_INET6):
            netlink.send(request(family, diag.CONNECTED))
            while True:
                last = netlink.recv_into(buffer) - _DONE.size
                length, kind, *_ = _DONE.unpack_from(buffer, last)
                if (length, kind) == (_DONE.size, NLMSG_DONE):
                    break


def dump() -> None:
    """
    Read the connection tables, one after the other.
    """
    collections.deque(diag.dump(), maxlen=0)


def connections() -> None:
    """
    The first run of the command `connections`, with all connections as candidates.
    """
    shown = ConnectionLister().list_connections(
        Query(everything=True, limit=_SHOWN), Config(), State()
    )
    if not all(row.process for row in shown.connections):
        raise RuntimeError("the processes of some connections were not found")
    console = Console(file=io.StringIO(), width=80)
    console.print(render(shown, console))


class WholeSample:
    """
    One complete sample: settings, connections, history, verdicts, sums, snapshot.
    """

    def __init__(self) -> None:
        self._sampler = Sampler(Config(), State())
        self()  # the measured samples then have a history

    def __call__(self) -> None:
        """
        Take one sample.
        """
        snapshot = self._sampler.sample()
        if failed := [name for name, run in snapshot.runs.items() if not run.success]:
            raise RuntimeError(f"incomplete sample: {', '.join(failed)} failed")
