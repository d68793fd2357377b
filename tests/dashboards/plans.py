"""
The invented fleet: a night with idle pools, on correct and misconfigured hosts.
"""

import math
from collections.abc import Callable

from tests.dashboards.hosts import DEFAULT, TUNED, HostPlan
from tests.dashboards.pools import BY_SYSCTL, Pool

CONFIG = """
paths:
  - {name: office-firewall, direction: outbound, remote: [10.0.0.0/8], idle_timeout: 1h,
     snat_ports: 1024}
"""
"""The exporters' config file."""
HOURS = 24
_IN, _OUT, _OFFICE, _INSIDE = "azure-inbound", "azure-outbound", "office-firewall", "none"


def always(value: float) -> Callable[[float], float]:
    """
    A constant value.
    """
    return lambda _: value


def at_night(night: float, day: float) -> Callable[[float], float]:
    """
    One value from 21 to 6 o'clock, another by day.
    """
    return lambda hour: night if hour >= 21 or hour < 6 else day


def changed(hours: float) -> Callable[[float], float]:
    """
    The default, and the recommended time after a number of hours.
    """
    return lambda since: DEFAULT if since < hours * 3600 else TUNED


def plans() -> list[HostPlan]:
    """
    Two dozen hosts, most of them healthy.
    """
    return [*_web(), *_api(), *_workers(), *_batch(), *_offices(), *_databases(), *_nodes()]


def _web() -> list[HostPlan]:
    pools = [
        Pool("nginx.service", _IN, 90, at_night(40, 8), keepalive=BY_SYSCTL),
        Pool("web.service", _OUT, 30, at_night(150, 20), keepalive=BY_SYSCTL),
        Pool("web.service", _INSIDE, 40, at_night(100, 10)),
        Pool("ssh.service", _IN, 2, always(900), keepalive=BY_SYSCTL),
    ]
    restart = {"web-02": 15.5 * 3600}
    return [
        HostPlan(f"web-{n:02}", pools, always(TUNED), restart.get(f"web-{n:02}", math.inf))
        for n in range(1, 7)
    ]


def _api() -> list[HostPlan]:
    """
    The settings are correct, but one service never enables keepalive.
    """
    pools = [
        Pool("api.service", _OUT, 60, at_night(120, 15), keepalive=BY_SYSCTL),
        Pool("report-sync.service", _OUT, 16, at_night(2400, 35)),
        Pool("api.service", _IN, 80, at_night(60, 6), peer_keepalive=60),
        Pool("redis.service", _INSIDE, 20, always(30), keepalive=300),
    ]
    return [HostPlan(f"api-{n:02}", pools, always(TUNED)) for n in range(1, 5)]


def _workers() -> list[HostPlan]:
    """
    The default of 7200 s, corrected on some of them in the morning.
    """
    pools = [
        Pool("worker.service", _OUT, 24, at_night(700, 30), keepalive=BY_SYSCTL),
        Pool("worker.service", _INSIDE, 30, at_night(300, 20), keepalive=BY_SYSCTL),
        Pool("metrics-agent.service", _OUT, 3, always(30), keepalive=60),
    ]
    corrected = {1: 20.5, 2: 20.8, 3: 21.1}
    return [HostPlan(f"worker-{n:02}", pools, changed(corrected.get(n, 99))) for n in range(1, 6)]


def _batch() -> list[HostPlan]:
    pools = [
        Pool("etl.service", _OUT, 12, at_night(900, 50)),
        Pool("etl.service", _OUT, 6, at_night(1500, 40), keepalive=600),
        Pool("cron.service", _INSIDE, 5, always(200)),
    ]
    sockets_fail = {"sockets": (20.6 * 3600, 99 * 3600)}
    return [
        HostPlan("batch-01", pools, always(DEFAULT)),
        HostPlan("batch-02", pools, always(DEFAULT), failing=sockets_fail),
        HostPlan("batch-03", pools, always(TUNED), silent_from=20.9 * 3600),
    ]


def _offices() -> list[HostPlan]:
    """
    The office firewall's real timeout is a quarter of an hour, the configured one an hour.
    """
    pools = [
        Pool("vpn-sync.service", _OFFICE, 12, at_night(2400, 90), timeout=900, resets=True),
        Pool("vpn-sync.service", _OUT, 6, always(60), keepalive=BY_SYSCTL),
    ]
    return [HostPlan("office-gw-01", pools, always(TUNED))]


def _databases() -> list[HostPlan]:
    pools = [
        Pool("postgresql.service", _INSIDE, 120, at_night(60, 6), keepalive=BY_SYSCTL),
        Pool("postgresql.service", _IN, 20, at_night(900, 100), keepalive=BY_SYSCTL),
    ]
    return [HostPlan(f"db-{n:02}", pools, always(TUNED)) for n in range(1, 3)]


def _nodes() -> list[HostPlan]:
    """
    The host is correct; a pod's network namespace has the defaults, which no connection uses.
    """
    pools = [
        Pool("kubelet.service", _OUT, 8, always(20), keepalive=30),
        Pool(
            "shop/checkout", _OUT, 30, at_night(500, 25), keepalive=BY_SYSCTL, netns="shop/checkout"
        ),
        Pool("shop/catalog", _IN, 60, at_night(40, 4), netns="shop/catalog"),
    ]
    namespaces = {"shop/checkout": TUNED, "shop/catalog": DEFAULT}
    return [
        HostPlan(f"node-{n:02}", pools, always(TUNED), namespaces=namespaces) for n in range(1, 4)
    ]
