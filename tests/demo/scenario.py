"""
The demo's hosts and applications, and the alerts they must cause.
"""

from dataclasses import dataclass

from tests.lab import Keepalive

IDLE_TIMEOUT = 20
"""The NAT's real timeout in seconds."""
CONFIGURED = 40
"""The timeout configured for connections to the partner, in seconds; wrong on purpose."""
CLOUD, PARTNER = ("203.0.113.10",), ("2001:db8::10", "2001:db8::11")
"""Addresses of the servers."""
SLOW = ("203.0.113.20",)
"""Address of a server that takes ANSWER_AFTER seconds for its response."""
ANSWER_AFTER = 30
SETTINGS = Keepalive(time=10, interval=5, probes=3)
"""Correct settings for this NAT."""
CONFIG = f"""
profile: none
paths:
  - name: cloud-nat
    direction: outbound
    remote: [203.0.113.0/24]
    idle_timeout: {IDLE_TIMEOUT}s
    snat_ports: 1024
  - name: partner
    direction: outbound
    remote: [2001:db8::/32]
    idle_timeout: {CONFIGURED}s
recommended: {{time: {SETTINGS.time}s, interval: {SETTINGS.interval}s, probes: {SETTINGS.probes}}}
sampling: {{interval: 1s, max_duty_cycle: 1}}
"""
SPEEDUP = 100
"""Factor by which alerts fire sooner than with the rules of deploy/prometheus."""


@dataclass(frozen=True, slots=True)
class Application:
    """
    An application; use_every is the time between uses of a connection in seconds, None for never.
    """

    name: str
    description: str
    servers: tuple[str, ...] = CLOUD
    keepalive: Keepalive | None = None
    use_every: float | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """
    A host behind the NAT: whether its sysctls are correct, and its applications.
    """

    name: str
    configured: bool
    applications: tuple[Application, ...]


MACHINES = (
    Machine(
        "web-1",
        configured=False,
        applications=(
            Application(
                "checkout",
                "keepalive on, with the sysctls' 7200 s; used every 30 s",
                keepalive=Keepalive(),
                use_every=30,
            ),
        ),
    ),
    Machine(
        "web-2",
        configured=True,
        applications=(
            Application("reports", "keepalive off; only waits for data"),
            Application(
                "sync",
                f"probes after 32 s, on a path with a configured timeout of {CONFIGURED} s",
                servers=PARTNER,
                keepalive=Keepalive(time=32, interval=2, probes=6),
            ),
            Application(
                "summaries",
                f"keepalive off; waits for a response that takes {ANSWER_AFTER} s",
                servers=SLOW,
                use_every=0,
            ),
            # Traffic on the path shows that this is not an outage.
            Application("feed", "never idle", servers=PARTNER, use_every=0.5),
        ),
    ),
    Machine(
        "web-3",
        configured=True,
        applications=(
            Application(
                "orders",
                "keepalive on, with the sysctls' 10 s; used every 30 s",
                keepalive=Keepalive(),
                use_every=30,
            ),
            Application(
                "summaries-fixed",
                f"waits for the same response of {ANSWER_AFTER} s, with keepalive on",
                servers=SLOW,
                keepalive=Keepalive(),
                use_every=0,
            ),
        ),
    ),
)
ABSENT = "web-4"
"""A target of Prometheus where no exporter runs."""

Identity = tuple[str, str, str, str]
"""An alert's name, severity, instance, and the path or workload, if it has one."""

EXPECTED: frozenset[Identity] = frozenset(
    {
        ("TCPKeepaliveMisconfigured", "critical", "web-1", ""),
        ("TCPKeepaliveAtRiskConnections", "warning", "web-1", "checkout.service"),
        ("TCPKeepaliveStalledConnections", "critical", "web-1", "cloud-nat"),
        ("TCPKeepaliveIdleDrops", "warning", "web-1", "cloud-nat"),
        ("TCPKeepaliveAtRiskConnections", "warning", "web-2", "reports.service"),
        ("TCPKeepaliveAtRiskConnections", "warning", "web-2", "summaries.service"),
        ("TCPKeepaliveSettingsNotInUse", "warning", "web-2", "cloud-nat"),
        ("TCPKeepaliveStalledConnections", "critical", "web-2", "partner"),
        ("TCPKeepaliveIdleDrops", "warning", "web-2", "partner"),
        ("TCPKeepaliveProtectedDrops", "warning", "web-2", "partner"),
        ("TCPKeepalivePathTimeoutShorter", "warning", "web-2", "partner"),
        ("TCPKeepaliveExporterDown", "warning", ABSENT, ""),
    }
)
