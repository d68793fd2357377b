"""
Network namespaces.
"""

from dataclasses import dataclass

HOST_NETNS = "host"
"""The `netns` label of the exporter's own network namespace."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """
    A network namespace: its netns label, the inode number that the kernel tells it by, and files
    that lead into it, a few of its processes' first of all.

    The exporter's own needs no way in.
    """

    name: str
    inode: int = 0
    entrances: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """
        Whether it is the exporter's own.
        """
        return not self.entrances


OWN_NAMESPACE = Namespace(HOST_NETNS)


@dataclass(frozen=True, slots=True)
class Found:
    """
    The network namespaces to read, the own one first.

    passed_over says why others are not among them, and how many.
    """

    namespaces: tuple[Namespace, ...]
    passed_over: dict[str, int]
