"""
All Linux-specific code.
"""

from exporter.linux import lean_pyroute2

lean_pyroute2.install()
