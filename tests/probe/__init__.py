"""
Tests of exporter/probe.
"""
