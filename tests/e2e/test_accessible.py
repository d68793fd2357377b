"""
Accessibility of the pages, checked with axe-core on desktop and phone sizes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.browser import ExporterWithBrowser, exporter_with_browser
from tests.lab import LAB_MARKS

pytestmark = LAB_MARKS

PAGES = ["/", "/connections", "/connections?all=1", "/connections?limit=x"]
SIZES = {"desktop": {"width": 1100, "height": 800}, "phone": {"width": 390, "height": 800}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterWithBrowser]:
    """
    An exporter with a browser.
    """
    with exporter_with_browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_accessible(
    running: ExporterWithBrowser, path: str, size: str, scheme: str, tmp_path: Path
) -> None:
    """
    axe-core reports no violations, the page does not overflow, and no request violates the policy.
    """
    with running.window(path, color_scheme=scheme, viewport=SIZES[size]) as window:
        window.page.screenshot(path=tmp_path / "page.png", full_page=True)
        results = Axe().run(window.page)
        assert results.violations_count == 0, results.generate_report()
        overflows = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert window.page.evaluate(overflows) is False
        assert window.violations() == []
        expected = [] if "limit=x" not in path else window.errors[:1]
        assert set(window.errors) == set(expected)  # repeated each time the page refreshes


def test_axe_finds_something(running: ExporterWithBrowser) -> None:
    """
    The check above can fail: axe-core detects low contrast.
    """
    with running.window("/") as window:
        window.page.evaluate("document.querySelector('h1').style.color = '#eee'")
        assert Axe().run(window.page).violations_count == 1
