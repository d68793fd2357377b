"""
The NAT of the lab.
"""

import time
from collections.abc import Iterator

import pytest

from tests.lab import (
    Keepalive,
    NatLab,
    nat_lab,
    nats_in_a_row,
    requires_lab,
)
from tests.lab.watching import FAMILIES, arrived, soon


@requires_lab
class TestNat:
    """
    Operations on the NAT.
    """

    @pytest.fixture
    def lab(self) -> Iterator[NatLab]:
        """
        A lab whose NAT does not expire mappings during the test.
        """
        with nat_lab(idle_timeout=600) as lab:
            yield lab

    @pytest.mark.parametrize("family", FAMILIES)
    def test_server_sees_the_nat(self, lab: NatLab, family: int) -> None:
        """
        The server sees the NAT's address instead of the client's.
        """
        connection = lab.connect(family=family)
        assert connection.client.getsockname()[0] == lab.client.address_of(family)
        assert connection.server.getpeername()[0] == lab.nat.address_of(family)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_nats_in_a_row(self, family: int) -> None:
        """
        The server sees the address of the far NAT, which the near NAT does not have.
        """
        with nats_in_a_row(600, 600) as lab:
            connection = lab.connect(family=family)
            assert connection.reaches_server()
            assert connection.reaches_client()
            seen = connection.server.getpeername()[0]
            assert seen == lab.nat.address_of(family)
            near = lab.nat.run(["ip", "-brief", "address"]).stdout
            assert seen not in near.replace("/", " ").split()

    @pytest.mark.parametrize("family", FAMILIES)
    def test_flush_removes_all_mappings(self, lab: NatLab, family: int) -> None:
        """
        After a flush, an open connection no longer works and a new one does.
        """
        connection = lab.connect(family=family)
        assert connection.reaches_server()
        lab.nat.flush()
        assert not connection.reaches_server(within=0.5)
        assert lab.connect(family=family).reaches_server()

    def test_idle_timeout_can_be_changed(self, lab: NatLab) -> None:
        """
        The new timeout applies to a connection from its next segment on.
        """
        refreshed, untouched = lab.connect(), lab.connect()
        lab.nat.forget_idle_after(1)
        assert refreshed.reaches_server()
        time.sleep(1.5)
        assert not refreshed.reaches_server(within=0.5)
        assert untouched.reaches_server()

    @pytest.mark.parametrize("family", FAMILIES)
    def test_lose_affects_both_directions(self, lab: NatLab, family: int) -> None:
        """
        At 50 percent, some segments arrive and some do not. After heal(), all arrive.
        """
        connections = lab.connections(40, family=family)
        clients = [connection.client for connection in connections]
        servers = [connection.server for connection in connections]
        lab.nat.lose(50)
        for sock in clients + servers:
            sock.send(b"x")
        # Earlier than the first retransmission, which is sent after 0.2 s or more.
        time.sleep(0.1)
        assert 4 <= arrived(servers) <= 36
        assert 4 <= arrived(clients) <= 36
        lab.nat.heal()
        assert soon(lambda: arrived(servers) == arrived(clients) == 40)

    def test_block_and_heal(self, lab: NatLab) -> None:
        """
        While blocked, nothing arrives and neither end gets an error. After heal(), data arrives.
        """
        connection = lab.connect()
        lab.nat.block()
        assert not connection.reaches_server(within=0.2)
        assert not connection.reaches_client(within=0.2)
        lab.nat.heal()
        assert connection.reaches_server()
        assert connection.reaches_client()
        assert connection.client_error() is None

    def test_blocked_probes_refresh_nothing(self, lab: NatLab) -> None:
        """
        Probes lost on the way to the NAT do not refresh a mapping.
        """
        lab.nat.forget_idle_after(2)
        connection = lab.connect(keepalive=Keepalive(time=1, interval=1, probes=20))
        lab.nat.block()
        time.sleep(3)
        lab.nat.heal()
        assert not connection.reaches_server(within=0.5)
