"""
The docs say what the code does.
"""

import re
from pathlib import Path

import pytest

from exporter.analysis.findings import RULES
from tests.docs import screenshot
from tests.docs.generated import GENERATORS, ROOT, files, regenerate
from tests.docs.picture import PICTURES, draw, picture_file

PLACES = ("docs", "deploy", "dashboards")
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def test_generated_parts_are_fresh() -> None:
    """
    Every generated part equals what `make docs` would write.
    """
    for file in files():
        assert file.read_text(encoding="utf-8") == regenerate(file), f"run `make docs` for {file}"


def test_every_generator_is_used() -> None:
    """
    Each kind of generated part stands somewhere in the docs.
    """
    text = "".join(file.read_text(encoding="utf-8") for file in files())
    for name in GENERATORS:
        assert f"<!-- {name}: " in text


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_fresh(name: str) -> None:
    """
    The picture of a command says what the command would; another Rich may draw it otherwise.
    """
    kept = picture_file(name).read_text(encoding="utf-8")
    said = [re.findall(r"<text[^>]*>([^<]*)", text) for text in (kept, draw(name))]
    assert said[0] == said[1], "run `make docs`"


def test_screenshot_is_fresh() -> None:
    """
    The picture of the page of connections is of the page as it is.
    """
    assert screenshot.noted(screenshot.FILE.read_bytes()) == screenshot.source(), "run `make docs`"


def test_every_finding_has_a_section() -> None:
    """
    The docs speak of every finding in a section of its own, which has something to say, and of no
    other.
    """
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    sections = dict(
        re.findall(r"^## (KA\d+)\n(.*?)(?=^## |^\[|\Z)", page, re.DOTALL | re.MULTILINE)
    )
    assert list(sections) == [rule.id for rule in RULES]
    for number, text in sections.items():
        assert f"<!-- {number}: " in text
        assert len(text.partition("<!-- end -->")[2]) > 200, number
        assert "**What to do**: " in text, number


@pytest.mark.parametrize(
    "page",
    [
        ROOT / "README.md",
        *(page for place in PLACES for page in sorted((ROOT / place).rglob("*.md"))),
    ],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_links_lead_somewhere(page: Path) -> None:
    """
    A relative link names a file that exists.
    """
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
