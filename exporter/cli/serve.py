"""
The exporter itself: samples and serves until it is told to end.
"""

import asyncio
import contextlib
import signal
from collections.abc import Collection, Sequence

import structlog
from aiohttp import web

from exporter.config import Config
from exporter.sampler import Sampler
from exporter.web.app import WebOptions, make_app
from exporter.web.listen import describe, listen

_SHUTDOWN_TIMEOUT = 1.0
"""Seconds that requests under way get to end."""

_log = structlog.get_logger()


async def serve(
    config: Config, addresses: Sequence[str], collectors: Collection[str], options: WebOptions
) -> None:
    """
    Serve on the addresses until SIGTERM or SIGINT. Raises ListenError.
    """
    ended = asyncio.Event()
    _on_signals(ended)
    sampler = Sampler(config, collectors)
    app = make_app(lambda: sampler.snapshot, config, options)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT)
    await runner.setup()
    try:
        for address in addresses:
            sock = listen(address)
            await web.SockSite(runner, sock).start()
            _log.info("listening", address=describe(sock), path=options.telemetry_path)
        sampling = asyncio.create_task(sampler.run())
        await ended.wait()
        _log.info("ending")
        sampling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sampling
    finally:
        await runner.cleanup()


def _on_signals(ended: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, ended.set)
        except NotImplementedError:  # Windows' event loop
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(ended.set))
