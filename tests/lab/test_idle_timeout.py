"""
The NAT of the lab expires idle connections. The conclusions of other tests depend on this.
"""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.lab import (
    Connection,
    Keepalive,
    NatLab,
    OnTimeout,
    nat_lab,
    requires_lab,
)
from tests.lab.watching import FAMILIES, arrived


@dataclass(frozen=True)
class IdleConnections:
    """
    Connections of one address family through one NAT, all idle for the same time.
    """

    written: Connection
    pushed: Connection
    early: Connection
    late: Connection


@pytest.fixture(scope="module")
def after_nine_idle_seconds() -> Iterator[dict[tuple[OnTimeout, int], IdleConnections]]:
    """
    Open connections through NATs with an idle timeout of 5 s, and leave all of them idle for 9 s.

    Then the client writes to one and the server to another. Neither has keepalive enabled.
    """

    def idle_connections(lab: NatLab, family: int) -> IdleConnections:
        return IdleConnections(
            written=lab.connect(family=family),
            pushed=lab.connect(family=family),
            early=lab.connect(family=family, keepalive=Keepalive(time=2, interval=1, probes=3)),
            late=lab.connect(family=family, keepalive=Keepalive(time=8, interval=1, probes=3)),
        )

    with (
        nat_lab(idle_timeout=5, on_timeout="drop") as silent,
        nat_lab(idle_timeout=5, on_timeout="reset") as resetting,
    ):
        for lab in (silent, resetting):
            # With 2, retransmission gives up after about 3 s instead of 15 minutes.
            lab.client.sysctl("net.ipv4.tcp_retries2", 2)
        families: tuple[int, ...] = (socket.AF_INET, socket.AF_INET6)
        labs: dict[OnTimeout, NatLab] = {"drop": silent, "reset": resetting}
        connections = {
            (on_timeout, family): idle_connections(lab, family)
            for on_timeout, lab in labs.items()
            for family in families
        }
        time.sleep(9)
        for idle in connections.values():
            idle.written.client.send(b"x")
            idle.pushed.server.send(b"x")
        yield connections


@requires_lab
@pytest.mark.parametrize("family", FAMILIES)
class TestIdleTimeout:
    """
    Connections that were idle for 9 s behind a NAT with an idle timeout of 5 s.
    """

    @pytest.fixture
    def dropped(
        self, after_nine_idle_seconds: dict[tuple[OnTimeout, int], IdleConnections], family: int
    ) -> IdleConnections:
        """
        Connections whose NAT drops silently.
        """
        return after_nine_idle_seconds["drop", family]

    @pytest.fixture
    def reset(
        self, after_nine_idle_seconds: dict[tuple[OnTimeout, int], IdleConnections], family: int
    ) -> IdleConnections:
        """
        Connections whose NAT answers with a reset.
        """
        return after_nine_idle_seconds["reset", family]

    def test_early_keepalive_survives(self, dropped: IdleConnections) -> None:
        """
        Probes every 2 s refresh the mapping, so data arrives in both directions.
        """
        assert dropped.early.reaches_server()
        assert dropped.early.reaches_client()

    def test_early_keepalive_survives_a_resetting_nat(self, reset: IdleConnections) -> None:
        """
        A NAT that resets expired connections does not affect the others.
        """
        assert reset.early.reaches_server()
        assert reset.early.client_error() is None

    def test_late_keepalive_times_out(self, dropped: IdleConnections) -> None:
        """
        First probed at 8 s, it times out after 3 unanswered probes without sending data.
        """
        assert dropped.late.client_error(within=4) == "ETIMEDOUT"
        assert arrived([dropped.late.server]) == 0

    def test_late_keepalive_gets_a_reset(self, reset: IdleConnections) -> None:
        """
        A resetting NAT answers the first late probe with a reset.
        """
        assert reset.late.client_error() == "ECONNRESET"

    def test_silent_nat_drops_the_next_write(self, dropped: IdleConnections) -> None:
        """
        Data of the client never arrives, and the connection ends by retransmission timeout.
        """
        assert dropped.written.client_error(within=5) == "ETIMEDOUT"
        assert arrived([dropped.written.server]) == 0

    def test_silent_nat_drops_data_of_the_server(self, dropped: IdleConnections) -> None:
        """
        The server gets no error either, although it sends to the NAT's own address.
        """
        assert dropped.pushed.server_error(within=0.2) is None
        assert arrived([dropped.pushed.client]) == 0

    def test_resetting_nat_resets_the_next_write(self, reset: IdleConnections) -> None:
        """
        The client gets the reset at once; the server gets nothing.
        """
        assert reset.written.client_error() == "ECONNRESET"
        assert reset.written.server_error() is None
        assert arrived([reset.written.server]) == 0

    def test_resetting_nat_resets_data_of_the_server(self, reset: IdleConnections) -> None:
        """
        The server gets the reset when it is the one that sends.
        """
        assert reset.pushed.server_error() == "ECONNRESET"
        assert reset.pushed.client_error() is None
        assert arrived([reset.pushed.client]) == 0
