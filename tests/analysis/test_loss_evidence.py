"""
Losses that an unknown idle timeout explains, and those that a failed peer or network explains.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from exporter.analysis.loss_evidence import LossEvidence
from exporter.analysis.losses import MOST, Answers, Loss, SampledLosses
from exporter.model import NO_PATH, UnexplainedLosses

HOUR, DAY = 3600.0, 86_400.0
PEER, OTHER = 7, 8


@dataclass
class Host:
    """
    A host with connections to few peers, and the evidence from its samples and closures.
    """

    evidence: LossEvidence = field(default_factory=LossEvidence)
    hanging: dict[int, Loss] = field(default_factory=dict)
    number: int = 0
    now: float = 0.0

    def hang(
        self, spell: float, at: float, *, peer: int = PEER, path: str = NO_PATH, error: float = 0.0
    ) -> Loss:
        """
        A connection hangs from a time on, after an idle spell known with an error in seconds.
        """
        self.number += 1
        loss = Loss(self.number, path, peer, spell - error, spell, at)
        self.hanging[loss.cookie] = loss
        return loss

    def close(self, *losses: Loss, at: float = 0.0) -> None:
        """
        Connections that hang, or that no sample saw hang, are closed by a timeout at this time.
        """
        for loss in losses:
            self.hanging.pop(loss.cookie, None)
        self.evidence.note_closures(losses, at)

    def sample(
        self, now: float, *, survived: float = 0.0, answering: tuple[int, ...] = (PEER,)
    ) -> None:
        """
        A sample after which these peers have just answered, after idle spells of up to `survived`.
        """
        sample = SampledLosses((), 0.75, self.evidence.watched_peers())
        sample.hanging = dict(self.hanging)
        sample.answers = {peer: Answers(now, survived) for peer in answering}
        self.evidence.note_sample(sample, now)

    def lose(self, *spells: float, every: float = 60.0, survived: float = 0.0) -> None:
        """
        Connections hang one after the other, each found by a sample 55 s later.
        """
        for spell in spells:
            self.now += every
            self.hang(spell, at=self.now)
            self.sample(self.now + 55, survived=survived)

    @property
    def found(self) -> UnexplainedLosses | None:
        """
        The losses on no path.
        """
        return self.evidence.unexplained().get(NO_PATH)


@pytest.fixture
def host() -> Host:
    """
    A host without evidence.
    """
    return Host()


def test_nothing_lost(host: Host) -> None:
    """
    Without losses nothing is found, and no peer is watched.
    """
    host.sample(0.0)
    assert host.evidence.unexplained() == {}
    assert host.evidence.watched_peers() == frozenset()


def test_single_peer(host: Host) -> None:
    """
    Three connections to one peer, each lost after an idle spell longer than those survived.
    """
    host.lose(21.0, 30.0, survived=18.0)
    assert host.found is None
    host.lose(34.0)
    assert host.found == UnexplainedLosses(3, at_least=21.0, at_most=34.0, survived=18.0)


def test_nothing_survived(host: Host) -> None:
    """
    If every idle connection is lost, no spell is known to be survived.
    """
    host.lose(40.0, 50.0, 45.0)
    assert host.found == UnexplainedLosses(3, at_least=40.0, at_most=50.0, survived=0.0)


def test_silent_peer(host: Host) -> None:
    """
    Connections that are lost while their peer answers none have not been lost by being idle.
    """
    losses = [host.hang(30.0, at=40.0 * number) for number in range(1, 6)]
    host.sample(300.0, answering=())
    assert host.found is None
    host.close(*losses, at=300.0)
    host.sample(315.0, answering=(OTHER,))
    host.sample(361.0, answering=())
    host.sample(376.0)
    assert host.found is None


def test_outage(host: Host) -> None:
    """
    An outage of some seconds ends connections of all ages, and their peer answers soon after. They
    were all idle when it began.
    """
    for spell in range(6, 66):
        host.close(host.hang(spell, at=960.0 + spell), at=1030.0)
    host.sample(1040.0)
    assert host.found is None


def test_recovered(host: Host) -> None:
    """
    Connections that recover from an outage were not lost.
    """
    host.lose(40.0, 50.0, 45.0)
    host.hanging.clear()
    host.sample(400.0)
    assert host.found is None


def test_one_incident(host: Host) -> None:
    """
    Many connections, lost because a device was restarted once: they were all idle at that time.
    """
    for spell in range(10, 200):
        host.hang(float(spell), at=1000.0 + spell - 10)
    host.sample(1300.0)
    assert host.found is None
    host.hang(100.0, at=1500.0)
    host.sample(1600.0)
    assert host.found is None
    host.hang(100.0, at=1700.0)
    host.sample(1800.0)
    assert host.found is not None


def test_longer_spell_survived(host: Host) -> None:
    """
    An idle timeout does not explain losses after spells as long as others that were survived.
    """
    host.lose(40.0, 50.0, 45.0, survived=60.0)
    assert host.found is None


def test_survived_slightly_less(host: Host) -> None:
    """
    The spells lost must be longer than those survived by more than a tenth, because both have an
    error.
    """
    host.lose(32.0, 32.9, 32.5, survived=30.0)
    assert host.found is None
    host.lose(33.1, 33.2, 33.3, every=200.0)
    assert host.found is not None
    assert host.found.number == 3


def test_watched_peers(host: Host) -> None:
    """
    A peer is watched from its first loss on, and only while it has losses.
    """
    loss = host.hang(40.0, at=60.0)
    host.sample(61.0)
    assert host.evidence.watched_peers() == {PEER}
    host.close(loss, at=110.0)
    host.sample(115.0)
    host.sample(DAY + 200.0)
    assert host.evidence.watched_peers() == frozenset()


def test_in_use(host: Host) -> None:
    """
    If as many connections were lost without having been idle, the peer or the network failed.
    """
    host.lose(40.0, 1.0, 50.0, 2.0, 45.0, 0.5, every=100.0)
    assert host.found is None
    host.lose(44.0)
    assert host.found is not None
    assert (host.found.number, host.found.at_least) == (4, 40.0)


def test_shorter_than_survived_counts_as_in_use(host: Host) -> None:
    """
    Losses after spells that others outlived contradict a timeout as much as those without any.
    """
    host.lose(80.0, 10.0, 90.0, 11.0, 95.0, 12.0, every=200.0, survived=30.0)
    assert host.found is None


def test_short_spells(host: Host) -> None:
    """
    Spells of less than 5 s are no idle times.
    """
    host.lose(4.9, 4.0, 4.9)
    assert host.found is None


def test_spell_not_known_well_enough(host: Host) -> None:
    """
    A spell that may have been shorter than 5 s, or as short as those survived, does not count.
    """
    for number in range(1, 9):
        host.hang(20.0, at=60.0 * number, error=15.5)
        host.sample(60.0 * number + 59)
    assert host.found is None


def test_closed(host: Host) -> None:
    """
    A connection that hangs and is later closed counts once; so does one that no sample saw hang.
    """
    host.lose(40.0, 50.0)
    host.close(*host.hanging.values())
    host.close(Loss(100, NO_PATH, PEER, 44.0, 45.0, 200.0), at=210.0)
    host.sample(260.0)
    assert host.found is not None
    assert host.found.number == 3
    host.sample(275.0)
    assert host.found.number == 3


def test_closed_during_a_sample(host: Host) -> None:
    """
    A connection that is closed after the sample has read it counts once.
    """
    host.lose(40.0, 50.0)
    loss = host.hang(45.0, at=180.0)
    host.close(loss, at=239.0)
    host.hanging[loss.cookie] = loss
    host.sample(240.0)
    assert host.found is not None
    assert host.found.number == 3


def test_closed_before_the_next_answer(host: Host) -> None:
    """
    A closed connection waits a minute for an answer of its peer.
    """
    host.lose(40.0, 50.0)
    host.close(Loss(100, NO_PATH, PEER, 44.0, 45.0, 200.0), at=210.0)
    host.sample(255.0, answering=())
    assert host.found is None
    host.sample(269.0)
    assert host.found is not None


def test_answer_just_after(host: Host) -> None:
    """
    An answer within 5 s of the loss proves nothing about the time after it.
    """
    for number in (1, 2, 3):
        host.close(host.hang(40.0, at=60.0 * number), at=60.0 * number)
        host.sample(60.0 * number + 4.9)
        host.sample(60.0 * number + 60, answering=())
    assert host.found is None


def test_peers_are_judged_separately(host: Host) -> None:
    """
    Losses of different peers are not added up to three, and the survived spells of one do not
    contradict the losses of another.
    """
    host.lose(40.0, 50.0)
    host.hang(40.0, at=400.0, peer=OTHER)
    host.sample(500.0, answering=(PEER, OTHER))
    assert host.found is None
    host.hang(60.0, at=600.0)
    sample = SampledLosses((), 0.75, frozenset())
    sample.hanging = dict(host.hanging)
    sample.answers = {PEER: Answers(700.0, 20.0), OTHER: Answers(700.0, 900.0)}
    host.evidence.note_sample(sample, 700.0)
    assert host.found == UnexplainedLosses(3, 40.0, 60.0, survived=20.0)


def test_several_peers(host: Host) -> None:
    """
    The losses of several peers on a path are added up, with the shortest spell survived.
    """
    for number in (1, 2, 3):
        for peer, spell in ((PEER, 40.0), (OTHER, 30.0 + number)):
            host.hang(spell, at=60.0 * number, peer=peer, path="azure")
    sample = SampledLosses((), 0.75, frozenset())
    sample.hanging = dict(host.hanging)
    sample.answers = {PEER: Answers(700.0, 20.0), OTHER: Answers(700.0, 10.0)}
    host.evidence.note_sample(sample, 700.0)
    assert host.evidence.unexplained() == {"azure": UnexplainedLosses(6, 31.0, 40.0, survived=10.0)}


def test_last_day(host: Host) -> None:
    """
    Losses and survived spells are forgotten after a day; connections that still hang are not.
    """
    host.lose(40.0, 50.0, 45.0, survived=20.0)
    host.close(*host.hanging.values())
    host.sample(300.0)
    host.sample(DAY - HOUR)
    assert host.found is not None
    host.sample(DAY + 300.0)
    assert host.found is None

    host.lose(40.0, 50.0, 45.0)
    host.sample(2 * DAY)
    assert host.found is not None
    assert host.found.survived == 0.0


def test_forget(host: Host) -> None:
    """
    With other paths, only connections lost from then on count.
    """
    host.lose(40.0, 50.0)
    host.close(*host.hanging.values(), at=180.0)
    host.sample(200.0)
    host.close(host.hang(45.0, at=201.0), at=210.0)
    host.evidence.forget()
    host.sample(230.0)
    assert host.evidence.watched_peers() == frozenset()
    host.lose(45.0, every=300.0)
    assert host.found is None


def test_survived_spells_expire(host: Host) -> None:
    """
    A spell survived more than a day ago no longer contradicts losses.
    """
    host.lose(40.0, 50.0, 45.0, survived=60.0)
    host.sample(DAY)
    assert host.found is None
    host.sample(DAY + 2 * HOUR)
    assert host.found is not None


def test_bounded(host: Host) -> None:
    """
    The latest losses are remembered, up to a maximum.
    """
    host.close(*(Loss(each, NO_PATH, PEER, 9.0, 9.0, 10.0 * each) for each in range(2 * MOST)))
    host.sample(20.0 * MOST + 60)
    assert host.found is not None
    assert host.found.number == MOST


Spell = Callable[[Random], float]
SPELLS: dict[str, Spell] = {
    "regular": lambda rng: 30.0 + rng.random() / 10,
    "uniform": lambda rng: rng.uniform(1, 60),
    "long": lambda rng: rng.lognormvariate(5, 1.5),
}


def simulate(
    seed: int, spell_of: Spell, is_lost: Callable[[float, Random], bool], hours: float
) -> UnexplainedLosses | None:
    """
    What is found in the end with samples every 15 s, if four connections to a peer are used after
    these idle spells, and may be lost after each.
    """
    rng, host, interval = Random(seed), Host(), 15.0
    since = [rng.uniform(-60, 0) for _ in range(4)]
    until = [began + spell_of(rng) for began in since]
    for number in range(int(hours * HOUR / interval)):
        now, survived = number * interval, 0.0
        for each in range(len(since)):
            while until[each] < now:
                spell = until[each] - since[each]
                known = max(0.0, (until[each] // interval) * interval - since[each])
                if is_lost(spell, rng):
                    host.number += 1
                    loss = Loss(host.number, NO_PATH, PEER, known, known + interval, now)
                    host.hanging[loss.cookie] = loss
                else:
                    survived = max(survived, known)
                since[each], until[each] = until[each], until[each] + spell_of(rng)
        host.sample(now, survived=survived)
    return host.found


@pytest.mark.parametrize("spells", SPELLS)
@pytest.mark.parametrize("seed", range(10))
def test_lost_irrespective_of_idle_time(seed: int, spells: str) -> None:
    """
    Connections of which one in a hundred is lost silently, however long it was idle, have no idle
    timeout.
    """
    assert simulate(seed, SPELLS[spells], lambda _, rng: rng.random() < 0.01, hours=6) is None


@pytest.mark.parametrize("spells", ["uniform", "long"])
@pytest.mark.parametrize("seed", range(10))
def test_idle_timeout(seed: int, spells: str) -> None:
    """
    An idle timeout is found, and lies between the bounds.
    """
    timeout = 20.0 if spells == "uniform" else 240.0
    hours = 0.25 if spells == "uniform" else 2.0
    found = simulate(seed, SPELLS[spells], lambda spell, _: spell >= timeout, hours)
    assert found is not None
    assert found.survived <= timeout <= found.at_most
