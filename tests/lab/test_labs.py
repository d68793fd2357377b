"""
Parallel labs affect neither each other nor the machine.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.lab import (
    Keepalive,
    nat_lab,
    pair,
    requires_lab,
)
from tests.lab.watching import FAMILIES


@requires_lab
class TestLabs:
    """
    Isolation of labs from each other and from the machine.
    """

    @pytest.mark.parametrize("family", FAMILIES)
    def test_pair_is_directly_connected(self, family: int) -> None:
        """
        Client and server of a pair see each other's addresses untranslated.
        """
        with pair() as lab:
            connection = lab.connect(family=family)
            assert connection.client.getpeername()[0] == lab.server.address_of(family)
            assert connection.server.getpeername()[0] == lab.client.address_of(family)
            assert connection.reaches_server()
            assert connection.reaches_client()

    @pytest.fixture
    def file_limit(self) -> Iterator[tuple[int, int]]:
        """
        Restore the limit of open files afterwards.
        """
        limit = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)
        yield limit
        psutil.Process().rlimit(psutil.RLIMIT_NOFILE, limit)

    def test_many_connections_are_cheap(self, file_limit: tuple[int, int]) -> None:
        """
        Two thousand connections take a second or two, even with a low limit of open files.
        """
        psutil.Process().rlimit(psutil.RLIMIT_NOFILE, (256, file_limit[1]))
        with nat_lab(idle_timeout=600) as lab:
            start = time.monotonic()
            connections = lab.connections(2000, keepalive=Keepalive(time=60))
            assert time.monotonic() - start < 5
            assert connections[-1].reaches_server()
            idle_times = {
                connection.client.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
                for connection in connections
            }
            assert idle_times == {60}

    def test_parallel_labs_do_not_disturb_each_other(self) -> None:
        """
        One NAT loses its mappings, then blocks. The other, at the same addresses, still works.
        """
        with nat_lab(idle_timeout=600) as broken, nat_lab(idle_timeout=600) as sound:
            cut, intact = broken.connect(), sound.connect()
            assert cut.client.getpeername()[0] == intact.client.getpeername()[0]
            broken.nat.flush()
            assert not cut.reaches_server(within=0.2)
            assert intact.reaches_server()
            broken.nat.block()
            assert intact.reaches_server()
            assert sound.connect().reaches_server()

    def test_machine_is_unchanged(self) -> None:
        """
        Devices, addresses, routes, rules and forwarding outside a lab do not change.
        """

        def machine() -> list[str]:
            commands = ("ip -o link", "ip -o address", "ip route", "ip -6 route", "nft list tables")
            return [
                *(subprocess.check_output(command.split(), text=True) for command in commands),
                Path("/proc/sys/net/ipv4/ip_forward").read_text(),
                Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text(),
            ]

        before = machine()
        with nat_lab(idle_timeout=600) as lab:
            lab.nat.lose(10)
            assert machine() == before
        assert machine() == before
