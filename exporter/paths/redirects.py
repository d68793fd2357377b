"""
Connections that are redirected on this host to one of its own servers: by nft's redirect or tproxy
(the sidecar of a service mesh), or because the address of a service is served here (DNAT).

The socket that opened such a connection has the remote address that its application asked for. It
is recognized by the accepted socket, whose remote address and port are its local ones.
"""

import numpy as np
import numpy.typing as npt

from exporter.model import AddressArray, BoolArray, ConnectionTable, TcpState
from exporter.paths.addresses import AddressSet, Keys, endpoint_keys, is_any_of

_SCATTER = np.uint64(0x9E3779B97F4A7C15)
_NONE = np.empty(0, np.uint64)


class EndpointSet:
    """
    An immutable set of addresses with ports, as exact as endpoint_keys().
    """

    def __init__(self, keys: Keys = _NONE) -> None:
        self._keys = np.sort(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def contains(self, addresses: AddressArray, ports: npt.NDArray[np.uint16]) -> BoolArray:
        """
        Whether each address with its port is in the set.
        """
        if not len(self._keys):
            return np.zeros(len(ports), np.bool_)
        return is_any_of(endpoint_keys(addresses, ports), self._keys)


class ConnectionsWithin:
    """
    Collects the ends of connections within this host, to find the redirected ones. own_addresses
    are those of its namespaces.
    """

    def __init__(self, own_addresses: AddressSet) -> None:
        self._own_addresses = own_addresses
        self._local, self._remote = [_NONE], [_NONE]

    def add(self, table: ConnectionTable, candidates: BoolArray) -> None:
        """
        Add those of the candidates in a table whose remote address is this host's.
        """
        # The other end of one that the peer has closed is in FIN_WAIT, and not in a dump.
        rows = np.flatnonzero(candidates & (table.state == TcpState.ESTABLISHED))
        within = rows[self._own_addresses.contains(table.remote[rows])]
        self._local.append(endpoint_keys(table.local[within], table.local_port[within]))
        self._remote.append(endpoint_keys(table.remote[within], table.remote_port[within]))

    def redirected(self) -> EndpointSet:
        """
        The addresses and ports from which redirected connections were opened.

        They are the remote ends of connections whose other end is not among those collected: it has
        a remote address that is not this host's.
        """
        local, remote = np.concatenate(self._local), np.concatenate(self._remote)
        forward, backward = local * _SCATTER + remote, remote * _SCATTER + local
        return EndpointSet(remote[~is_any_of(backward, np.sort(forward))])
