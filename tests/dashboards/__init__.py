"""
Tests of the Grafana dashboards, on an invented fleet.
"""
