"""
The results as a table.
"""

from collections.abc import Iterable
from functools import cache

from tests.clients.registry import CLIENTS
from tests.clients.scaled import Result
from tests.clients.scenarios import Scenario
from tests.e2e.exporter_inside import table

_HEADS = [
    *("client", "version", "answer", "died", "at risk", "hangs", "closures", "idle drops"),
    *("logged", "evidence", "agrees"),
]


@cache
def versions() -> dict[str, str]:
    """
    The clients' versions.
    """
    return {client.name: client.read_version() for client in CLIENTS}


def report(scenario: Scenario, results: Iterable[Result]) -> str:
    """
    One row for each client. Where the truth, the metrics and `connections` differ, all are shown.
    """
    rows = (
        (
            each.client,
            versions().get(each.client, ""),
            each.answer,
            each.died,
            same(each.dead, each.at_risk, each.listed_at_risk),
            same(each.hanging, each.hangs, each.listed_hanging),
            _words(each.closures),
            _words(each.drops),
            each.logged,
            "KA016" if each.finding else "yes" if each.evidence else "-",
            ", ".join(each.contradictions) or "yes",
        )
        for each in results
    )
    return f"{scenario}\n{table(_HEADS, rows)}"


def same(*numbers: int) -> str:
    """
    The numbers; those that are equal, once.
    """
    return "/".join(map(str, dict.fromkeys(numbers)))


def _words(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers.items()) or "-"
