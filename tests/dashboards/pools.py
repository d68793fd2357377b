"""
An invented host: pools of connections that are used, idle, and dropped by their path.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

OFF = float("inf")
"""The keepalive time of a connection that never sends a probe."""
BY_SYSCTL = -1.0
"""Marks a connection that takes the host's keepalive time when it opens."""

GIVES_UP_AFTER = 924.0
"""Seconds until the kernel gives up retransmission."""
_CLOSES = 0.1
"""Fraction of the connections that are closed after use."""


@dataclass(frozen=True, slots=True)
class Pool:
    """
    Connections of one workload over one path that are used alike.

    pause is the average time between uses in seconds, as a function of the hour of the day.
    timeout is the path's real idle timeout in seconds.
    """

    workload: str
    path: str
    size: int
    pause: Callable[[float], float]
    keepalive: float = OFF
    peer_keepalive: float = OFF
    timeout: float = 240.0
    resets: bool = False
    netns: str = "host"


@dataclass(frozen=True, slots=True)
class Closure:
    """
    The end of a pool's connection, after an idle spell in seconds.
    """

    pool: Pool
    reason: str
    spell: float


class Connections:
    """
    All connections of a host, as parallel arrays.
    """

    def __init__(self, pools: Sequence[Pool], sysctl: float, seed: int) -> None:
        self.pools = pools
        self.pool: npt.NDArray[np.int64] = np.repeat(
            np.arange(len(pools)), [pool.size for pool in pools]
        )
        self._random = np.random.default_rng(seed)
        self._timeout = self._each(lambda pool: pool.timeout)
        self._peer = self._each(lambda pool: pool.peer_keepalive)
        self._resets = self._each(lambda pool: float(pool.resets)) > 0
        size = len(self.pool)
        self.keepalive: FloatArray = np.zeros(size)
        self.quiet: FloatArray = np.zeros(size)
        self.hangs_for: FloatArray = np.full(size, np.nan)
        self._used_in: FloatArray = np.zeros(size)
        self.probes_sent = 0
        self.survived: dict[str, float] = {}
        self._reopen(np.arange(size), sysctl)
        self.quiet = self._random.uniform(0, 60, size)

    def step(self, seconds: float, hour: float, sysctl: float) -> list[Closure]:
        """
        Advance the time; returns the connections that ended.
        """
        hangs = ~np.isnan(self.hangs_for)
        self.quiet += seconds
        self.hangs_for += seconds
        self._used_in -= seconds
        refreshed = np.minimum(self.keepalive, self._peer) < self._timeout
        own = self.keepalive < self._timeout
        self.probes_sent += int((own & (self.quiet > self.keepalive)).sum())
        used = (self._used_in <= 0) & ~hangs
        since_use = np.where(used, -self._used_in, 0.0)
        self.quiet -= since_use
        dead = ~refreshed & (self.quiet >= self._timeout)
        closures: list[Closure] = []

        alive = used & ~dead
        for index in np.flatnonzero(alive & (self.keepalive == OFF) & (self._peer == OFF)):
            path = self.pools[self.pool[index]].path
            self.survived[path] = max(self.survived.get(path, 0.0), self.quiet[index])
        closing = alive & (self._random.random(len(self.pool)) < _CLOSES)
        self._end(closing, "normal", closures)
        reset = used & dead & self._resets
        self._end(reset, "reset", closures)
        begins_to_hang = used & dead & ~self._resets
        self.hangs_for[begins_to_hang] = since_use[begins_to_hang]
        self.quiet[begins_to_hang] += since_use[begins_to_hang]

        gave_up = self.hangs_for >= GIVES_UP_AFTER
        self.quiet[gave_up] -= self.hangs_for[gave_up]
        self._end(gave_up, "retransmit_timeout", closures)
        unanswered = dead & ~hangs & ~used & (self.quiet >= self.keepalive + 8 * 30)
        self._end(unanswered, "keepalive_timeout", closures)

        self.quiet[alive & ~closing] = since_use[alive & ~closing]
        self._schedule(np.flatnonzero(alive & ~closing), hour)
        ended = closing | reset | gave_up | unanswered
        self._reopen(np.flatnonzero(ended), sysctl, hour)
        return closures

    def idle(self) -> FloatArray:
        """
        Idle times of the connections in seconds; answered probes end an idle spell.
        """
        probes = np.minimum(self.keepalive, self._peer)
        answered = probes < self._timeout
        return np.where(answered, self.quiet % np.where(answered, probes, 1.0), self.quiet)

    def _each(self, value: Callable[[Pool], float]) -> FloatArray:
        return np.array([value(pool) for pool in self.pools], dtype=float)[self.pool]

    def _end(self, which: npt.NDArray[np.bool_], reason: str, closures: list[Closure]) -> None:
        spells = self.idle()
        closures.extend(
            Closure(self.pools[self.pool[index]], reason, float(spells[index]))
            for index in np.flatnonzero(which)
        )

    def _reopen(self, which: npt.NDArray[np.int64], sysctl: float, hour: float = 12.0) -> None:
        keepalive = self._each(lambda pool: pool.keepalive)[which]
        self.keepalive[which] = np.where(keepalive == BY_SYSCTL, sysctl, keepalive)
        self.quiet[which] = 0.0
        self.hangs_for[which] = np.nan
        self._schedule(which, hour)

    def _schedule(self, which: npt.NDArray[np.int64], hour: float) -> None:
        means = np.array([pool.pause(hour) for pool in self.pools])[self.pool[which]]
        self._used_in[which] = self._random.exponential(means)
