"""
Tests, benchmarks, and the lab of network namespaces that they use.
"""
