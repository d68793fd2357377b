"""
Command line. Without a command, the exporter serves metrics.
"""

from exporter.cli import lean_structlog

lean_structlog.install()

from exporter.cli.main import main  # noqa: E402  structlog must be imported first

__all__ = ["main"]
