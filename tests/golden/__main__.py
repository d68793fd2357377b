"""
Write the golden file: `python -m tests.golden`.
"""

from tests.golden import FILE, render

FILE.write_text(render(), encoding="utf-8")
