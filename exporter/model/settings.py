"""
Keepalive settings, and findings about them. Times are in seconds.
"""

from dataclasses import dataclass
from enum import StrEnum

from exporter.text.documentation import documentation


class Platform(StrEnum):
    """
    The operating system of settings: equal values have different effects on different systems.
    """

    LINUX = "linux"
    WINDOWS = "windows"
    MACOS = "macos"


WINDOWS_PROBES = 10
"""Cannot be changed since Windows Vista (Microsoft's documentation of SIO_KEEPALIVE_VALS)."""


@dataclass(frozen=True, slots=True)
class Recommended:
    """
    The recommended settings: seconds, seconds, count.
    """

    time: float = 120.0
    interval: float = 30.0
    probes: int = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """
    The keepalive settings of one network namespace, unmodified, including odd values.

    configured has the names of settings changed from the operating system's default (on Linux never
    data_retransmissions); problems has the reasons why values are None.
    """

    time: float | None
    interval: float | None
    probes: int | None
    data_retransmissions: int | None
    configured: frozenset[str]
    problems: tuple[str, ...] = ()
    platform: Platform = Platform.LINUX


class Severity(StrEnum):
    """
    Severity of a finding, the highest first.

    critical: connections are lost, or will be. warning: connections may be lost, or a setting is
    certainly not as intended. info: worth knowing; no action is needed.
    """

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One problem of a network namespace's settings.

    id is stable. severity is that of its rule, or info if no connection is affected. problem is in
    sentences with the numbers, remedy is how to correct it.
    """

    id: str
    severity: Severity
    netns: str
    title: str
    problem: str
    remedy: str

    @property
    def docs(self) -> str:
        """
        The URL of its description.
        """
        return documentation(f"findings.md#{self.id.lower()}")
