"""
State shared by the sampler and the closures collector.
"""

import threading
from collections.abc import Iterable

import numpy as np

from exporter.analysis.evidence import Evidence
from exporter.analysis.history import Cookies, History
from exporter.analysis.loss_evidence import LossEvidence
from exporter.model import Namespace
from exporter.paths.matching import LocalEndpoints

_MAX_ENDED = 1 << 18
"""Maximum number of latest closures remembered, in case samples are far apart or fail."""
_NONE = np.empty(0, np.uint64)


class NamespaceState:
    """
    The state of one network namespace at its last sample. The sampler's thread writes it, the event
    loop reads it.

    Both attributes are replaced, never modified. endpoints is None before the first sample.
    """

    def __init__(self) -> None:
        self.history = History()
        self.endpoints: LocalEndpoints | None = None
        self._ended = _NONE
        self._ended_before = _NONE
        self._lock = threading.Lock()

    def note_ended(self, cookies: Cookies) -> None:
        """
        Note that closure events of these connections were received, so that the next history does
        not keep them as missing.
        """
        with self._lock:
            self._ended = np.concatenate((self._ended, cookies))[-_MAX_ENDED:]

    def take_ended(self) -> list[int]:
        """
        The connections closed since the sample before the last one.

        A connection closed during a dump may still be in it, and is missing only from the next one.
        """
        with self._lock:
            ended, self._ended = self._ended, _NONE
        before, self._ended_before = self._ended_before, ended
        both: list[int] = np.concatenate((before, ended)).tolist()
        return both


class State:
    """
    The state of the host: of each namespace, and of all together.

    workloads has the workload names of the cgroups in the histories; it is replaced, not modified.
    """

    def __init__(self) -> None:
        self.own = NamespaceState()
        self.workloads: dict[int, str] = {}
        self.evidence = Evidence()
        self.losses = LossEvidence()
        self._others: dict[int, NamespaceState] = {}

    def keep(self, namespaces: Iterable[Namespace]) -> None:
        """
        Keep the state of these namespaces and of the exporter's own, and discard all others.
        """
        inodes = (namespace.inode for namespace in namespaces if not namespace.is_own)
        self._others = {inode: self._others.get(inode, NamespaceState()) for inode in inodes}

    def of(self, namespace: Namespace) -> NamespaceState:
        """
        The state of a namespace that is kept.
        """
        return self.own if namespace.is_own else self._others[namespace.inode]

    def history_of(self, namespace: Namespace) -> History:
        """
        The history of a namespace's connections; empty if the namespace is unknown.
        """
        if namespace.is_own:
            return self.own.history
        known = self._others.get(namespace.inode)
        return History() if known is None else known.history
