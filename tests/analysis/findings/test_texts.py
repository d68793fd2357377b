"""
The texts of the findings.
"""

from exporter.analysis.findings.find import RULES
from tests.golden.findings import CONTEXTS, FILE, render


def test_golden() -> None:
    """
    Each finding has exactly the text in the golden file; `python -m tests.golden` rewrites it.
    """
    assert render() == FILE.read_text(encoding="utf-8")


def test_complete() -> None:
    """
    The golden file has every rule.
    """
    text = FILE.read_text(encoding="utf-8")
    assert len(CONTEXTS) == text.count("## ")
    assert [rule.id for rule in RULES if f"\n{rule.id} " not in text] == []
