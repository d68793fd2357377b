"""
Tests of the Windows-specific code.
"""
