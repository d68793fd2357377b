"""
Tests of text formatting.
"""
