"""
The docs match the code.
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
    Each generated part is used in the docs.
    """
    text = "".join(file.read_text(encoding="utf-8") for file in files())
    for name in GENERATORS:
        assert f"<!-- {name}: " in text


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_fresh(name: str) -> None:
    """
    The picture's text equals the command's output; another version of Rich may draw it differently.
    """
    committed = picture_file(name).read_text(encoding="utf-8")
    texts = [re.findall(r"<text[^>]*>([^<]*)", svg) for svg in (committed, draw(name))]
    assert texts[0] == texts[1], "run `make docs`"


def test_screenshot_is_fresh() -> None:
    """
    The picture of the connections page was drawn from the present page.
    """
    assert screenshot.recorded_source(screenshot.FILE.read_bytes()) == screenshot.source(), (
        "run `make docs`"
    )


def test_every_finding_has_a_section() -> None:
    """
    docs/findings.md has a non-trivial section for every finding, and for no other.
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
def test_links_are_valid(page: Path) -> None:
    """
    Every relative link points to an existing file.
    """
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
