"""
Protects new connections continuously.
"""

import os
import threading
from collections.abc import Callable, Sequence

import structlog

from exporter.collectors.state import State
from exporter.model import CollectorError, Path
from exporter.protect.attempts import ProtectReport
from exporter.protect.protector import Protector

_SHORTEST, _LONGEST = 1.0, 60.0
"""Seconds between runs."""
_PER_TIMEOUT = 4
"""Runs within the shortest timeout, so that a new connection is found long before it ends."""
_MOST_LOAD = 1 / 60
"""Maximum fraction of one processor, as long as there are two runs within the shortest timeout."""

_log = structlog.get_logger()


def watch(
    protector: Protector,
    paths: Sequence[Path],
    stopped: threading.Event,
    show: Callable[[ProtectReport], None],
) -> None:
    """
    Protect all connections, and then new ones, until stopped is set; show is called after each run.

    Raises the exceptions of the first run. Later ones that fail are logged.
    """
    state = State()
    is_first = True
    while not stopped.is_set():
        before = _processor_time()
        try:
            show(protector.run(state, apply=True))
        except CollectorError as error:
            if is_first:
                raise
            _log.error("connections could not be read", error=str(error))
        is_first = False
        stopped.wait(pause(paths, _processor_time() - before))


def pause(paths: Sequence[Path], took: float) -> float:
    """
    Seconds until the next run, given the processor time in seconds that the last one took.
    """
    shortest = min((path.idle_timeout for path in paths), default=float("inf"))
    wanted = max(min(shortest / _PER_TIMEOUT, _LONGEST), took / _MOST_LOAD)
    return max(min(wanted, shortest / 2), _SHORTEST)


def _processor_time() -> float:
    """
    Seconds of processor time of this process and of its children that have ended.
    """
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
