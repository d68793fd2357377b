"""
What the host is configured with. The platform is chosen here and nowhere else.
"""

import sys

from exporter.model import Settings


def read_settings() -> Settings:
    """
    The settings of the calling thread's network namespace, or of the host where there are none.
    """
    if sys.platform == "linux":
        from exporter.linux import sysctl as linux  # noqa: PLC0415  not importable elsewhere

        return linux.read_settings()
    if sys.platform == "win32":
        from exporter.windows import registry as windows  # noqa: PLC0415  not importable elsewhere

        return windows.read_settings()
    return Settings(
        time=None,
        interval=None,
        probes=None,
        data_retransmissions=None,
        configured=frozenset(),
        problems=(f"keepalive settings are read on Linux and Windows, not on {sys.platform}",),
    )
