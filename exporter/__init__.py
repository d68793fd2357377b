"""
Prometheus exporter: will a host's idle TCP connections survive the NATs and load balancers on
their path?
"""

__version__ = "0.1.0"
