"""
What is wrong with the settings, why it matters, and what to do about it.
"""

from exporter.analysis.findings.find import RULES, find, find_all
from exporter.analysis.findings.rule_context import Facts, Found, Rule

__all__ = ["RULES", "Facts", "Found", "Rule", "find", "find_all"]
