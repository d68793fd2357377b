"""
The commands. Without one, the exporter serves metrics.
"""

from exporter.cli.main import main

__all__ = ["main"]
