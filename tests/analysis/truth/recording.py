"""
Recording of a crowd of real connections, sampled by the real Sampler.
"""

import math
import socket
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from exporter.analysis import sums
from exporter.analysis.history_table import HistoryTable
from exporter.analysis.sums import PathIndices
from exporter.analysis.verdicts import Verdicts
from exporter.collectors import sockets as reader_module
from exporter.collectors.sampler import Sampler
from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.model import ConnectionTable, Snapshot
from tests.analysis.truth.capture import Segment, capturing
from tests.analysis.truth.members import Crowd, Member
from tests.lab import Host, pair

_SETTLING = 0.2


@dataclass
class Part:
    """
    One table with its verdicts, and when they were counted.
    """

    counted_at: float
    table: ConnectionTable
    known: HistoryTable
    verdicts: Verdicts
    path_of: PathIndices


@dataclass
class Sample:
    """
    One sample, and the tables in its sums.
    """

    began: float
    over_at: float = math.inf
    snapshot: Snapshot | None = None
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Recording:
    """
    The recorded connections, segments and samples; lost is the number of uncaptured segments.
    """

    members: list[Member]
    segments: list[Segment]
    samples: list[Sample]
    lost: int

    def last_sample_before(self, at: float) -> float:
        """
        The start of the last sample that ended before at; -inf if there was none.
        """
        position = bisect_left(self.samples, at, key=lambda sample: sample.over_at)
        return self.samples[position - 1].began if position else -math.inf


def record(config: Config, rng: Random, seconds: float) -> Recording:
    """
    Record a crowd of connections for this many seconds. Some of them exist before the first sample;
    one more connection has both ends in the client.
    """
    with (
        pair() as lab,
        capturing(lab.client) as capture,
        _connection_within(lab.client),
    ):
        crowd = Crowd(lab, rng, seconds)
        crowd.outbound(100, socket.AF_INET)
        crowd.outbound(50, socket.AF_INET6)
        with _sampling(lab.client, config) as samples:
            crowd.outbound(100, socket.AF_INET)
            crowd.outbound(70, socket.AF_INET6)
            crowd.inbound(100)
            crowd.disturb()
            crowd.run()
        time.sleep(_SETTLING)
    return Recording(crowd.members, list(capture.segments()), samples, capture.lost)


@contextmanager
def _sampling(host: Host, config: Config) -> Iterator[list[Sample]]:
    """
    Sample inside the host during the block.
    """
    samples: list[Sample] = []
    ended = threading.Event()

    class RecordingCounter(sums.ConnectionCounter):
        """
        Counts like the real one, and keeps the tables.
        """

        def add(
            self,
            table: ConnectionTable,
            known: HistoryTable,
            verdicts: Verdicts,
            path_of: PathIndices,
        ) -> None:
            super().add(table, known, verdicts, path_of)
            part = Part(
                time.monotonic(), table, HistoryTable.concatenate([known]), verdicts, path_of
            )
            samples[-1].parts.append(part)

    def sample_until_ended() -> None:
        sampler = Sampler(config, State())
        pause = 0.0
        while not ended.wait(pause):
            sample = Sample(time.monotonic())
            samples.append(sample)
            sample.snapshot = sampler.sample()
            sample.over_at = time.monotonic()
            pause = max(0.0, sample.began + config.sampling.interval - sample.over_at)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(reader_module, "ConnectionCounter", RecordingCounter)
        running = pool.submit(host.call, sample_until_ended)
        try:
            yield samples
        finally:
            ended.set()
            running.result()


@contextmanager
def _connection_within(host: Host) -> Iterator[None]:
    listener = host.listener()
    near = host.connect(*listener.getsockname())
    far, _ = listener.accept()
    with listener, near, far:
        yield
