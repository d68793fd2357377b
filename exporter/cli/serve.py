"""
The exporter itself: samples and serves until SIGTERM or SIGINT.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Collection, Coroutine, Sequence

import structlog

from exporter.cli.reload import ReloadableConfig
from exporter.cli.systemd import notify, notify_liveness
from exporter.collectors.closures import COLLECTOR as CLOSURES
from exporter.collectors.closures import ClosureCollector
from exporter.collectors.operating_system import SUPPORTED
from exporter.collectors.sampler import Sampler
from exporter.collectors.state import State
from exporter.config.schema import ConfigError
from exporter.model import ClosureReading
from exporter.web.access import AccessControl
from exporter.web.app import WebOptions, make_app
from exporter.web.connections_service import ConnectionsService
from exporter.web.exposition import DataSources
from exporter.web.listen import describe
from exporter.web.server import HttpServer

_STOP_SIGNALS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name)
]
"""On Windows, Ctrl-Break, closing the console and logging off are SIGBREAK."""

_log = structlog.get_logger()


async def serve(  # noqa: PLR0913  from the command line
    live: ReloadableConfig,
    listeners: Sequence[socket.socket],
    collectors: Collection[str],
    options: WebOptions,
    access: AccessControl,
    *,
    log_addresses: bool,
    show_connections: bool,
) -> None:
    """
    Serve on the listening sockets until SIGTERM or SIGINT.
    """
    if not SUPPORTED:
        _log.info(
            "connections are only counted on this platform",
            platform=sys.platform,
            linux_only="idle times, protection, owners, closures",
        )
    stopped = asyncio.Event()
    _on_signals(stopped, live)
    state = State()
    work: list[Callable[[], Coroutine[None, None, None]]] = []
    subscriber = None
    closures: Callable[[], ClosureReading | None] = lambda: None  # noqa: E731
    if {"sockets", CLOSURES} <= set(collectors):  # closures are classified by the samples
        watcher = ClosureCollector(live.config, state, log_addresses=log_addresses)
        live.users.append(watcher.use)
        work.append(watcher.run)
        closures, subscriber = watcher.reading, watcher.streams
    sampler = Sampler(live.config, state, collectors, subscriber)
    live.users.append(sampler.use)
    work.append(sampler.run)
    sources = DataSources(lambda: sampler.snapshot, closures, lambda: live.config)
    service = ConnectionsService(state) if show_connections else None
    server = HttpServer(make_app(sources, options, access, live.reload, service), access)
    try:
        await server.start(listeners)
        for listener in listeners:
            _log.info("listening", address=describe(listener), path=options.telemetry_path)
        is_ready = lambda: sampler.snapshot is not None  # noqa: E731
        await _work_until(stopped, [each() for each in work] + [notify_liveness(is_ready)])
        _log.info("shutting down")
        notify("STOPPING=1")
    finally:
        await server.close()


async def _work_until(stopped: asyncio.Event, work: Sequence[Coroutine[None, None, None]]) -> None:
    """
    Run the work, none of which ends by itself, until stopped is set.
    """
    tasks = [asyncio.create_task(each) for each in (stopped.wait(), *work)]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.wait(rest)
    for task in done:
        task.result()


def _on_signals(stopped: asyncio.Event, live: ReloadableConfig) -> None:
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        try:
            loop.add_signal_handler(number, stopped.set)
        except NotImplementedError:  # Windows' event loop
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopped.set))
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGHUP, _reload, live)


def _reload(live: ReloadableConfig) -> None:
    with contextlib.suppress(ConfigError):  # already logged
        live.reload()
