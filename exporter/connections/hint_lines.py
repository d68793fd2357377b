"""
Hints of several connections as sentences, one for equal ones.
"""

from collections import Counter
from collections.abc import Iterable

from exporter.connections.advice import HANGING, Advice
from exporter.connections.rescue import rescue_commands
from exporter.connections.rows import Connection
from exporter.model import Direction
from exporter.text.escaping import printable
from exporter.text.wording import abridged

MOST_LINES = 12


def hint_lines(advice: Advice, rows: Iterable[Connection]) -> list[str]:
    """
    The sentences for the rows with this advice, the most frequent first: clients with their fixes,
    then the commands that help now. Of more than MOST_LINES, the first ones.
    """
    rows = [row for row in rows if row.advice is advice]
    fixes = Counter((_who(row), fix) for row in rows if (fix := _fix(row)))
    lines = [
        f"{who}{f' ({number})' if number > 1 else ''}{fix}."
        for (who, fix), number in fixes.most_common()
    ]
    commands = Counter(command for row in rows if (command := rescue_commands(row)))
    for (reset, protect), _ in commands.most_common():
        lines += [f"To end the hang now: {reset}", f"To protect the other connections: {protect}"]
    if len(lines) > MOST_LINES:
        omitted = len(lines) - MOST_LINES + 1
        lines = [*lines[: MOST_LINES - 1], f"... and {omitted} more."]
    return lines


def _fix(row: Connection) -> str | None:
    """
    What follows the connection in its sentence; None if there is nothing to say.
    """
    hint, hangs = row.hint, row.advice in HANGING
    if hint.fix is None:
        if hint.client is None and hint.default_of and not hangs:
            return f": its keepalive options are a default of {abridged(hint.default_of)}"
        return None
    guess = f", probably {hint.client.name}" if hint.client and not hint.certain else ""
    if hangs:
        return f"{guess}, protection {row.protection.name.lower()}. Prevention: {hint.fix}"
    return f"{guess}: {hint.fix}"


def _who(row: Connection) -> str:
    name = printable(row.process.name) if row.process else f"uid {row.uid}"
    if row.direction is Direction.INBOUND:
        return f"{name} on :{row.local_port}"
    return f"{name} -> :{row.remote_port}"
