"""
Closures as fast as they come: `python -m tests.bench.closures` prints what is counted, what is
lost, and what that costs.

In a namespace of its own a process opens and closes connections over loopback, of which both ends
are closures: the steady stream of the budget, a flood, a stream while the exporter is stopped for
a moment, and a slow one, which must be told whole again.
"""

import argparse
import http.client
import json
import math
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from tests.exporter_process import AS_NOBODY, COMMAND, ROOT, exporter_process
from tests.lab import Host
from tests.lab.traffic import abort

RATE, SECONDS = 5_000, 10.0
"""The budget: so many closures a second for so many seconds, none lost."""
FLOOD_SECONDS, STOPPED = 3.0, 2.0
RECOVERY_RATE, RECOVERY_SECONDS = 1_000, 5.0

_PORT = 10240
_SCRAPE_EVERY, _ASK_EVERY = 0.2, 0.02
_TICK = 0.01
_HELD = 500
"""Connections that are open at any time, in a steady stream."""
_FLOOD_BATCH, _SPARE_FILES = 8_000, 100
_EVERY_NTH_ABORTS = 4
_PATIENCE = 30.0
_SMALL_BUFFER = """
from exporter.linux.netlink import destroy_events as closures
closures._RECEIVE_BUFFER = 212992  # net.core.rmem_max as kernels have it
from exporter.__main__ import main
main()
"""
_AS_NOBODY = (*AS_NOBODY[: -len(COMMAND)], sys.executable, "-c", _SMALL_BUFFER)
_COUNTED = re.compile(r"^tcp_keepalive_closure_idle_seconds_count\S* (\S+)$", re.MULTILINE)
_LOST = re.compile(r"^tcp_keepalive_closure_events_lost_total (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Totals:
    """
    What the exporter has counted and lost since its start.
    """

    counted: int
    lost: int

    def since(self, before: "Totals") -> "Totals":
        """
        What has been added.
        """
        return Totals(self.counted - before.counted, self.lost - before.lost)


@dataclass(frozen=True, slots=True)
class Measured:
    """
    What became of so many closures; times are in seconds, cpu is the exporter's.
    """

    name: str
    made: int
    making: float
    totals: Totals
    scrapes: list[float]
    asks: list[float]
    cpu: float
    memory: int

    @property
    def adds_up(self) -> bool:
        """
        Whether every closure was either counted or known to be lost.
        """
        return self.totals.counted + self.totals.lost == self.made


class Client:
    """
    A client with one connection, which it keeps, so that it makes no closures itself.
    """

    def __init__(self, host: Host) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", _PORT)
        self._http.sock = host.call(socket.create_connection, ("127.0.0.1", _PORT), _PATIENCE)
        self._latencies: list[float] = []

    def get(self, path: str) -> tuple[int, str]:
        """
        Status and body of the answer.
        """
        started = time.perf_counter()
        self._http.request("GET", path)
        response = self._http.getresponse()
        body = response.read().decode()
        self._latencies.append(time.perf_counter() - started)
        return response.status, body

    def totals(self) -> Totals:
        """
        The sums over all paths and reasons.
        """
        _, text = self.get("/metrics")
        lost = _LOST.search(text)
        assert lost is not None
        return Totals(int(sum(map(float, _COUNTED.findall(text)))), int(float(lost[1])))

    def take_latencies(self) -> list[float]:
        """
        The seconds that each answer took since this was last asked.
        """
        latencies, self._latencies = self._latencies, []
        return latencies

    def repeat(self, path: str, every: float, until: threading.Event) -> None:
        """
        Get it again and again.
        """
        while not until.wait(every):
            self.get(path)


class Bench:
    """
    An exporter that is ready, and what asks it.
    """

    def __init__(self, host: Host, process: psutil.Process) -> None:
        self._host = host
        self._process = process
        self._client, self._scraper, self._asker = (Client(host) for _ in range(3))
        _until(lambda: self._client.get("/-/ready")[0] == http.HTTPStatus.OK)

    def measure(
        self, name: str, *, makers: int = 1, rate: int = 0, seconds: float, stopped: float = 0
    ) -> Measured:
        """
        Have so many processes make closures for so many seconds, each at this rate; 0 is a flood.

        Meanwhile the exporter is stopped for a while, as on a host too busy to let it run.
        """
        before, cpu_before = self._client.totals(), _cpu(self._process)
        argv = [sys.executable, "-m", __spec__.name, "--make", str(rate), str(seconds)]
        with self._asked():
            processes = [
                self._host.start(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                for _ in range(makers)
            ]
            if stopped:
                time.sleep(1)
                self._process.suspend()
                time.sleep(stopped)
                self._process.resume()
            outputs = [json.loads(_line(process)) for process in processes]
            made = sum(output["made"] for output in outputs)
            self._wait_for(before, made)
            for process in processes:
                process.communicate()
        return Measured(
            name=name,
            made=made,
            making=max(output["seconds"] for output in outputs),
            totals=self._client.totals().since(before),
            scrapes=self._scraper.take_latencies(),
            asks=self._asker.take_latencies(),
            cpu=_cpu(self._process) - cpu_before,
            memory=self._process.memory_info().rss,
        )

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """
        Scrape, and ask for what costs the exporter nothing, until the block is left.
        """
        ended = threading.Event()
        threads = [
            threading.Thread(target=client.repeat, args=(path, every, ended))
            for client, path, every in (
                (self._scraper, "/metrics", _SCRAPE_EVERY),
                (self._asker, "/-/healthy", _ASK_EVERY),
            )
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join()

    def _wait_for(self, before: Totals, made: int) -> None:
        """
        Wait until so many closures have been counted or lost, or until nothing more comes.
        """
        seen, seen_at = self._client.totals(), time.monotonic()
        while seen.since(before).counted + seen.since(before).lost < made:
            if time.monotonic() - seen_at > 2:
                return
            time.sleep(0.05)
            now = self._client.totals()
            if now != seen:
                seen, seen_at = now, time.monotonic()


@contextmanager
def bench(*, privileged: bool) -> Iterator[Bench]:
    """
    An exporter in a namespace of its own; unprivileged, its receive buffer is a small one.
    """
    flag = f"--web.listen-address=127.0.0.1:{_PORT}"
    command = COMMAND if privileged else _AS_NOBODY
    with Host("bench") as host, exporter_process(flag, command=command, start=host.start) as run:
        yield Bench(host, psutil.Process(run.process.pid))
        for line in run.log:
            if "level=info" not in line:
                print(line, file=sys.stderr)


def measure(*, privileged: bool) -> list[Measured]:
    """
    The budget's stream, a flood, an exporter that is stopped, and whether it recovers.
    """
    with bench(privileged=privileged) as able:
        return [
            able.measure("steady", rate=RATE, seconds=SECONDS),
            able.measure("flood", makers=os.cpu_count() or 1, seconds=FLOOD_SECONDS),
            able.measure("stopped", rate=RATE, seconds=STOPPED + 2, stopped=STOPPED),
            able.measure("recovery", rate=RECOVERY_RATE, seconds=RECOVERY_SECONDS),
        ]


def stream(connections: "Connections", rate: int, seconds: float) -> None:
    """
    Make closures at a steady rate, of connections that were open for a while.
    """
    connections.open(_HELD)
    began = time.monotonic()
    for tick in range(1, round(seconds / _TICK) + 1):
        time.sleep(max(0.0, began + tick * _TICK - time.monotonic()))
        due = round(rate * _TICK * tick - connections.closures) // 2
        connections.close(due)
        connections.open(min(due, round(rate * seconds) // 2 - connections.opened))


def flood(connections: "Connections", seconds: float) -> None:
    """
    Make closures as fast as can be, many at once.
    """
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    batch = min(_FLOOD_BATCH, (most_files - _SPARE_FILES) // 2)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connections.open(batch)
        connections.close(batch)


class Connections:
    """
    Connections of both families, closed in the order they were opened, from either end.
    """

    def __init__(self) -> None:
        self._listeners = [
            socket.create_server(("127.0.0.1", 0), backlog=4096),
            socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=4096),
        ]
        self._open: deque[tuple[socket.socket, socket.socket]] = deque()
        self.opened = 0
        self.closures = 0

    def open(self, number: int) -> None:
        """
        Open so many more.
        """
        for _ in range(number):
            listener = self._listeners[self.opened % 2]
            client = socket.socket(listener.family)
            client.connect(listener.getsockname())
            server, _ = listener.accept()
            # Either end may be the first to go.
            self._open.append((client, server) if self.opened % 4 < 2 else (server, client))
            self.opened += 1

    def close(self, number: int) -> None:
        """
        Close both ends of the oldest ones.
        """
        for _ in range(number):
            first, second = self._open.popleft()
            if self.closures // 2 % _EVERY_NTH_ABORTS:
                first.close()
            else:
                abort(first)
            second.close()
            self.closures += 2


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the exporter is not ready")
        time.sleep(0.05)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def _print(rounds: Sequence[Measured]) -> None:
    print(
        f"{'':10}{'made':>9}{'a second':>9}{'counted':>9}{'lost':>9}"
        f"{'scrape p50, p99':>18}{'healthy p50, p99':>18}{'CPU':>8}{'memory':>8}"
    )
    for one in rounds:
        scrapes, asks = (
            ", ".join(f"{1e3 * _percentile(values, percent):.1f}" for percent in (50, 99)) + " ms"
            for values in (one.scrapes, one.asks)
        )
        print(
            f"{one.name:10}{one.made:>9,}{one.made / one.making:>9,.0f}{one.totals.counted:>9,}"
            f"{one.totals.lost:>9,}{scrapes:>18}{asks:>18}{one.cpu:>6.2f} s"
            f"{one.memory / 1e6:>5.0f} MB"
            + ("" if one.adds_up else f"  {one.made - one.totals.counted - one.totals.lost} amiss")
        )


def _make(rate: int, seconds: float) -> None:
    connections = Connections()
    started = time.monotonic()
    if rate:
        stream(connections, rate, seconds)
    else:
        flood(connections, seconds)
    took = time.monotonic() - started
    print(json.dumps({"made": connections.closures, "seconds": took}), flush=True)
    # Until everything is counted the listeners stay: their end would be told too, and may be lost,
    # but is no closure.
    sys.stdin.read()


def main() -> None:
    """
    Measure, with and without privileges, whether closures are told as fast as they come.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.closures", description=main.__doc__
    )
    parser.add_argument("--make", nargs=2, metavar=("RATE", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        _make(int(options.make[0]), float(options.make[1]))
        return
    for privileged in (True, False):
        print("As root" if privileged else "\nAs nobody, on a kernel with its own rmem_max")
        _print(measure(privileged=privileged))


if __name__ == "__main__":
    main()
