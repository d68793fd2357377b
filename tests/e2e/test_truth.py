"""
Verdicts on hundreds of real connections, each compared with the facts.

The test holds both ends of every connection: their options are known from getsockopt, and every
segment is known from a capture at the client. The real Sampler runs in the client's namespace.
"""

import os
from collections import Counter
from random import Random

import numpy as np
import pytest

from exporter.config.schema import Config
from exporter.model import HANGING_IDLE_STATES, NO_PATH, IdleState, Protection
from tests.analysis.truth.judgement import Cause, Truth, Verdict
from tests.analysis.truth.outcome import Outcome
from tests.analysis.truth.recording import Recording, record
from tests.lab import LAB_MARKS

# Each connection's truth is known to a fraction of a second only if the machine keeps pace.
pytestmark = [*LAB_MARKS, pytest.mark.timeout(300), pytest.mark.timing]

SEED = int(os.environ.get("TRUTH_SEED", "20"))
SECONDS = 50
TOLERANCE = 0.15
RARE = 0.06
"""Maximum share of the verdicts for each cause of unknown facts."""
SELDOM = 0.2
"""Maximum share of the verdicts during changes, on a busy machine."""

CONFIG = Config.model_validate(
    {
        "profile": "none",
        "paths": [
            {"name": "inbound", "direction": "inbound", "idle_timeout": "6s"},
            {"name": "ipv4", "remote": ["203.0.113.0/24"], "idle_timeout": "5s"},
            {"name": "ipv6", "remote": ["public"], "idle_timeout": "4s"},
        ],
        "sampling": {"interval": "500ms"},
    }
)
NAMES = [*(path.name for path in CONFIG.paths), NO_PATH]


@pytest.fixture(scope="module")
def recording() -> Recording:
    """
    A recording of about a minute with hundreds of connections.
    """
    print(f"seed {SEED}")
    return record(CONFIG, Random(SEED), SECONDS)


@pytest.fixture(scope="module")
def outcome(recording: Recording) -> Outcome:
    """
    Every verdict of the recording with the facts.
    """
    return Outcome(recording, CONFIG.paths, CONFIG.sampling.interval)


def state_of(seconds: float, timeout: float) -> IdleState:
    """
    The idle state of a connection after this idle time.
    """
    if seconds >= timeout:
        return IdleState.OVER_LIMIT
    is_near = seconds >= CONFIG.near_limit_ratio * timeout
    return IdleState.NEAR_LIMIT if is_near else IdleState.ACTIVE


def test_capture_is_complete(recording: Recording) -> None:
    """The capture, which is the source of the facts, has lost no segment."""
    assert recording.lost == 0
    assert len(recording.segments) > 10 * len(recording.members)


def test_every_connection_is_sampled_once(recording: Recording) -> None:
    """Each sample has each connection exactly once, from the first sample after its opening."""
    opened = {member.cookie for member in recording.members}
    seen: set[int] = set()
    for sample in recording.samples:
        cookies = Counter(cookie for part in sample.parts for cookie in part.table.cookie.tolist())
        assert set(cookies.values()) == {1}
        assert seen <= set(cookies)
        seen |= set(cookies)
    # Plus both ends of the connection inside the client.
    assert opened <= seen
    assert len(seen) == len(opened) + 2


def test_sums_agree_with_the_verdicts(recording: Recording) -> None:
    """The sums of a sample agree with its verdicts, by path, protection and idle state."""
    for sample in recording.samples:
        assert sample.snapshot
        assert sample.snapshot.sockets
        sums = sample.snapshot.sockets.connections
        counted = {name: np.zeros((len(Protection), len(IdleState)), int) for name in NAMES}
        at_risk = 0
        for part in sample.parts:
            for path, protection, idle_state in zip(
                part.path_of, part.verdicts.protection, part.verdicts.idle_state, strict=True
            ):
                counted[NAMES[path]][protection, idle_state] += 1
            at_risk += int(part.verdicts.at_risk.sum())
        assert {name: path.connections.tolist() for name, path in sums.paths.items()} == {
            name: counts.tolist() for name, counts in counted.items()
        }
        assert sums.sampled == sum(counts.sum() for counts in counted.values())
        assert sums.at_risk == at_risk
        assert counted[NO_PATH].sum() == 2


def test_idle(outcome: Outcome) -> None:
    """
    The idle time is never too short, and too long by at most the time since the last sample.

    That of connections that hang is the time before the hang.
    """
    for one in outcome.idle:
        if one.state in HANGING_IDLE_STATES:
            continue
        assert one.judged >= one.at_least - TOLERANCE
        assert one.judged <= one.since_sample + TOLERANCE


def test_idle_states(outcome: Outcome) -> None:
    """A wrong idle state is off by at most one sampling interval."""
    steady = [one for one in outcome.idle if one.is_steady]
    confusion = Counter((state_of(one.at_most, one.timeout), one.state) for one in steady)
    print("true idle state in rows, judged in columns")
    for true in IdleState:
        print(f"  {true.name.lower():12}", *(f"{confusion[true, state]:7}" for state in IdleState))
    for one in steady:
        if one.state not in (*HANGING_IDLE_STATES, IdleState.PEER_CLOSED):
            shortest = state_of(max(0.0, one.at_least - TOLERANCE), one.timeout)
            longest = state_of(one.since_sample + TOLERANCE, one.timeout)
            assert shortest <= one.state <= longest


def test_stalled(outcome: Outcome) -> None:
    """Only connections whose segments are lost are stalled, and some of them are."""
    stalled = [one for one in outcome.idle if one.state == IdleState.STALLED]
    assert stalled
    assert [one for one in stalled if not one.loses_segments] == []


def test_verdicts(outcome: Outcome) -> None:
    """With known facts, no protected connection is called at risk, and none at risk protected."""
    print(outcome.report)
    assert outcome.report.faults == []
    for what in {*Truth, *Cause} - {Truth.MOVING}:
        assert outcome.report.share(what) < RARE, what
    assert outcome.report.share(Truth.MOVING) < SELDOM


@pytest.mark.parametrize("state", [IdleState.ACTIVE, IdleState.NEAR_LIMIT])
@pytest.mark.parametrize("truth", [Truth.OWN, Truth.LATE, Truth.PEER, Truth.NONE])
def test_connections_are_varied(outcome: Outcome, truth: Truth, state: IdleState) -> None:
    """The test is meaningful: every kind of verdict occurred and was right at least three times."""
    verdict = Verdict(Protection[truth.name], state)
    assert outcome.report.confusion[truth, verdict] >= 3
