"""
Analysis of a table of connections, for the sampler and the connections command.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.analysis.direction import course, is_inbound
from exporter.analysis.history import HistoryRecorder
from exporter.analysis.history_table import HistoryTable
from exporter.analysis.observation import observe
from exporter.analysis.survivals import idle_before_answer, survived
from exporter.analysis.verdicts import (
    Verdicts,
    evaluate,
    idle,
    is_refreshed_by_data,
    neared_limit,
)
from exporter.model import (
    BoolArray,
    ConnectionTable,
    FloatArray,
    IdleState,
    Path,
    Protection,
    Risk,
)
from exporter.paths.matching import LocalEndpoints, Routes, idle_timeouts


@dataclass(frozen=True, slots=True)
class AnalyzedConnections:
    """
    Connections, their history rows, the index of each one's path (-1: none), whether each leaves
    this host, verdicts, the idle spells survived since the previous sample, as returned by
    survived() and idle_before_answer(), whether data refreshes the mapping often enough, and which
    paths with snat_ports each one crosses, as returned by Routes.translated().
    """

    table: ConnectionTable
    known: HistoryTable
    path_of: npt.NDArray[np.int16]
    crossing: BoolArray
    verdicts: Verdicts
    survived: FloatArray
    idle_before_answer: FloatArray
    refreshed: BoolArray
    translated: BoolArray

    def __len__(self) -> int:
        return len(self.table)

    @property
    def inbound(self) -> BoolArray:
        """
        Whether the peer opened each connection.
        """
        return is_inbound(self.known, self.known["listened_on"])

    @property
    def idle(self) -> FloatArray:
        """
        Each connection's idle time in seconds, as defined in verdicts.
        """
        return idle(self.known, self.verdicts)

    @property
    def risk(self) -> npt.NDArray[np.int8]:
        """
        The Risk of each connection, as a number.
        """
        protection, idle_state = self.verdicts.protection, self.verdicts.idle_state
        unprotected = (protection == Protection.NONE) | (protection == Protection.LATE)
        return np.select(
            [
                idle_state == IdleState.PEER_CLOSED,
                idle_state == IdleState.STALLED,
                idle_state == IdleState.UNANSWERED,
                self.path_of < 0,
                self.verdicts.at_risk,
                self.refreshed,
                unprotected,
                protection == Protection.UNKNOWN,
            ],
            [
                Risk.PEER_CLOSED,
                Risk.STALLED,
                Risk.UNANSWERED,
                Risk.NO_PATH,
                Risk.AT_RISK,
                Risk.SAFE,
                Risk.UNPROTECTED,
                Risk.UNKNOWN,
            ],
            Risk.SAFE,
        ).astype(np.int8)

    def presuming_no_peer(self) -> Self:
        """
        The same, with protection none or late where only probes from the peer could still protect,
        and the connection has not been watched for long enough to exclude them.
        """
        verdicts = replace(self.verdicts, protection=self.verdicts.without_peer)
        return replace(self, verdicts=verdicts)

    def rows(self, which: BoolArray | npt.NDArray[np.intp]) -> Self:
        """
        The connections selected by which (a mask, or indices), as a copy.
        """
        return type(self)(
            self.table.rows(which),
            self.known[which],
            self.path_of[which],
            self.crossing[which],
            self.verdicts.rows(which),
            self.survived[which],
            self.idle_before_answer[which],
            self.refreshed[which],
            self.translated[which],
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """
        All rows of the parts (at least one), in order.
        """
        return cls(
            ConnectionTable.concatenate([part.table for part in parts]),
            HistoryTable.concatenate([part.known for part in parts]),
            np.concatenate([part.path_of for part in parts]),
            np.concatenate([part.crossing for part in parts]),
            Verdicts.concatenate([part.verdicts for part in parts]),
            np.concatenate([part.survived for part in parts]),
            np.concatenate([part.idle_before_answer for part in parts]),
            np.concatenate([part.refreshed for part in parts]),
            np.concatenate([part.translated for part in parts]),
        )


def analyze(
    table: ConnectionTable,
    recorder: HistoryRecorder,
    paths: Sequence[Path],
    endpoints: LocalEndpoints,
    near_limit_ratio: float,
) -> AnalyzedConnections:
    """
    Analyze connections with the recorder's history, and record their new history rows.
    """
    known, past = recorder.allocate(len(table)), recorder.recall(table.cookie)
    observe(table, past, known, recorder.previous_at)
    found = course(table, known, endpoints)
    known["listened_on"], known["redirected"] = found.listened_on, found.redirected
    routes = Routes(table.remote, paths, found.inbound, ~found.on_host)
    path_of = routes.deciding()
    idle_timeout = idle_timeouts(paths)[path_of]
    spells = survived(known, past)
    known["neared_limit"] = neared_limit(known, past, near_limit_ratio * idle_timeout)
    return AnalyzedConnections(
        table,
        known,
        path_of,
        ~found.on_host,
        evaluate(table, known, idle_timeout, near_limit_ratio),
        spells,
        idle_before_answer(known, past, spells),
        is_refreshed_by_data(known, idle_timeout),
        routes.translated(),
    )
