"""
A crowd of real connections under the eyes of the real Sampler, recorded.
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
from exporter.analysis.history_table import Rows
from exporter.analysis.sums import PathIndices
from exporter.analysis.verdicts import Verdicts
from exporter.collectors import reader as reader_module
from exporter.collectors.sampler import Sampler
from exporter.collectors.state import Memory
from exporter.config.schema import Config
from exporter.model import ConnectionTable, Snapshot
from tests.analysis.truth.capture import Segment, capturing
from tests.analysis.truth.members import Crowd, Member
from tests.lab import Host, pair

_SETTLING = 0.2


@dataclass
class Part:
    """
    One table with its verdicts, and when they had been counted.
    """

    counted_at: float
    table: ConnectionTable
    known: Rows
    verdicts: Verdicts
    path_of: PathIndices


@dataclass
class Sample:
    """
    One sample, and the tables that went into its sums.
    """

    began: float
    over_at: float = math.inf
    snapshot: Snapshot | None = None
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Recording:
    """
    What happened; lost is how many segments the capture missed.
    """

    members: list[Member]
    segments: list[Segment]
    samples: list[Sample]
    lost: int

    def last_sample_before(self, at: float) -> float:
        """
        When the last sample began that was over by then; -inf if there was none.
        """
        position = bisect_left(self.samples, at, key=lambda sample: sample.over_at)
        return self.samples[position - 1].began if position else -math.inf


def record(config: Config, rng: Random, seconds: float) -> Recording:
    """
    Let a crowd of connections live for so many seconds; half of them are there before the first
    sample, and two ends of one more connection stay within the client.
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
    Sample inside the host while the block runs.
    """
    samples: list[Sample] = []
    ended = threading.Event()

    class RecordingCounter(sums.ConnectionCounter):
        """
        Counts as the real one does, and keeps what it counted.
        """

        def add(
            self, table: ConnectionTable, known: Rows, verdicts: Verdicts, path_of: PathIndices
        ) -> None:
            super().add(table, known, verdicts, path_of)
            part = Part(time.monotonic(), table, Rows.concatenate([known]), verdicts, path_of)
            samples[-1].parts.append(part)

    def sample_until_ended() -> None:
        sampler = Sampler(config, Memory())
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
