"""
Recognises the client of a connection by its process, port and socket options: a hint, no verdict.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exporter.model import Direction, SocketOptions

if TYPE_CHECKING:  # not at the start of the exporter
    from exporter.remedies.clients import ClientRule, KeepaliveOptions, KnownClient


@dataclass(frozen=True, slots=True)
class ClientTraits:
    """
    What is known about the client of a connection.

    process has the name of the process and that of its executable, none if the process is unknown.
    command is its command line, which may hold passwords: only names of clients leave this module.
    port is the server's. on is None if unknown, options without permission.
    """

    process: tuple[str, ...]
    command: str = field(repr=False)
    direction: Direction
    port: int
    on: bool | None
    options: SocketOptions | None


@dataclass(frozen=True, slots=True)
class RecognisedClient:
    """
    The client that probably, or certainly, holds a connection.
    """

    client: "KnownClient"
    certain: bool


class ClientRecogniser:
    """
    Recognises clients by the rules in the order of the file.
    """

    def __init__(self, clients: "Iterable[KnownClient]") -> None:
        self._clients = tuple(clients)

    def recognise(self, traits: ClientTraits) -> RecognisedClient | None:
        """
        The first client with a matching rule. None if no rule matches or the process is unknown.
        """
        matches = (
            RecognisedClient(client, rule.certain)
            for client in self._clients
            for rule in client.recognised
            if _matches(rule, traits)
        )
        return next(matches, None) if traits.process else None

    def defaults_like(self, options: SocketOptions) -> list[str]:
        """
        The clients, with versions, whose defaults include these times.
        """
        found = (
            f"{client.name} {default.versions}".strip()
            for client in self._clients
            for default in client.defaults
            if default.keepalive and default.times and _agree(default, options.keepalive, options)
        )
        return list(dict.fromkeys(found))


def _matches(rule: "ClientRule", traits: ClientTraits) -> bool:
    return (
        (not rule.port or traits.port in rule.port)
        and rule.direction in (None, traits.direction)
        and (
            rule.process is None or any(re.fullmatch(rule.process, name) for name in traits.process)
        )
        and _agree(rule.options, traits.on, traits.options)
        and (rule.command is None or re.search(rule.command, traits.command) is not None)
    )


def _agree(expected: "KeepaliveOptions", on: bool | None, options: SocketOptions | None) -> bool:
    if expected.keepalive not in (None, on):
        return False
    times = expected.times
    if options is None:
        return not times
    return all(getattr(options, name) == value for name, value in times.items())
