"""
Verdicts on hundreds of real connections, each held against what is true of it.

Both ends of every connection are in our hands: their options are known from getsockopt, and every
segment from a capture at the client. The real Sampler watches in the client's namespace.
"""

import math
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random

import numpy as np
import pytest

from exporter.config import Config
from exporter.judge.observation import idle
from exporter.model import NO_PATH, IdleState, Protection
from tests.judge.truth.judgement import Cause, Truth, Verdict, Watch, truth_of
from tests.judge.truth.recording import Part, Recording, Sample, record
from tests.judge.truth.replay import Replay
from tests.judge.truth.report import Report
from tests.lab import LAB_MARKS

pytestmark = LAB_MARKS

SEED = int(os.environ.get("TRUTH_SEED", "20"))
SECONDS = 50
INTERVAL = 0.5
TOLERANCE = 0.15
CLOCKS = 0.02
"""Seconds by which the clocks of the capture and of the sampler may differ."""
RARE = 0.04
"""No cause of what cannot be known may have a greater share of the verdicts."""

SELDOM = 0.2
"""What part of the verdicts may fall into the middle of something, on a busy machine."""

CONFIG = Config.model_validate(
    {
        "profile": "none",
        "paths": [
            {"name": "inbound", "direction": "inbound", "idle_timeout": "6s"},
            {"name": "ipv4", "remote": ["203.0.113.0/24"], "idle_timeout": "5s"},
            {"name": "ipv6", "remote": ["public"], "idle_timeout": "4s"},
        ],
        "sampling": {"interval": f"{INTERVAL * 1000:.0f}ms"},
    }
)
NAMES = [*(path.name for path in CONFIG.paths), NO_PATH]
TIMEOUTS = [*(path.idle_timeout for path in CONFIG.paths), math.inf]


@dataclass(frozen=True)
class Idle:
    """
    One idle time as judged, and between what the true one was when the kernel was asked.

    since_sample is the time since the last sample before that idle spell, inf if there was none.
    """

    judged: float
    state: IdleState
    at_least: float
    at_most: float
    since_sample: float
    timeout: float
    loses_segments: bool


@dataclass(frozen=True)
class Outcome:
    """
    The report on the verdicts, all idle times, and what is watched, by cookie.
    """

    report: Report = field(default_factory=Report)
    idle: list[Idle] = field(default_factory=list)
    watches: dict[int, Watch] = field(default_factory=dict)


@pytest.fixture(scope="module")
def recording() -> Recording:
    """
    A minute of a crowd of connections.
    """
    print(f"seed {SEED}")
    return record(CONFIG, Random(SEED), SECONDS)


@pytest.fixture(scope="module")
def outcome(recording: Recording) -> Outcome:
    """
    Every verdict on a member of the crowd, held against its replay.
    """
    segments = defaultdict(list)
    for segment in recording.segments:
        segments[segment.flow].append(segment)
    replays = {member.cookie: Replay(member, segments[member.flow]) for member in recording.members}
    outcome = Outcome()
    for sample in recording.samples:
        for part in sample.parts:
            for row, cookie in enumerate(part.table.cookie.tolist()):
                if cookie in replays:
                    add_row(outcome, sample, part, row, replays[cookie])
    return outcome


def add_row(
    outcome: Outcome,
    sample: Sample,
    part: Part,
    row: int,
    replay: Replay,
) -> None:
    """
    Hold one row of a part against its connection's replay.
    """
    timeout, read_at = TIMEOUTS[part.path_of[row]], float(part.table.read_at[row])
    protection, state = part.verdicts.protection[row], part.verdicts.idle_state[row]
    verdict = Verdict(Protection(protection), IdleState(state))
    # The kernel was asked at some time between these two.
    earliest, latest = sample.began - CLOCKS, part.counted_at + CLOCKS
    replay.run_until(earliest)
    truth = truth_of(replay, read_at, timeout) if replay.is_quiet(latest) else Truth.MOVING
    new = Watch(replay, timeout, INTERVAL)
    watch = outcome.watches.setdefault(int(part.table.cookie[row]), new)
    outcome.report.add(watch, read_at, truth, verdict)
    last_sample = watch.last_sample_before(replay.last_segment_at - CLOCKS)
    outcome.idle.append(
        Idle(
            judged=float(idle(part.known)[row]),
            state=verdict.idle_state,
            at_least=max(0.0, read_at - replay.last_segment_until(latest)),
            at_most=read_at - replay.last_segment_at,
            since_sample=read_at - last_sample,
            timeout=timeout,
            loses_segments=replay.loses_segments,
        )
    )


def state_of(seconds: float, timeout: float) -> IdleState:
    """
    The idle state of a connection that has been idle for so long.
    """
    if seconds >= timeout:
        return IdleState.OVER_LIMIT
    return IdleState.NEAR_LIMIT if seconds >= 0.75 * timeout else IdleState.ACTIVE


def test_capture_is_complete(recording: Recording) -> None:
    """No segment escaped the log that the truth is taken from."""
    assert recording.lost == 0
    assert len(recording.segments) > 10 * len(recording.members)


def test_every_connection_is_sampled_once(recording: Recording) -> None:
    """Each sample has each connection exactly once, from the first sample after it was opened."""
    crowd = {member.cookie for member in recording.members}
    seen: set[int] = set()
    for sample in recording.samples:
        cookies = Counter(cookie for part in sample.parts for cookie in part.table.cookie.tolist())
        assert set(cookies.values()) == {1}
        assert seen <= set(cookies)
        seen |= set(cookies)
    # Besides, both ends of the connection within the client.
    assert crowd <= seen
    assert len(seen) == len(crowd) + 2


def test_sums_agree_with_the_verdicts(recording: Recording) -> None:
    """The sums of a sample are what its verdicts come to, by path, protection and idle state."""
    for sample in recording.samples:
        assert sample.snapshot
        assert sample.snapshot.sockets
        sums = sample.snapshot.sockets.connections
        counted = {name: np.zeros((len(Protection), len(IdleState)), int) for name in NAMES}
        at_risk = 0
        for part in sample.parts:
            for path, *verdict in zip(
                part.path_of, part.verdicts.protection, part.verdicts.idle_state, strict=True
            ):
                counted[NAMES[path]][tuple(verdict)] += 1
            at_risk += int(part.verdicts.at_risk.sum())
        assert {name: path.connections.tolist() for name, path in sums.paths.items()} == {
            name: counts.tolist() for name, counts in counted.items()
        }
        assert sums.sampled == sum(counts.sum() for counts in counted.values())
        assert sums.at_risk == at_risk
        assert counted[NO_PATH].sum() == 2


def test_idle(outcome: Outcome) -> None:
    """Idle is never less than the truth, and counted from the sample before at most."""
    for one in outcome.idle:
        assert one.judged >= one.at_least - TOLERANCE
        assert one.judged <= one.since_sample + TOLERANCE


def test_idle_states(outcome: Outcome) -> None:
    """A wrong idle state is off by no more than a sample's interval."""
    steady = [one for one in outcome.idle if one.at_least == one.at_most]
    confusion = Counter((state_of(one.at_most, one.timeout), one.state) for one in steady)
    print("true idle state in rows, judged in columns")
    for true in IdleState:
        print(f"  {true.name.lower():12}", *(f"{confusion[true, state]:7}" for state in IdleState))
    for one in steady:
        if one.state == IdleState.STALLED:
            continue
        shortest = state_of(max(0.0, one.at_least - TOLERANCE), one.timeout)
        longest = state_of(one.since_sample + TOLERANCE, one.timeout)
        assert shortest <= one.state <= longest


def test_stalled(outcome: Outcome) -> None:
    """Only connections whose segments are lost are called stalled, and some of them are."""
    stalled = [one for one in outcome.idle if one.state == IdleState.STALLED]
    assert stalled
    assert all(one.loses_segments for one in stalled)


def test_verdicts(outcome: Outcome) -> None:
    """Nothing protected is called at risk, nothing at risk protected, where it can be known."""
    print(outcome.report)
    assert outcome.report.faults == []
    for what in {*Truth, *Cause} - {Truth.MOVING}:
        assert outcome.report.share(what) < RARE, what
    assert outcome.report.share(Truth.MOVING) < SELDOM


@pytest.mark.parametrize("protection", [Protection.OWN, Protection.LATE, Protection.NONE])
@pytest.mark.parametrize("state", [IdleState.ACTIVE, IdleState.NEAR_LIMIT])
def test_crowd_is_varied(outcome: Outcome, protection: Protection, state: IdleState) -> None:
    """The proof is worth something: verdicts of every kind were right often enough."""
    truth = Truth(protection.name.lower())
    assert outcome.report.confusion[truth, Verdict(protection, state)] > 10
