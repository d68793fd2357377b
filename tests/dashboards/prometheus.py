"""
A real Prometheus with data of the invented fleet.
"""

import contextlib
import functools
import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.dashboards.hosts import PREFIX, Host, HostPlan, Key
from tests.exporter_process import exporter_process

_Found = TypeVar("_Found")

JOB = "tcp-keepalive"
PORT = 10240
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_BLOCK = 7200.0
_OTHERS = (
    'up{{instance="web-01:9100",job="node"}} 0 {0}\n',
    'process_start_time_seconds{{instance="web-01:9256",job="process"}} {0} {0}\n',
)
"""Other targets of Prometheus: one that is silent, one that restarts all the time."""
_NAME = "NAME-OF-THE-HOST"
_FOREIGN = ("process_", "python_")


def real_exposition(config: Path) -> str:
    """
    The exposition of a real exporter on this machine, in the OpenMetrics format.
    """
    with exporter_process(f"--config.file={config}") as exporter:
        url = f"http://{exporter.addresses[0]}/metrics"
        _until(lambda: _is_ready(url.replace("/metrics", "/-/ready")))
        request = urllib.request.Request(url, headers={"Accept": OPENMETRICS})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())


def write_blocks(
    folder: Path,
    plans: Iterable[HostPlan],
    exposition: str,
    *,
    begin: float,
    end: float,
    step: float = 60.0,
    copies: int = 1,
    only: Collection[str] | None = None,
) -> None:
    """
    Fill a database's folder with the hosts' data from begin to end, in seconds since 1970.

    step is the scrape interval in seconds, copies the number of copies of each host, only the names
    of the metrics to write (None: all).
    """
    hosts = [Host(plan, exposition, begin, seed) for seed, plan in enumerate(plans)]
    now = begin
    while now < end:
        until = min(end, (now // _BLOCK + 1) * _BLOCK)
        with (folder / "openmetrics").open("w") as file:
            while now < until:
                for host in hosts:
                    text = "".join(_lines(host.step(now, step), now, only))
                    for copy in range(copies):
                        name = f"{host.name}-{copy:03}" if copies > 1 else host.name
                        file.write(text.replace(_NAME, name))
                file.writelines(line.format(now) for line in _OTHERS)
                now += step
            file.write("# EOF\n")
        subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", file.name, folder],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        Path(file.name).unlink()


def _lines(
    values: dict[Key, float] | None, now: float, only: Collection[str] | None
) -> Iterator[str]:
    yield f'up{{instance="{_NAME}:{PORT}",job="{JOB}"}} {int(values is not None)} {now}\n'
    for key, value in (values or {}).items():
        series = _series(key)
        if only is None or series.partition("{")[0] in only:
            yield f"{series} {value:.15g} {now}\n"


@functools.cache
def _series(key: Key) -> str:
    metric, labels = key
    name = metric if metric.startswith(_FOREIGN) else PREFIX + metric
    pairs = "".join(f',{label}="{value}"' for label, value in sorted(labels))
    return f'{name}{{instance="{_NAME}:{PORT}",job="{JOB}"{pairs}}}'


@dataclass(frozen=True, slots=True)
class Prometheus:
    """
    A running Prometheus.
    """

    url: str

    def api(self, path: str, **parameters: str) -> Any:
        """
        The data of a response from its HTTP API.
        """
        data = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", data, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from None


@contextlib.contextmanager
def prometheus(folder: Path) -> Iterator[Prometheus]:
    """
    Run Debian's Prometheus on a database within the block.
    """
    config, log = folder / "prometheus.yml", folder / "log"
    config.write_text("global: {}\n")
    with log.open("w") as file:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}",
                "--storage.tsdb.retention.time=10y",
                "--web.listen-address=127.0.0.1:0",
            ],
            stderr=file,
        )
        try:
            url = _until(lambda: _address(log.read_text()))
            _until(lambda: _is_ready(f"{url}/-/ready"))
            yield Prometheus(url)
        finally:
            process.terminate()
            process.wait(30)


def _address(log: str) -> str | None:
    found = re.search(r'msg="Listening on" address=(\S+)', log)
    return f"http://{found[1]}" if found else None


def _is_ready(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=10).close()
    except urllib.error.HTTPError as error:
        error.close()
        return False
    return True


def _until(find: Callable[[], _Found | None], within: float = 60) -> _Found:
    """
    Wait for a true result of find.
    """
    end = time.monotonic() + within
    while not (found := find()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found
