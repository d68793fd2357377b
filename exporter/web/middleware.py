"""
Checks for every request, and headers of every response.
"""

import time

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from exporter.web.access import AccessControl
from exporter.web.passwords import PasswordQueueFullError

_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_CHALLENGE = 'Basic realm="tcp-keepalive-exporter", charset="UTF-8"'


def make_guard(access: AccessControl) -> Middleware:
    """
    A middleware that applies the current rate limit and authentication.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        rules = access.rules()
        if rules.bucket and not rules.bucket.take(time.monotonic()):
            raise web.HTTPTooManyRequests(text="Rate limit exceeded; try again later.\n")
        if rules.passwords:
            try:
                known = await rules.passwords.are_right(request.headers.get(hdrs.AUTHORIZATION, ""))
            except PasswordQueueFullError:
                raise web.HTTPServiceUnavailable(
                    text="Too many password checks are waiting; try again later.\n"
                ) from None
            if not known:
                raise web.HTTPUnauthorized(
                    text="Unauthorized.\n", headers={hdrs.WWW_AUTHENTICATE: _CHALLENGE}
                )
        if request.body_exists:
            response = web.Response(status=413, text="Request bodies are not accepted.\n")
            response.force_close()
            return response
        return await handler(request)

    return guard


def add_headers(app: web.Application, access: AccessControl) -> None:
    """
    Add security headers and those of the current rules to all responses.

    The Server header, with the versions of aiohttp and Python, is removed.
    """

    async def add(_: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers.popall(hdrs.SERVER, None)
        for name, value in _SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        configured = access.rules().config.http_server_config.headers
        headers.update({name: value for name, value in configured.items() if value})

    app.on_response_prepare.append(add)
