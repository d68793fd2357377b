"""
The exporter itself: samples and serves until it is told to end.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Collection, Coroutine, Sequence

import structlog

from exporter.cli.reload import Live
from exporter.cli.systemd import keep_told, notify
from exporter.collectors.closures import COLLECTOR as CLOSURES
from exporter.collectors.closures import ClosureWatcher
from exporter.collectors.sampler import Sampler
from exporter.collectors.state import Memory
from exporter.config.schema import ConfigError
from exporter.linux import SUPPORTED
from exporter.model import ClosureReading
from exporter.web.access import Access
from exporter.web.app import WebOptions, make_app
from exporter.web.connections_service import Viewer
from exporter.web.exposition import Sources
from exporter.web.listen import describe
from exporter.web.server import HttpServer

_ENDING = [
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name)
]
"""Ctrl-Break, and the end of its console or of the session, are SIGBREAK on Windows."""

_log = structlog.get_logger()


async def serve(  # noqa: PLR0913  what the command line says
    live: Live,
    listeners: Sequence[socket.socket],
    collectors: Collection[str],
    options: WebOptions,
    access: Access,
    *,
    log_addresses: bool,
    show_connections: bool,
) -> None:
    """
    Serve on the listening sockets until SIGTERM or SIGINT.
    """
    if not SUPPORTED:
        _log.info(
            "only settings and the number of connections are told on this system: what protects"
            " connections, how idle they are, whose they are and how they end Linux alone shows",
            platform=sys.platform,
        )
    ended = asyncio.Event()
    _on_signals(ended, live)
    memory = Memory()
    work: list[Callable[[], Coroutine[None, None, None]]] = []
    follower = None
    closures: Callable[[], ClosureReading | None] = lambda: None  # noqa: E731
    if {"sockets", CLOSURES} <= set(collectors):  # what a closure was is known from the samples
        watcher = ClosureWatcher(live.config, memory, log_addresses=log_addresses)
        live.users.append(watcher.use)
        work.append(watcher.run)
        closures, follower = watcher.reading, watcher.listeners
    sampler = Sampler(live.config, memory, collectors, follower)
    live.users.append(sampler.use)
    work.append(sampler.run)
    sources = Sources(lambda: sampler.snapshot, closures, lambda: live.config)
    viewer = Viewer(memory) if show_connections else None
    server = HttpServer(make_app(sources, options, access, live.reload, viewer), access)
    try:
        await server.start(listeners)
        for listener in listeners:
            _log.info("listening", address=describe(listener), path=options.telemetry_path)
        is_ready = lambda: sampler.snapshot is not None  # noqa: E731
        await _work_until(ended, [each() for each in work] + [keep_told(is_ready)])
        _log.info("ending")
        notify("STOPPING=1")
    finally:
        await server.close()


async def _work_until(ended: asyncio.Event, work: Sequence[Coroutine[None, None, None]]) -> None:
    """
    Do the work, none of which ends by itself, until ended is set.
    """
    tasks = [asyncio.create_task(each) for each in (ended.wait(), *work)]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.wait(rest)
    for task in done:
        task.result()


def _on_signals(ended: asyncio.Event, live: Live) -> None:
    loop = asyncio.get_running_loop()
    for number in _ENDING:
        try:
            loop.add_signal_handler(number, ended.set)
        except NotImplementedError:  # Windows' event loop
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(ended.set))
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGHUP, _reload, live)


def _reload(live: Live) -> None:
    with contextlib.suppress(ConfigError):  # which has been logged
        live.reload()
