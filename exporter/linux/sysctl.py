"""
Keepalive sysctls of the calling thread's network namespace.

They live in net.ipv4 and rule IPv6 too. The kernel accepts odd values (a negative time, for one);
they are reported as they are.
"""

from pathlib import Path

from exporter.model import Settings

_SYSCTLS = Path("/proc/sys/net/ipv4")
_DEFAULTS = {"time": 7200, "interval": 75, "probes": 9}
"""Of every new network namespace (tcp_sk_init in net/ipv4/tcp_ipv4.c)."""


def read_settings(sysctls: Path = _SYSCTLS) -> Settings:
    """
    The settings; one that is missing or unreadable is None and among the problems.
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
