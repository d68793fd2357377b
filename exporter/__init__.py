"""
Says whether a host's idle TCP connections will outlive the NATs and load balancers they cross.
"""

__version__ = "0.1.0"
