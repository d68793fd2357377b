"""
A recording's verdicts and idle times, compared with the truth.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from exporter.analysis.verdicts import idle
from exporter.model import IdleState, Path, Protection
from tests.analysis.truth.capture import Segment
from tests.analysis.truth.judgement import Truth, Verdict, Watch, truth_of
from tests.analysis.truth.recording import Part, Recording, Sample
from tests.analysis.truth.replay import Replay
from tests.analysis.truth.truth_report import Report

_CLOCKS = 0.02
"""Maximum difference in seconds between the clocks of the capture and of the sampler."""


@dataclass(frozen=True, slots=True)
class Idle:
    """
    One idle time from the analysis, and bounds of the true one during the dump.

    since_sample is the time since the last sample before that idle spell; inf if there was none.
    """

    judged: float
    state: IdleState
    at_least: float
    at_most: float
    since_sample: float
    timeout: float
    loses_segments: bool

    @property
    def is_steady(self) -> bool:
        """
        Whether there was no segment during the dump.
        """
        return self.at_least == self.at_most


class Outcome:
    """
    A report on the verdicts, and all idle times.
    """

    def __init__(self, recording: Recording, paths: Sequence[Path], interval: float) -> None:
        self.report = Report()
        self.idle: list[Idle] = []
        self._recording = recording
        self._timeouts = [*(path.idle_timeout for path in paths), math.inf]
        self._interval = interval
        self._watches: dict[int, Watch] = {}
        segments: defaultdict[tuple[int, int, int], list[Segment]] = defaultdict(list)
        for segment in recording.segments:
            segments[segment.flow].append(segment)
        self._replays = {
            member.cookie: Replay(member, segments[member.flow]) for member in recording.members
        }
        for sample in recording.samples:
            for part in sample.parts:
                self._add(sample, part)

    def _add(self, sample: Sample, part: Part) -> None:
        """
        Compare the verdicts on members of the crowd with their replays.
        """
        # The dump was made between these two times.
        earliest, latest = sample.began - _CLOCKS, part.counted_at + _CLOCKS
        for cookie, read_at, judged, path, protection, idle_state in zip(
            part.table.cookie.tolist(),
            part.table.read_at.tolist(),
            idle(part.known, part.verdicts).tolist(),
            part.path_of,
            part.verdicts.protection,
            part.verdicts.idle_state,
            strict=True,
        ):
            replay = self._replays.get(cookie)
            if not replay:
                continue
            replay.run_until(earliest)
            timeout = self._timeouts[path]
            is_steady = replay.is_quiet(latest)
            truth = truth_of(replay, read_at, timeout) if is_steady else Truth.MOVING
            verdict = Verdict(Protection(protection), IdleState(idle_state))
            new = Watch(replay, timeout, self._interval)
            self.report.add(self._watches.setdefault(cookie, new), read_at, truth, verdict)
            sample_before = self._recording.last_sample_before(replay.last_segment_at - _CLOCKS)
            self.idle.append(
                Idle(
                    judged=judged,
                    state=verdict.idle_state,
                    at_least=max(0.0, read_at - replay.last_segment_until(latest)),
                    at_most=read_at - replay.last_segment_at,
                    since_sample=read_at - sample_before,
                    timeout=timeout,
                    loses_segments=replay.loses_segments,
                )
            )
