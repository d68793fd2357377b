"""
Tests of deploy/.
"""
