"""
Dataclasses whose attributes are columns: arrays with one element for each row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Columns:
    """
    Base of dataclasses that have only columns, of the same length.
    """

    def rows(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Self:
        """
        The rows selected by which (a mask, or indices).
        """
        return type(self)(*(getattr(self, column.name)[which] for column in fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """
        All rows of the parts (at least one), in order.
        """
        return cls(
            *(
                np.concatenate([getattr(part, column.name) for part in parts])
                for column in fields(cls)
            )
        )
