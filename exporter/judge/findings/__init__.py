"""
What is wrong with the settings, why it matters, and what to do about it.
"""

from exporter.judge.findings.facts import Facts, Found, Rule
from exporter.judge.findings.find import RULES, find, find_all

__all__ = ["RULES", "Facts", "Found", "Rule", "find", "find_all"]
