"""
KA019: a NAT that the configuration does not know, with a single peer on a path or on no path.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.e2e.exporter_inside import Exporter
from tests.e2e.exporting import exporter_inside
from tests.e2e.ordinary_traffic import ordinary_traffic
from tests.lab import LAB_MARKS, NatLab, nat_lab

pytestmark = [*LAB_MARKS, pytest.mark.timeout(600)]

PUBLIC, PRIVATE = "203.0.113.10", "10.99.0.1"
"""Two addresses of the server, one on the path azure-outbound, one on no path."""
FAST = "sampling: {interval: 1s, max_duty_cycle: 1}\n"
CLIENTS = 4


@dataclass
class Observed:
    """
    The findings of an exporter, those ever exported, and the seconds until KA019 was exported. page
    is its overview then.
    """

    exporter: Exporter
    started: float = field(default_factory=time.monotonic)
    ever: set[str] = field(default_factory=set)
    seconds: float | None = None
    page: str = ""

    def watch(self, seconds: float, *, until_found: bool = False) -> None:
        """
        Scrape for some seconds, or until KA019 is exported.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until_found and self.seconds):
            time.sleep(0.5)
            found = self.exporter.scrape().samples.get("finding", [])
            self.ever |= {labels["id"] for labels, _ in found}
            if self.seconds is None and "KA019" in self.ever:
                self.seconds = time.monotonic() - self.started
                self.page = self.exporter.get("/")


def add_private_address(lab: NatLab) -> None:
    """
    Let the client reach the server's private address.
    """
    lab.server.ip(f"addr add {PRIVATE}/32 dev eth0")
    lab.nat.ip(f"route add {PRIVATE}/32 via {PUBLIC}")


def lose(
    config: str, idle_timeout: int, address: str, *, giving_up: bool, patience: float
) -> Observed:
    """
    Run a few clients of one address, whose connections are idle for up to three times the NAT's
    timeout, until KA019 is found.
    """
    with (
        nat_lab(idle_timeout=idle_timeout) as lab,
        exporter_inside(lab.client, config) as exporter,
    ):
        add_private_address(lab)
        observed = Observed(exporter)
        with ordinary_traffic(lab, 3 * idle_timeout, CLIENTS, [address], giving_up=giving_up):
            observed.watch(patience, until_found=True)
    return observed


def disturb() -> Observed:
    """
    The NAT restarts, the server restarts, and the network fails for longer than 30 s, while few
    clients use connections after idle times that no device minds.
    """
    with nat_lab(idle_timeout=600) as lab, exporter_inside(lab.client, FAST) as exporter:
        observed = Observed(exporter)
        with ordinary_traffic(lab, 12, CLIENTS, [PUBLIC], giving_up=False):
            observed.watch(15)
            lab.nat.flush()
            observed.watch(20)
            lab.server.run(["ss", "--kill", "state", "established", "sport", "=", ":8000"])
            observed.watch(10)
            lab.nat.block()
            observed.watch(35)
            lab.nat.heal()
            observed.watch(20)
            hanging = exporter.scrape().total("connections", idle_state="unanswered")
    assert hanging >= CLIENTS - 1, "the NAT's restart left them hanging"
    return observed


@dataclass(frozen=True)
class Runs:
    """
    All runs, each in its own lab, in parallel.
    """

    lost: dict[str, Future[Observed]]
    disturbed: Future[Observed]


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """
    Start all runs.
    """
    with ThreadPoolExecutor() as pool:
        lost = {
            address: pool.submit(lose, FAST, 8, address, giving_up=address == PRIVATE, patience=150)
            for address in (PUBLIC, PRIVATE)
        }
        yield Runs(lost, pool.submit(disturb))


@pytest.mark.parametrize(
    ("address", "where"), [(PUBLIC, "on azure-outbound (240 s)"), (PRIVATE, "on no path")]
)
def test_found(runs: Runs, address: str, where: str) -> None:
    """
    Connections to a single peer that hang, or that their application gives up, lead to the finding.
    """
    observed = runs.lost[address].result()
    print(f"{address}: after {observed.seconds} s")
    assert observed.seconds is not None
    assert where in observed.page


def test_disturbances(runs: Runs) -> None:
    """
    Restarts and an outage lead to no finding about an idle timeout.
    """
    assert not runs.disturbed.result().ever & {"KA016", "KA019"}


@pytest.mark.slow
def test_default_configuration() -> None:
    """
    With the default configuration and a NAT that forgets after 20 s, within a few minutes.
    """
    with ThreadPoolExecutor() as pool:
        runs = [
            pool.submit(lose, "{}\n", 20, address, giving_up=address == PRIVATE, patience=480)
            for address in (PUBLIC, PRIVATE)
        ]
    seconds = [run.result().seconds for run in runs]
    print(f"after {seconds} s")
    assert all(seconds)
