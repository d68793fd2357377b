"""
Tests, benchmarks and the lab they prove things in.
"""
