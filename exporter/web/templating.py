"""
HTML templates and static files.
"""

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from exporter.text.wording import duration

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

STATIC = "/-/static/"
_CONTENT_TYPES = {
    "connections.js": "text/javascript",
    "style.css": "text/css",
    "icon.svg": "image/svg+xml",
}


def render(template: str, *, status: int = 200, **values: object) -> web.Response:
    """
    Render a template. Values are escaped.
    """
    page = _environment().get_template(template).render(static=STATIC, **values)
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(text=page, status=status, content_type="text/html", headers=headers)


def add_static(app: web.Application) -> None:
    """
    Add the static files to the application.
    """

    async def static(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _CONTENT_TYPES:
            raise web.HTTPNotFound
        headers = {hdrs.CACHE_CONTROL: "max-age=300"}
        return web.Response(body=_read(name), content_type=_CONTENT_TYPES[name], headers=headers)

    app.router.add_get(STATIC + "{name}", static)


@cache
def _read(name: str) -> bytes:
    return (files("exporter.web") / "static" / name).read_bytes()


@cache
def _environment() -> "jinja2.Environment":
    import jinja2  # noqa: PLC0415  2 MB, only needed for pages

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("exporter.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "address": _address,
        "code": _code,
        "duration": _duration,
        "utc": _utc,
    }
    return environment


def _duration(seconds: float | None) -> str:
    """
    Like wording.duration(), but also for None and negative settings.
    """
    if seconds is None:
        return "?"
    return duration(seconds) if seconds >= 0 else f"{seconds:g}s"


def _utc(timestamp: float, form: str) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime(form)


def _address(text: str) -> "Markup":
    """
    The address with a Unicode arrow that is not wrapped. Long addresses may wrap before the port.
    """
    arrow, _, rest = text.replace("->", "→").replace("<-", "←").rpartition(" ")
    host, _, port = rest.rpartition(":")
    return _markup("{}\N{NO-BREAK SPACE}{}<wbr>:{}").format(arrow, host, port)


def _code(text: str) -> "Markup":
    """
    Text with code between backticks.
    """
    words = text.split("`")
    html = "".join("<code>{}</code>" if number % 2 else "{}" for number in range(len(words)))
    return _markup(html).format(*words)


def _markup(html: str) -> "Markup":
    from markupsafe import Markup  # noqa: PLC0415  part of Jinja

    return Markup(html)  # noqa: S704  format() escapes its arguments
