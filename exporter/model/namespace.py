"""
Network namespaces, and errors when they are read.
"""

from dataclasses import dataclass

HOST_NETNS = "host"
"""The `netns` label of the exporter's own network namespace."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """
    A network namespace: its netns label, its inode number, and files through which it can be
    entered, a few of its processes' first.

    The exporter's own namespace has no entrances.
    """

    name: str
    inode: int = 0
    entrances: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """
        Whether this is the exporter's own namespace.
        """
        return not self.entrances


OWN_NAMESPACE = Namespace(HOST_NETNS)


@dataclass(frozen=True, slots=True)
class DiscoveredNamespaces:
    """
    The network namespaces to read, the exporter's own first.

    skipped has the number of skipped namespaces by reason.
    """

    namespaces: tuple[Namespace, ...]
    skipped: dict[str, int]


class CollectorError(Exception):
    """
    A collector could not read its data; the message has the reason.
    """


class InterruptedReadError(CollectorError):
    """
    The data changed while it was read and is incomplete; a retry may succeed.
    """


class VanishedError(CollectorError):
    """
    A network namespace has been removed.
    """


class RefusedError(CollectorError):
    """
    A network namespace cannot be entered; the message has the missing privilege.
    """


class StrandedError(Exception):
    """
    The thread could not return to the exporter's own network namespace and must not read anything
    more.
    """
