"""
A NAT of the lab forgets idle connections: what other tests conclude rests on this.
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
class Idlers:
    """
    Connections of one address family through one NAT, all idle for equally long.
    """

    written: Connection
    pushed: Connection
    early: Connection
    late: Connection


@pytest.fixture(scope="module")
def after_nine_idle_seconds() -> Iterator[dict[tuple[OnTimeout, int], Idlers]]:
    """
    Open connections through NATs that forget after 5 s, and let all idle for 9 s at once.

    Then the client writes to one, and the server to another; neither has a keepalive.
    """

    def idlers(lab: NatLab, family: int) -> Idlers:
        return Idlers(
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
            # Retransmission gives up after some 3 s instead of 15 minutes.
            lab.client.sysctl("net.ipv4.tcp_retries2", 2)
        families: tuple[int, ...] = (socket.AF_INET, socket.AF_INET6)
        labs: dict[OnTimeout, NatLab] = {"drop": silent, "reset": resetting}
        connections = {
            (on_timeout, family): idlers(lab, family)
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
    What becomes of connections that a NAT has had 9 s to forget, at a timeout of 5 s.
    """

    @pytest.fixture
    def dropped(
        self, after_nine_idle_seconds: dict[tuple[OnTimeout, int], Idlers], family: int
    ) -> Idlers:
        """
        Those whose NAT is silent.
        """
        return after_nine_idle_seconds["drop", family]

    @pytest.fixture
    def reset(
        self, after_nine_idle_seconds: dict[tuple[OnTimeout, int], Idlers], family: int
    ) -> Idlers:
        """
        Those whose NAT answers with a reset.
        """
        return after_nine_idle_seconds["reset", family]

    def test_early_keepalive_survives(self, dropped: Idlers) -> None:
        """
        Probes every 2 s keep the mapping, so data arrives both ways.
        """
        assert dropped.early.reaches_server()
        assert dropped.early.reaches_client()

    def test_early_keepalive_survives_a_resetting_nat(self, reset: Idlers) -> None:
        """
        A NAT that resets what it has forgotten leaves alone what it remembers.
        """
        assert reset.early.reaches_server()
        assert reset.early.client_error() is None

    def test_late_keepalive_dies_by_keepalive(self, dropped: Idlers) -> None:
        """
        First probed at 8 s, it gives up 3 unanswered probes later without ever sending.
        """
        assert dropped.late.client_error(within=4) == "ETIMEDOUT"
        assert arrived([dropped.late.server]) == 0

    def test_late_keepalive_meets_a_reset(self, reset: Idlers) -> None:
        """
        A resetting NAT answers the first probe that comes too late.
        """
        assert reset.late.client_error() == "ECONNRESET"

    def test_silent_nat_swallows_the_next_write(self, dropped: Idlers) -> None:
        """
        What the client sends never arrives, and retransmission ends the connection.
        """
        assert dropped.written.client_error(within=5) == "ETIMEDOUT"
        assert arrived([dropped.written.server]) == 0

    def test_silent_nat_swallows_what_the_server_pushes(self, dropped: Idlers) -> None:
        """
        The server is told nothing either, although it talks to the NAT's own address.
        """
        assert dropped.pushed.server_error(within=0.2) is None
        assert arrived([dropped.pushed.client]) == 0

    def test_resetting_nat_resets_the_next_write(self, reset: Idlers) -> None:
        """
        The client learns at once that its connection is forgotten; the server does not.
        """
        assert reset.written.client_error() == "ECONNRESET"
        assert reset.written.server_error() is None
        assert arrived([reset.written.server]) == 0

    def test_resetting_nat_resets_what_the_server_pushes(self, reset: Idlers) -> None:
        """
        The server learns it as well, when it is the one to send.
        """
        assert reset.pushed.server_error() == "ECONNRESET"
        assert reset.pushed.client_error() is None
        assert arrived([reset.pushed.client]) == 0
