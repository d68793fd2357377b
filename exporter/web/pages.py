"""
The pages for people, and what they are dressed with.
"""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

if TYPE_CHECKING:
    import jinja2

STATIC = "/-/static/"
_CONTENT_TYPES = {
    "style.css": "text/css",
    "icon.svg": "image/svg+xml",
}


def render(template: str, **values: object) -> web.Response:
    """
    The template of that name, filled in; values are escaped.
    """
    page = _environment().get_template(template).render(static=STATIC, **values)
    headers = {hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(text=page, content_type="text/html", headers=headers)


def add_static(app: web.Application) -> None:
    """
    Have the application serve the files that pages ask for.
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
    import jinja2  # noqa: PLC0415  2 MB that an exporter nobody looks at can do without

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("exporter.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = duration
    return environment


def duration(seconds: float | None) -> str:
    """
    Seconds as people say them; odd values of the kernel's as they are.
    """
    if seconds is None:
        return "?"
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds:.4g} s"
