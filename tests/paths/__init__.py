"""
Tests of paths and addresses.
"""
