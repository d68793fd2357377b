"""
Tests of the output of `fix`, with the tools that consume it.
"""
