"""
Tests of measuring a path's idle timeout.
"""
