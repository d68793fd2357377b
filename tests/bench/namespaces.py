"""
Cost of a sample with the same sockets in many network namespaces:
`python -m tests.bench.namespaces --help`.

The kernel keeps the sockets of all namespaces in one hash table and walks all of it to dump those
of one. So the minimum cost of any reader also grows with the number of namespaces.
"""

import argparse
import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from exporter.collectors.sampler import Sampler
from exporter.collectors.state import State
from exporter.config.schema import Config
from exporter.linux.netns.discovery import NamespaceDiscovery
from exporter.linux.netns.enter import inside
from exporter.model import Namespace
from tests.bench.idle_connections import idle_connections
from tests.bench.readers import bare_loop
from tests.e2e.exporter_inside import table
from tests.e2e.node import UnnamedNamespaces
from tests.exporter_process import ROOT

_NUMBERS = (1, 50, 300)
_SOCKETS = 200_000
_ROUNDS = 3
_APART = "BENCH_APART"
_UNSHARE = (
    *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *("sh", "-c", 'mount -t tmpfs tmpfs /run/netns; ip link set lo up; exec "$@"', "sh"),
)
"""Isolates the benchmark from the machine's namespaces, processes and mounts."""
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Cost:
    """
    Processor seconds of one sample, and of receiving the same dumps without decoding them.
    """

    namespaces: int
    sockets: int
    sample: float
    floor: float

    def row(self, one: "Cost") -> list[str]:
        """
        The cells of a table row, relative to the cost of one namespace.
        """
        return [
            f"{self.namespaces}",
            f"{self.sockets:,}",
            f"{self.floor:.3f} s",
            f"{self.sample:.3f} s",
            f"{self.sample / self.floor:.2f} x",
            f"{self.floor / one.floor:.1f} x",
            f"{self.sample / one.sample:.1f} x",
        ]


def main() -> None:
    """
    Sample the same number of sockets in one network namespace and in several.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.namespaces", description=main.__doc__
    )
    flag = parser.add_argument
    flag("--sockets", type=int, default=_SOCKETS, metavar="N", help="default: %(default)s")
    flag("--namespaces", type=int, nargs="+", default=_NUMBERS, metavar="N")
    options = parser.parse_args()
    if _APART not in os.environ:
        os.environ[_APART] = "yes"
        os.execvp(_UNSHARE[0], [*_UNSHARE, sys.executable, *sys.orig_argv[1:]])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    costs = [_measure(number, options.sockets) for number in options.namespaces]
    heads = (
        *("namespaces", "sockets", "bare loops", "sample", "sample / bare loops"),
        *("bare loops / first", "sample / first"),
    )
    print(table(heads, [cost.row(costs[0]) for cost in costs]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"\nProcessor time: minimum of {_ROUNDS} runs. Peak memory: {peak / _MB:.0f} MB.")


def _measure(number: int, sockets: int) -> Cost:
    print(f"{sockets:,} sockets in {number} namespaces", file=sys.stderr, flush=True)
    with _spread(number, sockets):
        sampler = Sampler(Config(namespaces="all"), State())
        snapshot = sampler.sample()  # the measured samples then have a history
        assert snapshot.sockets is not None
        sampled = snapshot.sockets.connections.sampled
        assert sampled >= sockets - number, f"sampled {sampled} of {sockets}"
        assert snapshot.readable_namespaces == number + (number > 1)
        namespaces = NamespaceDiscovery().find().namespaces
        return Cost(
            number,
            sampled,
            sample=min(_seconds(sampler.sample) for _ in range(_ROUNDS)),
            floor=min(_seconds(lambda: _bare_loops(namespaces)) for _ in range(_ROUNDS)),
        )


@contextlib.contextmanager
def _spread(number: int, sockets: int) -> Iterator[None]:
    """
    Open this many sockets: in this namespace if number is 1, otherwise in that many new ones.
    """
    if number == 1:
        with idle_connections(sockets):
            yield
        return
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.unnamed_namespaces"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        UnnamedNamespaces(process).make(number, sockets=sockets // number)
        yield


def _bare_loops(namespaces: Sequence[Namespace]) -> None:
    for namespace in namespaces:
        if namespace.is_own:
            bare_loop()
        else:
            with inside(namespace):
                bare_loop()


def _seconds(action: Callable[[], object]) -> float:
    before = time.thread_time()
    action()
    return time.thread_time() - before


if __name__ == "__main__":
    main()
