"""
The landing page: what this is, whether the host is all right, where to look further.
"""

import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from exporter.web.exposition import Sources
from exporter.web.overview import State, overview
from exporter.web.templating import render

_HEADLINES = {
    State.GOOD: "All is well",
    State.DOUBTFUL: "Something is not as it should be",
    State.BAD: "Something is wrong",
    State.UNKNOWN: "Something is not known",
}


def make_landing(
    sources: Sources, telemetry_path: str, *, connections: bool
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """
    A handler; connections tells whether there is a page of them to link to.
    """

    async def landing(_: web.Request) -> web.Response:
        config = sources.config()
        return render(
            "index.html",
            headlines=_HEADLINES,
            telemetry_path=telemetry_path,
            connections=connections,
            recommended=config.recommended,
            host=overview(sources.snapshot(), sources.closures(), config, time.monotonic()),
        )

    return landing
