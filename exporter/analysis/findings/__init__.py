"""
Findings: what is wrong with the settings or paths, why it matters, and how to correct it.
"""

from exporter.analysis.findings.find import RULES, find, find_all
from exporter.analysis.findings.rule_context import Diagnosis, Rule, RuleContext

__all__ = ["RULES", "Diagnosis", "Rule", "RuleContext", "find", "find_all"]
