"""
/connections, a page for people, and /api/v1/connections, the same for programs.

They show addresses and processes, so there is more in the way to them than to the other pages.
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
from exporter.web.access import Access
from exporter.web.connections_service import BusyError, Viewer
from exporter.web.templating import render

if TYPE_CHECKING:  # what it imports exists on Linux only
    from exporter.connections.listing import Look

PAGE, API = "/connections", "/api/v1/connections"
_LIMIT, _HIGHEST_LIMIT = 100, 1000
_HIGHEST_OFFSET = 10_000_000
_KEYS = ("all", "workload", "path", "remote", "sort", "offset", "limit")

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Params = Mapping[str, str]


class _RefusedError(Exception):
    """
    There is no look for this request; the status and the message say why.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def parse_query(params: _Params) -> Query:
    """
    What a request asks for; what is empty is not asked for. Raises ValueError.
    """
    if unknown := sorted(set(params) - set(_KEYS)):
        raise ValueError(f"{unknown[0]!r} is not known; allowed are {', '.join(_KEYS)}")
    sort = params.get("sort") or Sort.RISK
    if sort not in list(Sort):
        raise ValueError(f"sort: {sort!r} is not known; allowed are {', '.join(Sort)}")
    remote = params.get("remote")
    return Query(
        everything=_yes(params.get("all", "")),
        workload=params.get("workload") or None,
        path=params.get("path") or None,
        remote=parse_remote(remote) if remote else None,
        sort=Sort(sort),
        offset=_number("offset", params, 0, range(_HIGHEST_OFFSET + 1)),
        limit=_number("limit", params, _LIMIT, range(1, _HIGHEST_LIMIT + 1)),
    )


def _yes(text: str) -> bool:
    if text not in ("", "0", "1", "false", "true"):
        raise ValueError(f"all: {text!r} is not known; allowed are 0, 1, false, true")
    return text in ("1", "true")


def _number(key: str, params: _Params, default: int, allowed: range) -> int:
    text = params.get(key) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) in allowed):
        raise ValueError(f"{key}: {text!r} is no number from {allowed[0]} to {allowed[-1]}")
    return int(text)


def add_connections(
    app: web.Application,
    viewer: Viewer,
    config: Callable[[], Config],
    access: Access,
    *,
    insecure: bool,
) -> None:
    """
    Have the application show connections.

    insecure: to everybody, also where nobody needs to say who they are.
    """

    async def look(request: web.Request, params: _Params) -> tuple[Query, "Look"]:
        if not (insecure or access.rules().config.authenticates or _names_loopback(request)):
            raise _RefusedError(
                403, "Without authentication, ask for it by IP address or as localhost."
            )
        try:
            query = parse_query(params)
            return query, await viewer.look(query, config())
        except (ValueError, UnknownPathError) as error:
            raise _RefusedError(400, str(error)) from error
        except BusyError:
            raise _RefusedError(503, "Too many look already; try again later.") from None
        except CollectorError as error:
            raise _RefusedError(503, str(error)) from error

    async def api(request: web.Request) -> web.Response:
        from exporter.connections.to_json import document  # noqa: PLC0415  on Linux only

        try:
            query, found = await look(request, request.query)
        except _RefusedError as refused:
            return web.json_response({"error": str(refused)}, status=refused.status)
        return web.json_response(
            document(found) | {"offset": query.offset, "limit": query.limit},
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
            query, found = await look(request, _anywhere(params))
        except _RefusedError as refused:
            values["problem"] = str(refused)
            return render("connections.html", status=refused.status, **values)
        return render("connections.html", **values, **_content(query, found, params))

    app.router.add_get(API, api)
    app.router.add_get(PAGE, page)


def _anywhere(params: _Params) -> _Params:
    """
    The same parameters; on the page, part of a workload's name is enough.
    """
    workload = params["workload"]
    if not workload or set(workload) & set("*?"):
        return params
    return {**params, "workload": f"*{workload}*"}


def _names_loopback(request: web.Request) -> bool:
    """
    Whether the request's Host is an address or localhost.

    Any other name may be of a page elsewhere that had its name changed to our address, so that the
    browser of somebody at this host asks us on its behalf (DNS rebinding).
    """
    try:
        host = URL(f"http://{request.host}").host or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _content(query: Query, look: "Look", params: _Params) -> dict[str, Any]:
    from exporter.connections.notes import notes  # noqa: PLC0415  on Linux only

    shown = len(look.connections)
    return {
        "words": words,
        "look": look,
        "risks": [(risk, words.RISKS[risk], look.by_risk[risk]) for risk in Risk],
        "advice": [
            (text, sum(row.advice is advice for row in look.connections))
            for advice, text in look.advice.items()
        ],
        "notes": notes(look),
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
            if query.offset + shown < look.matching
            else None
        ),
    }


def _link(params: _Params, **changes: str) -> str:
    """
    The page with some of its parameters changed.
    """
    kept = {key: value for key, value in {**params, **changes}.items() if value}
    return f"{PAGE}?{urlencode(kept)}" if kept else PAGE
