"""
The picture of the connections page in the docs, drawn from examples.
"""

import hashlib
import re
import shutil
import struct
import zlib

from playwright.sync_api import Route, sync_playwright

from exporter.connections.query import Query, Sort
from exporter.web.connections_page import PAGE, _content
from exporter.web.templating import STATIC, _read, render
from tests.connections.examples import CONFIG, EXAMPLES, look
from tests.docs.generated import ROOT

FILE = ROOT / "docs/images/connections-page.png"
_WIDTH = 1100
_ADDRESS = "http://exporter.example"
_KEYWORD = b"Source\0"
_HEADER = 33
"""Size in bytes of a PNG's signature and first chunk."""


def page() -> str:
    """
    The page, as HTML.
    """
    params = dict.fromkeys(("workload", "path", "remote", "sort", "offset", "limit"), "")
    params["all"] = "1"
    response = render(
        "connections.html",
        params=params,
        paths=[path.name for path in CONFIG.paths],
        sorts=list(Sort),
        problem=None,
        **_content(Query(everything=True, limit=100), look(*EXAMPLES), params),
    )
    return response.text or ""


def source() -> bytes:
    """
    A hash of the page and its style, to detect changes.
    """
    return hashlib.sha256(page().encode() + _read("style.css")).hexdigest().encode()


def recorded_source(picture: bytes) -> bytes | None:
    """
    The source hash recorded in a picture.
    """
    match = re.search(b"tEXt" + _KEYWORD + b"([0-9a-f]{64})", picture)
    return match[1] if match else None


def draw() -> bytes:
    """
    The picture, as PNG drawn by Debian's Chromium.
    """

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(_ADDRESS)
        if name.startswith(STATIC):
            kind = "text/css" if name.endswith(".css") else "text/javascript"
            route.fulfill(body=_read(name.removeprefix(STATIC)), content_type=kind)
        else:
            route.fulfill(body=page(), content_type="text/html")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        window = browser.new_page(viewport={"width": _WIDTH, "height": 600}, color_scheme="light")
        window.route("**/*", answer)
        window.goto(_ADDRESS + PAGE)
        picture = window.screenshot(full_page=True)
        browser.close()
    text = b"tEXt" + _KEYWORD + source()
    length, checksum = len(text) - 4, zlib.crc32(text)
    note = struct.pack(">I", length) + text + struct.pack(">I", checksum)
    return picture[:_HEADER] + note + picture[_HEADER:]
