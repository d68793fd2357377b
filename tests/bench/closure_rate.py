"""
Closures at high rates: `python -m tests.bench.closure_rate` prints the closures counted, the events
lost, and the cost.

A process opens and closes connections over loopback in a separate namespace. Both ends of a
connection are closures. There are four rounds: the steady rate of the budget, a flood, a stream
during which the exporter is stopped briefly, and a slow stream, which must be counted completely
again.
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
"""The budget: this many closures per second, for this many seconds, without a lost event."""
FLOOD_SECONDS, STOPPED = 3.0, 2.0
RECOVERY_RATE, RECOVERY_SECONDS = 1_000, 5.0

_PORT = 10240
_SCRAPE_EVERY, _ASK_EVERY = 0.2, 0.02
_TICK = 0.01
_HELD = 500
"""Connections open at any time in a steady stream."""
_FLOOD_BATCH, _SPARE_FILES = 8_000, 100
_EVERY_NTH_ABORTS = 4
_PATIENCE = 30.0
_SMALL_BUFFER = """
from exporter.linux.netlink import destroy_events as closures
closures._RECEIVE_BUFFER = 212992  # the kernel's default of net.core.rmem_max
from exporter.__main__ import main
main()
"""
_AS_NOBODY = (*AS_NOBODY[: -len(COMMAND)], sys.executable, "-c", _SMALL_BUFFER)
_COUNTED = re.compile(r"^tcp_keepalive_closure_idle_seconds_count\S* (\S+)$", re.MULTILINE)
_LOST = re.compile(r"^tcp_keepalive_closure_events_lost_total (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Totals:
    """
    Closures counted and events lost by the exporter since its start.
    """

    counted: int
    lost: int

    def since(self, before: "Totals") -> "Totals":
        """
        The increase since an earlier reading.
        """
        return Totals(self.counted - before.counted, self.lost - before.lost)


@dataclass(frozen=True, slots=True)
class Measured:
    """
    The results of one round. Times are in seconds, memory is in bytes, cpu is the exporter's.
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
    def unaccounted(self) -> int:
        """
        Closures that were neither counted nor reported as lost.
        """
        return self.made - self.totals.counted - self.totals.lost


class Client:
    """
    An HTTP client with one persistent connection, so that it causes no closures itself.
    """

    def __init__(self, host: Host) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", _PORT)
        self._http.sock = host.call(socket.create_connection, ("127.0.0.1", _PORT), _PATIENCE)
        self._latencies: list[float] = []

    def get(self, path: str) -> tuple[int, str]:
        """
        Status and body of the response.
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
        The response times in seconds since the last call.
        """
        latencies, self._latencies = self._latencies, []
        return latencies

    def repeat(self, path: str, every: float, until: threading.Event) -> None:
        """
        Send GET requests periodically.
        """
        while not until.wait(every):
            self.get(path)


class Bench:
    """
    A ready exporter and its clients.
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
        Run processes that make closures for this many seconds, each at this rate. Rate 0 is a
        flood.

        With stopped, the exporter is suspended for this many seconds, as on an overloaded host.
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
        Until the end of the block, scrape, and request /-/healthy, which costs the exporter almost
        nothing.
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
        Wait until this many closures have been counted or lost, or until the numbers stop
        increasing.
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
    An exporter in its own namespace. Unprivileged, it has a small receive buffer.
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
    Four rounds: the rate of the budget, a flood, a stopped exporter, and its recovery.
    """
    with bench(privileged=privileged) as running:
        return [
            running.measure("steady", rate=RATE, seconds=SECONDS),
            running.measure("flood", makers=os.cpu_count() or 1, seconds=FLOOD_SECONDS),
            running.measure("stopped", rate=RATE, seconds=STOPPED + 2, stopped=STOPPED),
            running.measure("recovery", rate=RECOVERY_RATE, seconds=RECOVERY_SECONDS),
        ]


def stream(connections: "Connections", rate: int, seconds: float) -> None:
    """
    Make closures at a steady rate, of connections that have been open for some time.
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
    Make closures as fast as possible, many at once.
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
    Connections of both address families, closed in the order they were opened, from either end.
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
        Open this many connections.
        """
        for _ in range(number):
            listener = self._listeners[self.opened % 2]
            client = socket.socket(listener.family)
            client.connect(listener.getsockname())
            server, _ = listener.accept()
            # Alternate which end closes first.
            self._open.append((client, server) if self.opened % 4 < 2 else (server, client))
            self.opened += 1

    def close(self, number: int) -> None:
        """
        Close both ends of this many of the oldest connections.
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
        f"{'':10}{'made':>9}{'per s':>9}{'counted':>9}{'lost':>9}"
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
            + (f"  {one.unaccounted} unaccounted for" if one.unaccounted else "")
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
    # Keep the listeners open until everything is counted. The kernel also sends an event when a
    # listener ends; the event may be lost, but it is not a closure.
    sys.stdin.read()


def main() -> None:
    """
    Measure, with and without privileges, how many closures are counted at high rates.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.closure_rate", description=main.__doc__
    )
    parser.add_argument("--make", nargs=2, metavar=("RATE", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        _make(int(options.make[0]), float(options.make[1]))
        return
    for privileged in (True, False):
        print("As root" if privileged else "\nAs nobody, with the default net.core.rmem_max")
        _print(measure(privileged=privileged))


if __name__ == "__main__":
    main()
