"""
A table of connections, judged: what the sampler counts and the connections command shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from exporter.analysis.history import Recorder
from exporter.analysis.history_table import Rows
from exporter.analysis.observation import observe
from exporter.analysis.survivals import survived
from exporter.analysis.verdicts import Verdicts, judge
from exporter.model import (
    BoolArray,
    ConnectionTable,
    FloatArray,
    IdleState,
    Path,
    Protection,
    Risk,
)
from exporter.paths.matching import (
    Surroundings,
    assign,
    idle_timeouts,
    is_listened_on,
)


@dataclass(frozen=True, slots=True)
class Judged:
    """
    Connections, what is known of them, the index of the path each crosses (-1: none), verdicts, and
    the idle spells that ended since the sample before, as survived() tells them.
    """

    table: ConnectionTable
    known: Rows
    path_of: npt.NDArray[np.int16]
    verdicts: Verdicts
    survived: FloatArray

    def __len__(self) -> int:
        return len(self.table)

    @property
    def risk(self) -> npt.NDArray[np.int8]:
        """
        The Risk, as a number, of each.
        """
        protection, idle_state = self.verdicts.protection, self.verdicts.idle_state
        bare = (protection == Protection.NONE) | (protection == Protection.LATE)
        return np.select(
            [
                self.path_of < 0,
                idle_state == IdleState.STALLED,
                self.verdicts.at_risk,
                bare,
                protection == Protection.UNKNOWN,
            ],
            [Risk.NO_PATH, Risk.STALLED, Risk.AT_RISK, Risk.UNPROTECTED, Risk.UNKNOWN],
            Risk.SAFE,
        ).astype(np.int8)

    def rows(self, which: BoolArray | npt.NDArray[np.intp]) -> Self:
        """
        Those that which selects (a mask, or indices), as a copy.
        """
        return type(self)(
            self.table.rows(which),
            self.known[which],
            self.path_of[which],
            Verdicts(self.verdicts.protection[which], self.verdicts.idle_state[which]),
            self.survived[which],
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """
        All rows of the parts (at least one), in their order.
        """
        return cls(
            ConnectionTable.concatenate([part.table for part in parts]),
            Rows.concatenate([part.known for part in parts]),
            np.concatenate([part.path_of for part in parts]),
            Verdicts(
                np.concatenate([part.verdicts.protection for part in parts]),
                np.concatenate([part.verdicts.idle_state for part in parts]),
            ),
            np.concatenate([part.survived for part in parts]),
        )


def judge_table(
    table: ConnectionTable,
    recorder: Recorder,
    paths: Sequence[Path],
    surroundings: Surroundings,
    near_limit_ratio: float,
) -> Judged:
    """
    Judge connections by what the recorder's history knows of them, and record what is known now.
    """
    known, past = recorder.room(len(table)), recorder.recall(table.cookie)
    observe(table, past, known)
    known["inbound"] |= is_listened_on(table, surroundings)
    path_of = assign(table, paths, surroundings, known["inbound"])
    verdicts = judge(table, known, idle_timeouts(paths)[path_of], near_limit_ratio)
    return Judged(table, known, path_of, verdicts, survived(known, past))
