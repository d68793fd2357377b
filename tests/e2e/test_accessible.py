"""
Everybody can use the pages: axe-core looks for what stands in the way, on desk and phone.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.browser import Stage, browser_stage
from tests.lab import LAB_MARKS

pytestmark = LAB_MARKS

PAGES = ["/", "/connections", "/connections?all=1", "/connections?limit=x"]
SIZES = {"desktop": {"width": 1100, "height": 800}, "phone": {"width": 390, "height": 800}}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """
    The stage, with a browser.
    """
    with browser_stage(tmp_path_factory.mktemp("browser")) as stage:
        yield stage


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("size", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_accessible(stage: Stage, path: str, size: str, scheme: str, tmp_path: Path) -> None:
    """
    axe-core finds nothing wrong with contrast, names and structure; nothing overflows; no page asks
    for what the policy forbids.
    """
    with stage.window(path, color_scheme=scheme, viewport=SIZES[size]) as window:
        window.page.screenshot(path=tmp_path / "page.png", full_page=True)
        results = Axe().run(window.page)
        assert results.violations_count == 0, results.generate_report()
        wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert window.page.evaluate(wider) is False
        assert window.violations() == []
        refused = [] if "limit=x" not in path else window.complaints[:1]
        assert window.complaints == refused


def test_axe_finds_something(stage: Stage) -> None:
    """
    The check above could fail.
    """
    with stage.window("/") as window:
        window.page.evaluate("document.querySelector('h1').style.color = '#eee'")
        assert Axe().run(window.page).violations_count == 1
