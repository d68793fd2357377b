"""
Which connections are asked for, and in what order.
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

from exporter.paths.matching import REMOTE_WORDS

_HIGHEST_PORT = 65535
_ADDRESS_AND_PORT = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[^:\[\]]*)):(?P<port>[0-9]{1,5})")


class UnknownPathError(Exception):
    """
    A query names a path that is not configured; the message says which ones are.
    """


class Sort(StrEnum):
    """
    What comes first: the greatest risk; the longest idle; else in the order of the alphabet, the
    config file or the numbers.
    """

    RISK = "risk"
    IDLE = "idle"
    WORKLOAD = "workload"
    PATH = "path"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class Remote:
    """
    The far ends asked for: a network or one of REMOTE_WORDS, and a port; None is any of them.
    """

    network: str
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """
    Without filters, the connections that are stalled, at risk or unprotected; with everything, all.

    workload is a name in which * and ? stand for anything, path a path's name or NO_PATH. Of what
    is found, the first offset connections are left out, then limit of them taken.
    """

    everything: bool = False
    workload: str | None = None
    path: str | None = None
    remote: Remote | None = None
    sort: Sort = Sort.RISK
    offset: int = 0
    limit: int | None = None


def parse_remote(text: str) -> Remote:
    """
    The remote that the text means: 203.0.113.0/24, 2001:db8::1, public, :5432 or [2001:db8::1]:443.

    Raises ValueError, which says what is allowed.
    """
    match = _ADDRESS_AND_PORT.fullmatch(text)
    network = (match["v6"] or match["v4"] or "any") if match else text
    port = int(match["port"]) if match else None
    if port is not None and not 0 < port <= _HIGHEST_PORT:
        raise ValueError(f"{text!r}: ports go from 1 to {_HIGHEST_PORT}")
    if network not in REMOTE_WORDS:
        try:
            network = str(ipaddress.ip_network(network))
        except ValueError as error:
            raise ValueError(
                f"{error}; write it like 203.0.113.0/24, 2001:db8::1, {', '.join(REMOTE_WORDS)},"
                " :5432 or [2001:db8::1]:443"
            ) from None
    return Remote(network, port)
