"""
The fixes in docs/long-requests.md, with times for tests.
"""

import re

from tests.exporter_process import ROOT

_PAGE = ROOT / "docs/long-requests.md"
SECONDS = {"120": 2, "30": 1, "600": 14}
"""The times of the page, and those of tests."""


def fix(heading: str, language: str, number: int = 0) -> str:
    """
    A code block below a heading of the page, with the times of tests.
    """
    section = _PAGE.read_text(encoding="utf-8").partition(f"# {heading}\n")[2].partition("\n##")[0]
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return scaled(blocks[number])


def scaled(code: str) -> str:
    """
    Code with the times of tests, in seconds or milliseconds.
    """
    times = SECONDS | {f"{time}000": 1000 * short for time, short in SECONDS.items()}
    return re.sub(r"\b\d+\b", lambda match: str(times.get(match[0], match[0])), code)


def python_fix(library: str, *, plain: str | None = None) -> str:
    """
    Code that makes `client`, that of the page unless plain is given.
    """
    code = scaled(plain) if plain else fix(library, "python")
    return f"{fix('Mitigation', 'python')}\n{code}"
