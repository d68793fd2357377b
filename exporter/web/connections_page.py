"""
/connections, an HTML page, and /api/v1/connections, the same as JSON.

Both show addresses and processes, so access is more restricted than to other pages.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web
from yarl import URL

from exporter.config.schema import Config
from exporter.connections import format as words
from exporter.connections.query import Query, Sort, UnknownPathError, parse_remote
from exporter.model import NO_PATH, CollectorError, Risk
from exporter.web.access import AccessControl
from exporter.web.connections_service import ConnectionsService, ListingQueueFullError
from exporter.web.templating import render

if TYPE_CHECKING:  # Linux only
    from exporter.connections.listing import ConnectionListing

PAGE, API = "/connections", "/api/v1/connections"
_LIMIT, _HIGHEST_LIMIT = 100, 1000
_HIGHEST_OFFSET = 10_000_000
_KEYS = ("all", "workload", "path", "remote", "sort", "offset", "limit")

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Params = Mapping[str, str]


class _RejectedError(Exception):
    """
    The request is rejected with a status and a message.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def parse_query(params: _Params) -> Query:
    """
    The query of a request. Empty parameters are ignored. Raises ValueError.
    """
    if unknown := sorted(set(params) - set(_KEYS)):
        raise ValueError(f"unknown parameter {unknown[0]!r}; allowed: {', '.join(_KEYS)}")
    sort = params.get("sort") or Sort.RISK
    if sort not in list(Sort):
        raise ValueError(f"sort: {sort!r} is unknown; allowed: {', '.join(Sort)}")
    remote = params.get("remote")
    return Query(
        everything=_boolean(params.get("all", "")),
        workload=params.get("workload") or None,
        path=params.get("path") or None,
        remote=parse_remote(remote) if remote else None,
        sort=Sort(sort),
        offset=_number("offset", params, 0, range(_HIGHEST_OFFSET + 1)),
        limit=_number("limit", params, _LIMIT, range(1, _HIGHEST_LIMIT + 1)),
    )


def _boolean(text: str) -> bool:
    if text not in ("", "0", "1", "false", "true"):
        raise ValueError(f"all: {text!r} is unknown; allowed: 0, 1, false, true")
    return text in ("1", "true")


def _number(key: str, params: _Params, default: int, allowed: range) -> int:
    text = params.get(key) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) in allowed):
        raise ValueError(f"{key}: {text!r} is invalid; allowed: {allowed[0]} to {allowed[-1]}")
    return int(text)


def add_connections(
    app: web.Application,
    service: ConnectionsService,
    config: Callable[[], Config],
    access: AccessControl,
    *,
    insecure: bool,
) -> None:
    """
    Add the pages of connections to the application.

    insecure allows access without authentication.
    """

    async def answer(request: web.Request, params: _Params) -> tuple[Query, "ConnectionListing"]:
        if not (insecure or access.rules().config.authenticates or _has_safe_host(request)):
            raise _RejectedError(
                403, "Without authentication, use localhost or an IP address as the host name."
            )
        try:
            query = parse_query(params)
            return query, await service.list_connections(query, config())
        except (ValueError, UnknownPathError) as error:
            raise _RejectedError(400, str(error)) from error
        except ListingQueueFullError:
            raise _RejectedError(503, "Too many requests are waiting; try again later.") from None
        except CollectorError as error:
            raise _RejectedError(503, str(error)) from error

    async def api(request: web.Request) -> web.Response:
        from exporter.connections.to_json import document  # noqa: PLC0415  on Linux only

        try:
            query, listing = await answer(request, request.query)
        except _RejectedError as rejected:
            return web.json_response({"error": str(rejected)}, status=rejected.status)
        return web.json_response(
            document(listing) | {"offset": query.offset, "limit": query.limit},
            headers={"Cache-Control": "no-store"},
        )

    async def page(request: web.Request) -> web.Response:
        params = dict.fromkeys(_KEYS, "") | dict(request.query)
        values: dict[str, Any] = {
            "params": params,
            "paths": [*(path.name for path in config().paths), NO_PATH],
            "sorts": list(Sort),
            "problem": None,
        }
        try:
            query, listing = await answer(request, _partial_workload(params))
        except _RejectedError as rejected:
            values["problem"] = str(rejected)
            return render("connections.html", status=rejected.status, **values)
        return render("connections.html", **values, **_content(query, listing, params))

    app.router.add_get(API, api)
    app.router.add_get(PAGE, page)


def _partial_workload(params: _Params) -> _Params:
    """
    The parameters with a workload pattern that matches parts of names.
    """
    workload = params["workload"]
    if not workload or set(workload) & set("*?"):
        return params
    return {**params, "workload": f"*{workload}*"}


def _has_safe_host(request: web.Request) -> bool:
    """
    Whether the request's Host is an address or localhost.

    Any other name may belong to a foreign page whose name now resolves to this host, so that a
    browser on this host sends the request on behalf of that page (DNS rebinding).
    """
    try:
        host = URL(f"http://{request.host}").host or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _content(query: Query, listing: "ConnectionListing", params: _Params) -> dict[str, Any]:
    from exporter.connections.hint_lines import hint_lines  # noqa: PLC0415  on Linux only
    from exporter.connections.listing import notes  # noqa: PLC0415

    shown = len(listing.connections)
    return {
        "words": words,
        "listing": listing,
        "risks": [(risk, words.RISKS[risk], listing.by_risk[risk]) for risk in Risk],
        "advice": [
            (
                text,
                sum(row.advice is advice for row in listing.connections),
                hint_lines(advice, listing.connections),
            )
            for advice, text in listing.advice.items()
        ],
        "notes": notes(listing),
        "first": query.offset + 1 if shown else 0,
        "last": query.offset + shown,
        "sort": query.sort,
        "links": {str(sort): _link(params, sort=sort, offset="") for sort in Sort},
        "everything": _link(params, all="1", offset=""),
        "previous": (
            _link(params, offset=str(max(query.offset - (query.limit or 0), 0)))
            if query.offset
            else None
        ),
        "next": (
            _link(params, offset=str(query.offset + shown))
            if query.offset + shown < listing.matching
            else None
        ),
    }


def _link(params: _Params, **changes: str) -> str:
    """
    The URL of the page with some parameters changed.
    """
    kept = {key: value for key, value in {**params, **changes}.items() if value}
    return f"{PAGE}?{urlencode(kept)}" if kept else PAGE
