"""
Selects the connections to protect.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum

import numpy as np

from exporter.analysis.analyze import AnalyzedConnections
from exporter.analysis.history import Cookies
from exporter.connections.query import Query
from exporter.connections.selection import Indices, Matches, Names, Page, Parts
from exporter.model import BoolArray, ConnectionTable, Path, Protection


class LeftAlone(StrEnum):
    """
    Why a connection is left alone.
    """

    NO_PATH = "no_path"
    PEER_CLOSED = "peer_closed"
    OWN = "own"
    PEER = "peer"


class Candidates(Matches):
    """
    Keeps matching connections on a path that are not known to be protected, and whose peer has not
    closed them; counts the others. The settled ones, as returned by are_settled, are in neither.

    inodes are those of the sockets to consider; None: all. The query selects everything.
    """

    def __init__(
        self,
        query: Query,
        paths: Sequence[Path],
        names: Names,
        are_settled: Callable[[ConnectionTable], BoolArray],
        inodes: frozenset[int] | None,
    ) -> None:
        super().__init__(query, paths, names)
        self._are_settled = are_settled
        self._inodes = None if inodes is None else np.array(sorted(inodes), np.uint32)
        # Never modified in place, so that a copy is independent.
        self.left_alone: Counter[LeftAlone] = Counter()
        self.settled = 0
        self._cookies: tuple[Cookies, ...] = ()
        self._kept: Parts = ()

    @property
    def cookies(self) -> Cookies:
        """
        The cookies of all matching connections.
        """
        return np.concatenate((np.empty(0, np.uint64), *self._cookies))

    def page(self) -> Page | None:
        """
        The connections to protect, those idle for longest first; None without any.
        """
        if not self._kept:
            return None
        judged = AnalyzedConnections.concatenate([each for _, each in self._kept])
        netns = [label for label, each in self._kept for _ in range(len(each))]
        order = np.lexsort((judged.table.cookie, -np.nan_to_num(judged.idle)))
        return Page(judged.rows(order), [netns[index] for index in order.tolist()])

    def _keep(self, netns: str, connections: AnalyzedConnections, which: Indices) -> None:
        if self._inodes is not None:
            which = which[np.isin(connections.table.inode[which], self._inodes)]
        self._cookies = (*self._cookies, connections.table.cookie[which])
        settled = self._are_settled(connections.table)[which]
        self.settled += int(np.count_nonzero(settled))
        which = which[~settled]
        rest = np.ones(len(which), np.bool_)
        protection = connections.verdicts.protection[which]
        for reason, applies in (
            (LeftAlone.PEER_CLOSED, connections.known["peer_closed"][which]),
            (LeftAlone.NO_PATH, connections.path_of[which] < 0),
            (LeftAlone.OWN, protection == Protection.OWN),
            (LeftAlone.PEER, protection == Protection.PEER),
        ):
            number = int(np.count_nonzero(rest & applies))
            self.left_alone = self.left_alone + Counter({reason: number})
            rest &= ~applies
        if rest.any():
            self._kept = (*self._kept, (netns, connections.rows(which[rest])))
