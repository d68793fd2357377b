"""
Who plays in the demo, and which alerts must come of it.
"""

from dataclasses import dataclass

from tests.lab import Keepalive

IDLE_TIMEOUT = 20
"""Seconds after which the NAT forgets, in truth."""
BELIEVED = 40
"""Seconds after which people believe that it forgets the connections to their partner."""
CLOUD, PARTNER = ("203.0.113.10",), ("2001:db8::10", "2001:db8::11")
"""The addresses that are connected to."""
SETTINGS = Keepalive(time=10, interval=5, probes=3)
"""What is right for this NAT."""
CONFIG = f"""
profile: none
paths:
  - name: cloud-nat
    direction: outbound
    remote: [203.0.113.0/24]
    idle_timeout: {IDLE_TIMEOUT}s
  - name: partner
    direction: outbound
    remote: [2001:db8::/32]
    idle_timeout: {BELIEVED}s
recommended: {{time: {SETTINGS.time}s, interval: {SETTINGS.interval}s, probes: {SETTINGS.probes}}}
sampling: {{interval: 1s, max_duty_cycle: 1}}
"""
HURRY = 100
"""How many times sooner than in earnest an alert fires."""


@dataclass(frozen=True, slots=True)
class Application:
    """
    One application; it uses each connection once in so many seconds, or never.
    """

    name: str
    story: str
    servers: tuple[str, ...] = CLOUD
    keepalive: Keepalive | None = None
    use_every: float | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """
    One host behind the NAT: whether its sysctls are right, and what runs there.
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
                "switches keepalive on, at the sysctls' 7200 s, and is used every 30 s",
                keepalive=Keepalive(),
                use_every=30,
            ),
        ),
    ),
    Machine(
        "web-2",
        configured=True,
        applications=(
            Application("reports", "never switches keepalive on, and waits for what may come"),
            Application(
                "sync",
                f"probes after 32 s, on a path that is believed to remember for {BELIEVED} s",
                servers=PARTNER,
                keepalive=Keepalive(time=32, interval=2, probes=6),
            ),
            # It shows that the partner is there, so that it is the path that forgets.
            Application("feed", "never rests", servers=PARTNER, use_every=0.5),
        ),
    ),
    Machine(
        "web-3",
        configured=True,
        applications=(
            Application(
                "orders",
                "switches keepalive on, at the sysctls' 10 s, and is used every 30 s",
                keepalive=Keepalive(),
                use_every=30,
            ),
        ),
    ),
)
ABSENT = "web-4"
"""A host that Prometheus is told of, where no exporter runs."""

Identity = tuple[str, str, str, str]
"""Of an alert: name, severity, instance, and the path or workload, if it has one."""

EXPECTED: frozenset[Identity] = frozenset(
    {
        ("TCPKeepaliveMisconfigured", "critical", "web-1", ""),
        ("TCPKeepaliveAtRiskConnections", "warning", "web-1", "checkout.service"),
        ("TCPKeepaliveStalledConnections", "critical", "web-1", "cloud-nat"),
        ("TCPKeepaliveIdleDrops", "warning", "web-1", "cloud-nat"),
        ("TCPKeepaliveAtRiskConnections", "warning", "web-2", "reports.service"),
        ("TCPKeepaliveSettingsNotInUse", "warning", "web-2", "cloud-nat"),
        ("TCPKeepaliveStalledConnections", "critical", "web-2", "partner"),
        ("TCPKeepaliveIdleDrops", "warning", "web-2", "partner"),
        ("TCPKeepaliveProtectedDrops", "warning", "web-2", "partner"),
        ("TCPKeepalivePathTimeoutShorter", "warning", "web-2", "partner"),
        ("TCPKeepaliveExporterDown", "warning", ABSENT, ""),
    }
)
