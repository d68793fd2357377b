"""
Tests of the command line, mostly as a separate process.
"""
