"""
A small world in which connections die, and the alerts about it: `make demo`.
"""
