"""
Recording rules, alerts and runbooks: promtool's verdict, a linter's, and the docs about them.
"""
