"""
Tests of exporter/protect.
"""
