"""
What lasts, and what does not: the permanent change that makes `protect` unnecessary, and the undo.
"""

from collections.abc import Iterable, Iterator

from exporter.connections.advice import HANGING, Advice
from exporter.connections.hint_lines import hint_lines
from exporter.connections.rows import Connection
from exporter.text.documentation import documentation

UNDO = (
    "To undo, reopen the connections or restart their workloads: nothing else was changed. The log"
    " has the previous options of each socket."
)


def permanent_changes(rows: Iterable[Connection]) -> Iterator[str]:
    """
    Where the permanent change is described, and that of each client recognised among the rows.
    """
    yield (
        "The values last as long as the connection; new connections have the application's own."
        " For the permanent change, see the advice of `tcp-keepalive-exporter connections` for"
        " applications, `tcp-keepalive-exporter fix` for the sysctls, and"
        f" {documentation('protect.md#the-permanent-change')}"
    )
    rows = [*rows]
    for advice in Advice:
        if advice not in HANGING:
            yield from (f"Permanent change: {line}" for line in hint_lines(advice, rows))
