"""
What the host is configured with, and what is found wrong with it. Times are seconds.
"""

from dataclasses import dataclass
from enum import StrEnum


class Platform(StrEnum):
    """
    The operating system that settings are of: the same numbers do not do the same everywhere.
    """

    LINUX = "linux"
    WINDOWS = "windows"
    MACOS = "macos"


WINDOWS_PROBES = 10
"""Since Vista this cannot be changed (Microsoft's documentation of SIO_KEEPALIVE_VALS)."""


@dataclass(frozen=True, slots=True)
class Recommended:
    """
    The settings to compare with: seconds, seconds, count.
    """

    time: float = 120.0
    interval: float = 30.0
    probes: int = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """
    The keepalive settings of one network namespace, as the kernel has them, odd values included.

    configured names those of the four that are not the operating system's default (on Linux,
    data_retransmissions is never among them), problems says why a value is None.
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
    How much a finding matters, most first.

    critical: connections are lost, or will be. warning: they may be, or something is surely not as
    it was meant. info: worth knowing; nothing need be done.
    """

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing wrong with the settings of a network namespace.

    id is stable. problem is a sentence or two with the numbers in it, remedy what to do about it.
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
        Where the documentation speaks of it.
        """
        return f"docs/findings.md#{self.id.lower()}"
