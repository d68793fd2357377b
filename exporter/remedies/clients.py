"""
The clients in clients.yml, which explains the keys.

Reading it takes some 50 ms. It is read at the first use, and the exporter does not import this
module when it starts.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from exporter.config.yaml_file import Section, read_yaml
from exporter.model import Direction, Recommended
from exporter.remedies.values import Cause, fill, sysctls

_Entry = TypeVar("_Entry")
Entries = Annotated[tuple[_Entry, ...], Field(strict=False)]
"""A list in the file."""

_FILE = Path(__file__).with_name("clients.yml")


class KeepaliveOptions(Section):
    """
    Options of a socket; None is any, or the setting of the network namespace.
    """

    keepalive: bool | None = None
    time: int | None = None
    interval: int | None = None
    probes: int | None = None
    user_timeout: int | None = None

    @property
    def times(self) -> dict[str, int]:
        """
        The options that are numbers, except those that are None.
        """
        found = {
            "time": self.time,
            "interval": self.interval,
            "probes": self.probes,
            "user_timeout": self.user_timeout,
        }
        return {name: value for name, value in found.items() if value is not None}


class ClientRule(Section):
    """
    Conditions that a connection must fulfil. None and () are any.
    """

    process: str | None = None
    command: str | None = None
    port: Entries[int] = ()
    direction: Annotated[Direction, Field(strict=False)] | None = None
    options: KeepaliveOptions = KeepaliveOptions()
    certain: bool = False


class ClientDefault(KeepaliveOptions):
    """
    The defaults of some versions, "" is all of them. says is what else the client does.
    """

    versions: str = ""
    says: str = ""


class ClientFix(Section):
    """
    What to do for these causes; with sysctls, those of the network namespace must be set too.
    """

    causes: Annotated[Entries[Annotated[Cause, Field(strict=False)]], Field(alias="for")]
    text: str = ""
    sysctls: bool = False


class KnownClient(Section):
    """
    An entry of the file.
    """

    id: str
    name: str
    aliases: Entries[str] = ()
    recognised: Entries[ClientRule]
    defaults: Entries[ClientDefault]
    fixes: Entries[ClientFix]
    example: str = ""
    note: str = ""
    sources: Entries[str]

    def fix(self, cause: Cause, values: Recommended, idle_timeout: float) -> str | None:
        """
        How to cure the cause for a path with this idle timeout in seconds; None if unknown.
        """
        for each in self.fixes:
            if cause in each.causes:
                text = fill(each.text, values)
                if not each.sysctls:
                    return text
                return f"{text or 'set'} {'and ' * bool(text)}{sysctls(values, idle_timeout)}"
        return None


class _ClientsFile(Section):
    clients: Entries[KnownClient]


@cache
def known_clients() -> tuple[KnownClient, ...]:
    """
    The clients in the order of the file.
    """
    return read_yaml(_FILE, _ClientsFile).clients


def client_named(name: str) -> KnownClient | None:
    """
    The client with this id or alias.
    """
    return next((each for each in known_clients() if name in (each.id, *each.aliases)), None)
