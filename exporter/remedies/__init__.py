"""
What `fix` prints: settings as one consumer or another takes them, with how to use them.
"""

from exporter.remedies.render import TARGETS, remedy
from exporter.remedies.validate import objections

__all__ = ["TARGETS", "objections", "remedy"]
