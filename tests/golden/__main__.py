"""
Write the golden files: `python -m tests.golden`.
"""

from tests import golden
from tests.golden import findings

golden.FILE.write_text(golden.render(), encoding="utf-8")
findings.FILE.write_text(findings.render(), encoding="utf-8")
