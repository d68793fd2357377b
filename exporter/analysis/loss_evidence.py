"""
Whether an unknown idle timeout explains connections lost in the last day, peer by peer.

A peer or a network that fails also makes connections hang, but not because they were idle. So a
loss counts only if the peer answered other connections meanwhile, and if no connection survived a
spell as long. Losses at one time may have one cause, such as a restarted device or a failover, so
that several are needed, one after the other.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from exporter.analysis.losses import MOST, Loss, SampledLosses
from exporter.model import UnexplainedLosses

_DAY, _HOUR = 86_400.0, 3600.0
_IDLE = 5.0
"""Seconds; connections lost after shorter spells were in use."""
_MARGIN = 1.1
"""Minimum ratio of a lost spell to the longest one survived."""
_OCCASIONS = 3
"""Minimum number of losses, of which each began to be idle after the one before was lost."""
_STILL_ANSWERS = 5.0
"""Seconds after a loss; a peer that answered only until then may have failed."""
_ANSWERS_WITHIN = 60.0
"""Seconds after the end of a lost connection; later answers come from a peer that has recovered."""


class LossEvidence:
    """
    The losses of the last day, each connection once. Thread-safe; now is on the monotonic clock.

    Connections that hang are those of the last sample: one that recovers was not lost. Closed ones
    count as soon as a sample shows that their peer still answers.
    """

    def __init__(self) -> None:
        self._hanging: dict[int, Loss] = {}
        self._answered: set[int] = set()
        self._closed: deque[tuple[Loss, float]] = deque(maxlen=MOST)
        self._lost: deque[Loss] = deque(maxlen=MOST)
        self._survived: defaultdict[int, dict[int, float]] = defaultdict(dict)
        self._lock = threading.Lock()

    def watched_peers(self) -> frozenset[int]:
        """
        The peers whose answers the next sample should note.
        """
        with self._lock:
            return self._peers()

    def note_sample(self, sample: SampledLosses, now: float) -> None:
        """
        Replace the connections that hang, and note the answers of peers.
        """
        with self._lock:
            closed = [loss for loss, _ in self._closed]
            self._hanging = dict(sample.hanging)
            for loss in closed:
                self._hanging.pop(loss.cookie, None)  # closed since the sample read it
            for peer, answers in sample.answers.items():
                hours, hour = self._survived[peer], int(now // _HOUR)
                hours[hour] = max(answers.longest_idle, hours.get(hour, 0.0))
            for loss in (*self._hanging.values(), *closed):
                answers_of = sample.answers.get(loss.peer)
                if answers_of and answers_of.last_at > loss.lost_at + _STILL_ANSWERS:
                    self._answered.add(loss.cookie)
            self._lost.extend(loss for loss in closed if loss.cookie in self._answered)
            waiting = [
                (loss, until)
                for loss, until in self._closed
                if loss.cookie not in self._answered and until > now
            ]
            self._closed = deque(waiting, maxlen=MOST)
            self._forget(now)

    def note_closures(self, losses: Iterable[Loss], now: float) -> None:
        """
        Add losses among closed connections.
        """
        with self._lock:
            self._closed.extend((loss, now + _ANSWERS_WITHIN) for loss in losses)

    def forget(self) -> None:
        """
        Forget all losses, because other paths may explain them.
        """
        with self._lock:
            for losses in (self._hanging, self._closed, self._lost):
                losses.clear()

    def unexplained(self) -> dict[str, UnexplainedLosses]:
        """
        The losses of those peers for which an unknown idle timeout is likely, by path name.
        """
        with self._lock:
            by_peer = defaultdict(list)
            for loss in (*self._lost, *self._hanging.values()):
                if loss.cookie in self._answered:
                    by_peer[loss.peer].append(loss)
            longest = {peer: max(self._survived[peer].values(), default=0.0) for peer in by_peer}
        found: defaultdict[str, list[UnexplainedLosses]] = defaultdict(list)
        for peer, losses in by_peer.items():
            for name in {loss.path for loss in losses}:
                of_path = [loss for loss in losses if loss.path == name]
                if (sums := _idle_timeout(of_path, longest[peer])) is not None:
                    found[name].append(sums)
        return {name: _total(each) for name, each in found.items()}

    def _peers(self) -> frozenset[int]:
        closed = (loss for loss, _ in self._closed)
        return frozenset(loss.peer for loss in (*self._hanging.values(), *closed, *self._lost))

    def _forget(self, now: float) -> None:
        """
        Forget what is older than a day, and peers without losses.
        """
        while self._lost and self._lost[0].lost_at < now - _DAY:
            self._lost.popleft()
        self._answered &= {loss.cookie for loss in self._lost} | self._hanging.keys()
        peers, oldest = self._peers(), int((now - _DAY) // _HOUR)
        for peer in [*self._survived]:
            hours = self._survived[peer]
            self._survived[peer] = {hour: each for hour, each in hours.items() if hour >= oldest}
            if peer not in peers:
                del self._survived[peer]


def _idle_timeout(losses: Sequence[Loss], survived: float) -> UnexplainedLosses | None:
    """
    The losses to one peer that only an idle timeout explains; None if there are too few of them, or
    if more connections were lost while in use.
    """
    least = max(_IDLE, _MARGIN * survived)
    idle = [loss for loss in losses if loss.at_least > least]
    in_use = [loss for loss in losses if loss.at_least < _IDLE or loss.at_most <= survived]
    if _occasions(idle) < _OCCASIONS or len(in_use) >= len(idle):
        return None
    return UnexplainedLosses(
        number=len(idle),
        at_least=min(loss.at_least for loss in idle),
        at_most=max(loss.at_most for loss in idle),
        survived=survived,
    )


def _occasions(losses: Iterable[Loss]) -> int:
    """
    The minimum number of incidents that explain the losses: the maximum number of idle spells that
    do not overlap.
    """
    number, incident_at = 0, float("-inf")
    for loss in sorted(losses, key=lambda each: each.lost_at):
        if loss.began_at > incident_at:
            number, incident_at = number + 1, loss.lost_at
    return number


def _total(parts: Sequence[UnexplainedLosses]) -> UnexplainedLosses:
    return UnexplainedLosses(
        number=sum(each.number for each in parts),
        at_least=min(each.at_least for each in parts),
        at_most=max(each.at_most for each in parts),
        survived=min(each.survived for each in parts),
    )
