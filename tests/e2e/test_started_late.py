"""
An exporter that starts after the connections: what it does not know yet is unknown, never wrong.
"""

import socket
import time
from dataclasses import dataclass, field

import pytest

from tests.e2e.exporting import Exporter, exporter_inside, table, with_paths
from tests.lab import LAB_MARKS, Keepalive, nat_lab

pytestmark = LAB_MARKS

IDLE_TIMEOUT = 6
NEAR_LIMIT = 0.75 * IDLE_TIMEOUT
SAMPLE = 0.5
WATCHED = 3.0 * IDLE_TIMEOUT
"""Seconds for which the exporter is scraped."""
OPTIONS = {
    # protection: keepalive of the client, keepalive of the server
    "own": (Keepalive(2, 1, 8), None),
    "late": (Keepalive(9, 30, 8), None),
    "peer": (None, Keepalive(2, 1, 8)),
    "none": (None, None),
}
"""Each connection has its own server address, and therefore its own path."""
ADDRESSES = {f"of-{name}": f"203.0.113.{number}" for number, name in enumerate(OPTIONS, 21)}
CONFIG = with_paths(ADDRESSES, IDLE_TIMEOUT, SAMPLE)


@dataclass
class Watched:
    """
    The protections exported for one connection, each with the seconds since the first scrape.
    """

    protections: list[tuple[float, str]] = field(default_factory=list)
    at_risk: list[bool] = field(default_factory=list)

    @property
    def correct_after(self) -> float:
        """
        The seconds until the last change.
        """
        last = self.protections[-1][1]
        return next(at for at, each in self.protections if each == last)


def watch(exporter: Exporter) -> dict[str, Watched]:
    """
    What is exported for each connection.
    """
    watched = {name: Watched() for name in OPTIONS}
    began = time.monotonic()
    while (now := time.monotonic() - began) < WATCHED:
        scrape = exporter.scrape()
        for name, each in watched.items():
            (protection,) = scrape.by("protection", "connections", path=f"of-{name}")
            (state,) = scrape.by("idle_state", "connections", path=f"of-{name}")
            each.protections.append((now, protection))
            unprotected = protection in ("none", "late")
            each.at_risk.append(unprotected and state in ("near_limit", "over_limit"))
        time.sleep(0.3)
    return watched


@pytest.fixture(scope="module")
def watched() -> dict[str, Watched]:
    """
    The exporter starts when the connections have been idle for longer than the timeout. The late
    one sends its first probe, which nothing answers, before.
    """
    with nat_lab(idle_timeout=IDLE_TIMEOUT) as lab:
        for address in ADDRESSES.values():
            lab.server.ip(f"addr add {address}/24 dev eth0")
        listener = lab.server.adopt(lab.server.call(socket.create_server, ("0.0.0.0", 0)))
        port = listener.getsockname()[1]
        for name, (clients, servers) in OPTIONS.items():
            lab.client.connect(ADDRESSES[f"of-{name}"], port, keepalive=clients)
            accepted = lab.server.adopt(listener.accept()[0])
            if servers is not None:
                servers.apply(accepted)
        time.sleep(11)
        with exporter_inside(lab.client, CONFIG) as exporter:
            watched = watch(exporter)
    rows = [
        (name, ", ".join(dict.fromkeys(each for _, each in one.protections)), one.correct_after)
        for name, one in watched.items()
    ]
    print("\n" + table(("options", "exported", "seconds until correct"), rows))
    return watched


@pytest.mark.parametrize("name", OPTIONS)
def test_never_wrong(watched: dict[str, Watched], name: str) -> None:
    """
    The protection is unknown, and then the actual one.
    """
    shown = dict.fromkeys(each for _, each in watched[name].protections)
    # Nothing shows when the first of the unanswered probes was sent.
    assert list(shown) == (["unknown"] if name == "late" else ["unknown", name])


@pytest.mark.parametrize("name", OPTIONS)
def test_at_risk(watched: dict[str, Watched], name: str) -> None:
    """
    Only the connection without keepalive is at risk, once probes from its peer are excluded.
    """
    at_risk = watched[name].at_risk
    if name != "none":
        assert not any(at_risk)
    else:
        assert at_risk[-1]
        assert watched[name].correct_after == pytest.approx(NEAR_LIMIT, abs=2 * SAMPLE)


def test_soon_correct(watched: dict[str, Watched]) -> None:
    """
    Own keepalive is known after one keepalive time, that of the peer after two.
    """
    assert watched["own"].correct_after < 2 + 3 * SAMPLE
    assert watched["peer"].correct_after < 2 * 2 + 3 * SAMPLE
