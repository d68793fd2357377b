"""
Connections lost after idle spells that no configured path explains, and what their peers answered.

Only connections that this host opened, and that leave it, are considered, because clients vanish
for reasons of their own. A loss is a hang or a timeout, not a reset, because servers reset idle
clients.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from exporter.analysis.analyze import AnalyzedConnections
from exporter.analysis.closure_reasons import ClosureVerdicts
from exporter.analysis.sums import PathIndices
from exporter.model import (
    NO_PATH,
    ConnectionTable,
    FloatArray,
    IdleState,
    Path,
)
from exporter.paths.addresses import Keys, address_keys
from exporter.paths.matching import idle_timeouts

MOST = 1000
"""Maximum number of losses that one sample, and the evidence of all, consider."""


@dataclass(frozen=True, slots=True)
class Loss:
    """
    One connection that hangs or has timed out.

    path is a path name or NO_PATH, peer a number returned by address_keys(). at_least and at_most
    bound its idle spell in seconds; lost_at is the upper bound of the time of the first unanswered
    segment, on the monotonic clock.
    """

    cookie: int
    path: str
    peer: int
    at_least: float
    at_most: float
    lost_at: float

    @property
    def began_at(self) -> float:
        """
        Lower bound of the start of the idle spell.
        """
        return self.lost_at - self.at_most


class Answers(NamedTuple):
    """
    When a peer last answered, on the monotonic clock, and the longest idle spell before an answer.
    """

    last_at: float
    longest_idle: float


class SampledLosses:
    """
    The connections that hang in one sample, by cookie, and the answers of the given peers.
    """

    def __init__(
        self, paths: Sequence[Path], near_limit_ratio: float, watched: frozenset[int]
    ) -> None:
        self.hanging: dict[int, Loss] = {}
        self.answers: dict[int, Answers] = {}
        self._names = _names(paths)
        self._near_limits = near_limit_ratio * idle_timeouts(paths)
        self._watched = np.array(sorted(watched), np.uint64)

    def copy(self) -> Self:
        """
        An independent copy.
        """
        other = copy.copy(self)
        other.hanging, other.answers = dict(self.hanging), dict(self.answers)
        return other

    def add(self, connections: AnalyzedConnections) -> None:
        """
        Add the connections of a table.
        """
        known, path_of = connections.known, connections.path_of
        hangs = connections.verdicts.idle_state == IdleState.UNANSWERED
        if not len(self._watched) and not hangs.any():
            return
        outbound = connections.crossing & ~connections.inbound
        hangs &= outbound & (known["spell_at_most"] < self._near_limits[path_of])
        rows = np.flatnonzero(hangs)[: MOST - len(self.hanging)]
        part = connections.rows(rows)
        found = _losses(
            part.table,
            [self._names[index] for index in part.path_of],
            part.known["spell"],
            part.known["spell_at_most"],
            part.known["unanswered_at"],
        )
        self.hanging.update({loss.cookie: loss for loss in found})
        rows = np.flatnonzero(outbound)
        self._note_answers(
            address_keys(connections.table.remote[rows]),
            known["received_at"][rows],
            connections.idle_before_answer[rows],
        )

    def _note_answers(self, peer: Keys, received_at: FloatArray, idle: FloatArray) -> None:
        if not len(self._watched):
            return
        place = np.minimum(np.searchsorted(self._watched, peer), len(self._watched) - 1)
        is_watched = self._watched[place] == peer
        place = place[is_watched]
        last_at = np.full(len(self._watched), -np.inf)
        longest_idle = np.zeros(len(self._watched))
        np.fmax.at(last_at, place, received_at[is_watched])
        np.fmax.at(longest_idle, place, idle[is_watched])
        for index in np.unique(place):
            number, found = int(self._watched[index]), (last_at[index], longest_idle[index])
            before = self.answers.get(number, found)
            self.answers[number] = Answers(*map(float, np.maximum(before, found)))


def closed_losses(
    table: ConnectionTable, closures: ClosureVerdicts, path_of: PathIndices, paths: Sequence[Path]
) -> list[Loss]:
    """
    Closed connections that are losses. path_of has the index of each one's path, -1 for none.
    """
    spells = (closures.spell, closures.fatal, closures.lost_at)
    names = _names(paths)
    return [*_losses(table, [names[index] for index in path_of], *spells)]


def _names(paths: Sequence[Path]) -> list[str]:
    """
    The names of the paths by index; NO_PATH is last, at index -1.
    """
    return [*(path.name for path in paths), NO_PATH]


def _losses(
    table: ConnectionTable,
    path_names: Sequence[str],
    at_least: FloatArray,
    at_most: FloatArray,
    lost_at: FloatArray,
) -> Iterator[Loss]:
    columns = (table.cookie, path_names, address_keys(table.remote), at_least, at_most, lost_at)
    for cookie, name, peer, *times in zip(*columns, strict=True):
        yield Loss(int(cookie), name, int(peer), *map(float, times))
