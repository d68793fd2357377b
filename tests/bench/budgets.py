"""
The budgets: those of section 4 of the design that can be measured today.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """
    A limit of a quantity: a maximum, or a minimum if at_least.
    """

    what: str
    limit: float
    unit: str
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g} {self.unit}"

    def is_kept_by(self, value: float) -> bool:
        """
        Whether the value is within the limit.
        """
        return value >= self.limit if self.at_least else value <= self.limit


SAMPLE = Budget("connection tables / bare receive loop", 1.2, "x")
SS = Budget("ss -tin / connection tables", 5, "x", at_least=True)
PYROUTE2 = Budget("pyroute2 / connection tables", 80, "x", at_least=True)
WHOLE_SAMPLE = Budget("whole sample / bare receive loop", 1.5, "x")
CONNECTIONS = Budget("the command connections / whole sample", 3, "x")
MEMORY = Budget("peak memory, all sockets", 120, "MB")
MEMORY_OF_FEW = Budget("peak memory, 100 sockets", 80, "MB")
GROWTH = Budget("growth of a sample's cost per socket", 1.5, "x")
SCRAPE = Budget("scrape p99 while sampling", 25, "ms")
START = Budget("start to ready", 1.5, "s")

BUDGETS = (
    SAMPLE,
    SS,
    PYROUTE2,
    WHOLE_SAMPLE,
    CONNECTIONS,
    MEMORY,
    MEMORY_OF_FEW,
    GROWTH,
    SCRAPE,
    START,
)
"""All budgets, in the order of the results table."""
