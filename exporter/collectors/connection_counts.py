"""
How many connections cross each path: all that can be told of them where there is no Linux.

No other system shows a connection's keepalive timer or its idle time to somebody else.
"""

import ipaddress
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from exporter.model import NO_PATH, CollectorError, ConnectionTable, Path
from exporter.paths.interfaces import own_addresses
from exporter.paths.matching import (
    Surroundings,
    assign,
    halves,
    is_listened_on,
)

_COUNTED = (psutil.CONN_ESTABLISHED, psutil.CONN_CLOSE_WAIT)


def count_connections(paths: Sequence[Path]) -> dict[str, int]:
    """
    ESTABLISHED and CLOSE_WAIT connections by their path's name, NO_PATH among them.

    Raises CollectorError.
    """
    try:
        sockets: list[Any] = psutil.net_connections("tcp")
    except psutil.AccessDenied as error:
        raise CollectorError(f"only an administrator may list sockets on {sys.platform}") from error
    except (psutil.Error, OSError) as error:
        raise CollectorError(f"cannot list the sockets: {error}") from error
    surroundings = Surroundings(
        frozenset(each.laddr.port for each in sockets if each.status == psutil.CONN_LISTEN),
        own_addresses(),
    )
    table = _table([each for each in sockets if each.status in _COUNTED])
    path_of = assign(table, paths, surroundings, is_listened_on(table, surroundings))
    counts = np.bincount(path_of + 1, minlength=len(paths) + 1).tolist()
    return dict(zip([NO_PATH, *(path.name for path in paths)], counts, strict=True))


def _table(sockets: Sequence[Any]) -> ConnectionTable:
    """
    The sockets' addresses and local ports, which lead to the paths; all else is not known.
    """
    unknown = np.full(len(sockets), np.nan)
    columns: dict[str, npt.NDArray[Any]] = dict.fromkeys(
        (column.name for column in fields(ConnectionTable)), unknown
    )
    columns["local"] = _addresses([each.laddr.ip for each in sockets])
    columns["remote"] = _addresses([each.raddr.ip for each in sockets])
    columns["local_port"] = np.array([each.laddr.port for each in sockets], np.uint16)
    return ConnectionTable(**columns)


def _addresses(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    numbers = [halves(ipaddress.ip_address(text.partition("%")[0])) for text in texts]
    return np.array(numbers, np.uint64).reshape(-1, 2)
