"""
Tests of recording rules, alerts and runbooks: promtool, a linter, and the docs.
"""
