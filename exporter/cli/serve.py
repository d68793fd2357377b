"""
The exporter itself: samples and serves until it is told to end.
"""

import asyncio
import signal
from collections.abc import Callable, Collection, Coroutine, Sequence

import structlog
from aiohttp import web

from exporter.config import Config
from exporter.memory import Memory
from exporter.model import ClosureReading
from exporter.sampler import Sampler
from exporter.watcher import COLLECTOR as CLOSURES
from exporter.watcher import ClosureWatcher
from exporter.web.app import Sources, WebOptions, make_app
from exporter.web.listen import describe, listen

_SHUTDOWN_TIMEOUT = 1.0
"""Seconds that requests under way get to end."""

_log = structlog.get_logger()


async def serve(
    config: Config,
    addresses: Sequence[str],
    collectors: Collection[str],
    options: WebOptions,
    *,
    log_addresses: bool,
) -> None:
    """
    Serve on the addresses until SIGTERM or SIGINT. Raises ListenError.
    """
    ended = asyncio.Event()
    _on_signals(ended)
    watcher = None
    if {"sockets", CLOSURES} <= set(collectors):  # what a closure was is known from the samples
        watcher = ClosureWatcher(config, log_addresses=log_addresses)
    follow = None if watcher is None else watcher.follow
    sampler = Sampler(config, Memory(), collectors, follow)
    work = [sampler.run]
    closures: Callable[[], ClosureReading | None] = lambda: None  # noqa: E731
    if watcher is not None:
        work.append(watcher.run)
        closures = watcher.reading
    app = make_app(Sources(lambda: sampler.snapshot, closures), config, options)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT)
    await runner.setup()
    try:
        for address in addresses:
            sock = listen(address)
            await web.SockSite(runner, sock).start()
            _log.info("listening", address=describe(sock), path=options.telemetry_path)
        await _work_until(ended, [each() for each in work])
        _log.info("ending")
    finally:
        await runner.cleanup()


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


def _on_signals(ended: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, ended.set)
        except NotImplementedError:  # Windows' event loop
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(ended.set))
