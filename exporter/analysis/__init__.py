"""
Analysis of what was read: pure functions, without I/O.
"""
