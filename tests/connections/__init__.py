"""
Tests of exporter/connections.
"""
