"""
Causes of lost connections, values of keepalive settings for a path, and texts with them.
"""

from enum import StrEnum
from string import Template

from exporter.model import Recommended

_DEFAULT_INTERVAL = 75
"""Linux' default of net.ipv4.tcp_keepalive_intvl in seconds."""


class Cause(StrEnum):
    """
    Why a client's connections are lost.
    """

    NO_KEEPALIVE = "no_keepalive"
    SYSTEM_TIMES = "system_times"
    OWN_TIMES = "own_times"
    FRAGILE = "fragile"


def values_for(recommended: Recommended, idle_timeout: float) -> Recommended:
    """
    The recommended seconds, but at most half the idle timeout, at least 1.
    """
    return Recommended(
        time=at_most_half(recommended.time, idle_timeout),
        interval=at_most_half(recommended.interval, idle_timeout),
        probes=recommended.probes,
    )


def at_most_half(recommended: float, idle_timeout: float) -> int:
    """
    Whole seconds: those recommended, but at most half the idle timeout, at least 1.
    """
    return int(max(1, min(recommended, idle_timeout / 2)))


def fill(text: str, values: Recommended) -> str:
    """
    The text of a fix or note with the values.
    """
    numbers = {"time": int(values.time), "interval": int(values.interval)}
    milliseconds = {f"{name}_ms": 1000 * value for name, value in numbers.items()}
    return Template(text).substitute(numbers, probes=values.probes, **milliseconds)


def sysctls(values: Recommended, idle_timeout: float) -> str:
    """
    The sysctls of the network namespace; the interval too if Linux' default is long for the path.
    """
    settings = [f"net.ipv4.tcp_keepalive_time={int(values.time)}"]
    if idle_timeout <= 2 * _DEFAULT_INTERVAL:
        settings.append(f"net.ipv4.tcp_keepalive_intvl={int(values.interval)}")
    return f"{' and '.join(settings)} in its network namespace"
