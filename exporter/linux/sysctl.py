"""
Keepalive sysctls of the calling thread's network namespace.

They are in net.ipv4, but also apply to IPv6. The kernel accepts odd values, such as a negative
time; they are exported unmodified.
"""

from pathlib import Path

from exporter.model import Settings

_SYSCTLS = Path("/proc/sys/net/ipv4")
_DEFAULTS = {"time": 7200, "interval": 75, "probes": 9}
"""The defaults of a new network namespace (tcp_sk_init in net/ipv4/tcp_ipv4.c)."""


def read_settings(sysctls: Path = _SYSCTLS) -> Settings:
    """
    The settings. A missing or unreadable one is None, and problems has the reason.
    """
    problems: list[str] = []

    def read(name: str) -> int | None:
        try:
            return int((sysctls / name).read_text())
        except OSError as error:
            problems.append(f"cannot read {sysctls / name}: {error.strerror}")
        except ValueError as error:
            problems.append(f"cannot read {sysctls / name}: {error}")
        return None

    values = {
        "time": read("tcp_keepalive_time"),
        "interval": read("tcp_keepalive_intvl"),
        "probes": read("tcp_keepalive_probes"),
    }
    return Settings(
        time=values["time"],
        interval=values["interval"],
        probes=values["probes"],
        data_retransmissions=read("tcp_retries2"),
        configured=frozenset(
            name for name, value in values.items() if value not in (None, _DEFAULTS[name])
        ),
        problems=tuple(problems),
    )
