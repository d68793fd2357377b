"""
Tests of network namespaces.
"""
