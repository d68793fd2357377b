"""
Filters and sort order of a listing.
"""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from exporter.model import PROBLEMS, Risk
from exporter.paths.matching import REMOTE_WORDS

_HIGHEST_PORT = 65535
_ADDRESS_AND_PORT = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[^:\[\]]*)):(?P<port>[0-9]{1,5})")


class UnknownPathError(Exception):
    """
    A query names a path that is not configured. The message has the allowed names.
    """


class Sort(StrEnum):
    """
    Sort order: highest risk first, longest idle first, workloads by name, paths in the order of the
    config file, remotes by address and port.
    """

    RISK = "risk"
    IDLE = "idle"
    WORKLOAD = "workload"
    PATH = "path"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class Remote:
    """
    A filter for remotes: a network or one of REMOTE_WORDS, and a port. None is any port.
    """

    network: str
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """
    Selects connections with one of these risks; with everything, all.

    workload is a pattern with the wildcards * and ?. path is a path's name or NO_PATH. The result
    starts after offset connections and has at most limit of them.
    """

    everything: bool = False
    risks: Collection[Risk] = PROBLEMS
    workload: str | None = None
    path: str | None = None
    remote: Remote | None = None
    sort: Sort = Sort.RISK
    offset: int = 0
    limit: int | None = None


def parse_remote(text: str) -> Remote:
    """
    Parse a remote such as 203.0.113.0/24, 2001:db8::1, public, :5432 or [2001:db8::1]:443.

    Raises ValueError with what is allowed.
    """
    match = _ADDRESS_AND_PORT.fullmatch(text)
    network = (match["v6"] or match["v4"] or "any") if match else text
    port = int(match["port"]) if match else None
    if port is not None and not 0 < port <= _HIGHEST_PORT:
        raise ValueError(f"{text!r}: port out of range; allowed: 1 to {_HIGHEST_PORT}")
    if network not in REMOTE_WORDS:
        try:
            network = str(ipaddress.ip_network(network))
        except ValueError as error:
            raise ValueError(
                f"{error}; examples: 203.0.113.0/24, 2001:db8::1, {', '.join(REMOTE_WORDS)},"
                " :5432, [2001:db8::1]:443"
            ) from None
    return Remote(network, port)
