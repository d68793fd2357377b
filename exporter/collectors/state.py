"""
What the sampler and the watcher of closures share.
"""

import threading
from collections.abc import Iterable

import numpy as np

from exporter.analysis.evidence import Evidence
from exporter.analysis.history import Cookies, History
from exporter.model import Namespace
from exporter.paths.matching import Surroundings

_MOST_ENDED = 1 << 18
"""How many ends are remembered, the latest, should samples be too far between or fail."""
_NONE = np.empty(0, np.uint64)


class NamespaceMemory:
    """
    What the last sample knew of one network namespace. The sampler's thread writes it, the event
    loop reads it.

    Both attributes are replaced as a whole, never changed; surroundings is None before the first
    sample.
    """

    def __init__(self) -> None:
        self.history = History()
        self.surroundings: Surroundings | None = None
        self._ended = _NONE
        self._ended_before = _NONE
        self._lock = threading.Lock()

    def note_ended(self, cookies: Cookies) -> None:
        """
        These connections' ends have been told: they need not be remembered as gone.
        """
        with self._lock:
            self._ended = np.concatenate((self._ended, cookies))[-_MOST_ENDED:]

    def take_ended(self) -> list[int]:
        """
        The connections that have ended since the sample before the last one.

        One that ends while a dump is read may still be in it, and is missed by the next one only.
        """
        with self._lock:
            ended, self._ended = self._ended, _NONE
        before, self._ended_before = self._ended_before, ended
        both: list[int] = np.concatenate((before, ended)).tolist()
        return both


class Memory:
    """
    What is known of the host: of each namespace, and of all together.

    workloads has the names of workloads by the cgroups in the histories; it is replaced as a whole.
    """

    def __init__(self) -> None:
        self.own = NamespaceMemory()
        self.workloads: dict[int, str] = {}
        self.evidence = Evidence()
        self._others: dict[int, NamespaceMemory] = {}

    def keep(self, namespaces: Iterable[Namespace]) -> None:
        """
        Remember these namespaces, and forget all others but the own.
        """
        inodes = (namespace.inode for namespace in namespaces if not namespace.is_own)
        self._others = {inode: self._others.get(inode, NamespaceMemory()) for inode in inodes}

    def of(self, namespace: Namespace) -> NamespaceMemory:
        """
        What is remembered of a namespace that is kept.
        """
        return self.own if namespace.is_own else self._others[namespace.inode]

    def history_of(self, namespace: Namespace) -> History:
        """
        What is known of a namespace's connections, be it nothing.
        """
        if namespace.is_own:
            return self.own.history
        known = self._others.get(namespace.inode)
        return History() if known is None else known.history
