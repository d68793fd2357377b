"""
The number of connections on each path, for platforms other than Linux.

Only Linux exposes the keepalive timer and idle time of other processes' connections.
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
    LocalEndpoints,
    Routes,
    halves,
    is_listened_on,
    stays_on_host,
)

_COUNTED = (psutil.CONN_ESTABLISHED, psutil.CONN_CLOSE_WAIT)


def count_connections(paths: Sequence[Path]) -> dict[str, int]:
    """
    The number of ESTABLISHED and CLOSE_WAIT connections by path name, including NO_PATH.

    Raises CollectorError.
    """
    try:
        sockets: list[Any] = psutil.net_connections("tcp")
    except psutil.AccessDenied as error:
        raise CollectorError(
            f"cannot list sockets: administrator rights are required on {sys.platform}"
        ) from error
    except (psutil.Error, OSError) as error:
        raise CollectorError(f"cannot list sockets: {error}") from error
    endpoints = LocalEndpoints(
        frozenset(each.laddr.port for each in sockets if each.status == psutil.CONN_LISTEN),
        own_addresses(),
    )
    table = _table([each for each in sockets if each.status in _COUNTED])
    crossing = ~stays_on_host(table, endpoints)
    inbound = is_listened_on(table, endpoints)
    path_of = Routes(table.remote, paths, inbound, crossing).deciding()
    counts = np.bincount(path_of + 1, minlength=len(paths) + 1).tolist()
    return dict(zip([NO_PATH, *(path.name for path in paths)], counts, strict=True))


def _table(sockets: Sequence[Any]) -> ConnectionTable:
    """
    A table with the addresses and local ports, which determine the paths; all else is unknown.
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
